"""Pages that need no network: one file with its styles and pictures inside, for screens, phones and paper.

Charts are Altair's, drawn to SVG here. Colours are those of Okabe and Ito, told apart without colour
vision; every series has a word or a shape of its own beside its colour.
"""

from __future__ import annotations

from typing import Any

_FONTS = "system-ui, 'Noto Sans', 'Noto Sans Thai', 'Noto Sans Lao', 'Noto Sans JP', 'Noto Sans CJK JP', sans-serif"
# Okabe and Ito (2008), Color universal design.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")

_STYLE = """
:root { color-scheme: light; --ink: #1d232b; --soft: #5b6673; --line: #d9dee4; --back: #ffffff; --panel: #f5f7f9; --bad: #a3260f; --good: #1c6b3f; --warn: #8a5a00; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.2rem; max-width: 76rem; font: 15px/1.5 FONTS; color: var(--ink); background: var(--back); }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; padding-top: .6rem; border-top: 2px solid var(--ink); }
p { margin: .3rem 0 .8rem; }
.soft { color: var(--soft); }
.bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); font-weight: 600; } .warn { color: var(--warn); font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .7rem; }
.card b { display: block; font-size: 1.35rem; line-height: 1.2; overflow-wrap: anywhere; }
.card span { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .32rem .6rem .32rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.t { overflow-wrap: anywhere; min-width: 9rem; }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
figure { margin: .6rem 0 1rem; overflow-x: auto; } figure svg { max-width: 100%; min-width: 34rem; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .88rem; }
.tag { display: inline-block; border: 1px solid currentColor; border-radius: 4px; padding: 0 .35rem; font-size: .82rem; margin: 0 .2rem .1rem 0; }
.empty { background: var(--panel); border: 1px dashed var(--line); border-radius: 6px; padding: .7rem; color: var(--soft); }
footer { margin-top: 2.5rem; color: var(--soft); font-size: .85rem; border-top: 1px solid var(--line); padding-top: .6rem; }
@media (max-width: 640px) { body { padding: .8rem; font-size: 14px; } .hide { display: none; } th, td { padding-right: .4rem; } }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } h2 { break-after: avoid; } tr, figure, .card { break-inside: avoid; } a { color: inherit; } .wide { overflow: visible; } table { font-size: 8.5pt; } td .bad, td .good { white-space: nowrap; } }
""".replace("FONTS", _FONTS)

_FRAME = """<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
{{ body }}
</body>
</html>
"""


def render(template: str, *, title: str, language: str = "en", **values: Any) -> str:
    """A whole page. Values are escaped; charts come as `Markup`."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    body = environment.from_string(template).render(title=title, **values)
    return environment.from_string(_FRAME).render(
        title=title,
        language=language,
        style=Markup(_STYLE),  # noqa: S704  our own
        body=Markup(body),  # noqa: S704  rendered above, escaped
    )


def svg(chart: Any) -> Any:
    """An Altair chart as SVG for a page."""
    import vl_convert
    from markupsafe import Markup

    configured = (
        chart.configure(font="sans-serif", background="transparent")
        .configure_axis(labelFontSize=12, titleFontSize=12, gridColor="#e4e8ec", domainColor="#8892a0", titleFontWeight="normal")
        .configure_view(stroke=None)
        .configure_legend(labelFontSize=12, titleFontSize=12, orient="top")
    )  # fmt: skip
    return Markup(vl_convert.vegalite_to_svg(configured.to_dict()))  # noqa: S704  drawn here
