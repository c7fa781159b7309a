// Plots take their colours from the style sheet, and are drawn anew when the reader's theme changes.
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

function themed({ data, layout }) {
  const axis = { gridcolor: colour("line"), linecolor: colour("line"), tickcolor: colour("line") };
  const traces = data.map(({ colour: number, style, ...trace }) => {
    const own = colour("c" + (number % 8));
    return {
      ...trace,
      line: { ...trace.line, color: own },
      marker: { color: own },
      ...(style === "area" ? { fillcolor: own } : {}),
    };
  });
  return [traces, {
    ...layout,
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("soft") },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: { bgcolor: colour("page"), bordercolor: colour("line"), font: { color: colour("text") } },
    xaxis: { ...layout.xaxis, ...axis },
    yaxis: { ...layout.yaxis, ...axis },
    shapes: layout.shapes.map(({ fill, ...shape }) => ({ ...shape, fillcolor: colour(fill) })),
  }];
}

function draw() {
  for (const figure of figures) {
    const [data, layout] = themed(figure);
    const place = document.getElementById("plot-" + figure.id);
    Plotly.react(place, data, layout, { responsive: true, displayModeBar: false, scrollZoom: false });
  }
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
