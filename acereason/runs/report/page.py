"""This module renders a report as one HTML file that needs no other file and no network."""

import json
import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from acereason.runs.report.content import Block, Plots, Report
from acereason.runs.report.figures import figure

_ASSETS = Path(__file__).parent / "assets"


def render(report: Report) -> str:
    """Return the page's HTML."""
    environment = Environment(
        loader=PackageLoader("acereason.runs.report", "assets"),
        # why: a model may write HTML, and its responses are shown
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    blocks = [block for section in report.sections for block in section.blocks]
    return environment.get_template("page.html").render(
        report=report,
        kind=_kind,
        css=(_ASSETS / "page.css").read_text("utf-8"),
        script=(_ASSETS / "page.js").read_text("utf-8"),
        # why: whole and 5 MB large: plotly's smaller bundle is not in its Python package
        plotly=get_plotlyjs(),
        figures=_json([figure(plot) for block in blocks if isinstance(block, Plots) for plot in block.plots]),
    )


def _code(text: str) -> Markup:
    """Escape text, and show `words in backticks` as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _json(value: object) -> str:
    """Return JSON that can stand in a script element."""
    # why: `</script>` in a text would end the element, and JSON has no NaN
    return json.dumps(value).replace("<", "\\u003c").replace("NaN", "null")
