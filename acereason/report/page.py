"""A report as one HTML file that needs nothing else."""

import json
import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from acereason.report.content import Block, Plots, Report
from acereason.report.figures import figure

_ASSETS = Path(__file__).parent / "assets"


def render(report: Report) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=PackageLoader("acereason.report", "assets"),
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
        plotly=get_plotlyjs(),
        figures=_json([figure(plot) for block in blocks if isinstance(block, Plots) for plot in block.plots]),
    )


def _code(text: str) -> Markup:
    """Escaped text, with `words in backticks` as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _json(value: object) -> str:
    """JSON that can stand in a script element: no text in it ends the element."""
    return json.dumps(value).replace("<", "\\u003c").replace("NaN", "null")
