"""The pieces of a page: its style, sections, lists and tables, as escaped HTML text.

Nothing on a page asks anything of another place: no script, no font, no picture from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

STYLE = """
:root{color-scheme:light dark;--ink:#1a2230;--soft:#5b6676;--line:#dde2ea;--back:#fff;
--tint:#f5f7fa;--accent:#1f66d6;--glow:#e8f0fe;--warn:#b4540a;--good:#1a7f4b}
@media(prefers-color-scheme:dark){:root{--ink:#e7ebf1;--soft:#9ba7b7;--line:#2f3845;--back:#11151b;
--tint:#1a2029;--accent:#73abff;--glow:#1b2b45;--warn:#f0a35e;--good:#5ccf94}}
*{box-sizing:border-box}
body{font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif;color:var(--ink);
background:var(--back);max-width:58rem;margin:0 auto;padding:2.2rem 1.2rem 4rem}
h1{font-size:1.8rem;line-height:1.2;margin:.1rem 0 .3rem}
h2{font-size:1.15rem;margin:2.6rem 0 .7rem;padding-top:.9rem;border-top:1px solid var(--line)}
h3{font-size:.95rem;margin:1.1rem 0 .2rem}
p{margin:.5rem 0}ul{margin:.4rem 0;padding-left:1.2rem}li{margin:.15rem 0}
.soft{color:var(--soft)}.over{font-size:.8rem;letter-spacing:.06em;text-transform:uppercase}
.verdict{background:var(--glow);border-left:4px solid var(--accent);border-radius:.4rem;
padding:.8rem 1.1rem;margin:1.3rem 0}.verdict.bad{border-color:var(--warn)}
.verdict p:first-child{font-size:1.1rem;font-weight:600;margin-top:0}
.verdict p:last-child{margin-bottom:0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.7rem}
.card{background:var(--tint);border-radius:.5rem;padding:.7rem .9rem;font-size:.85rem;
color:var(--soft)}
.card b{display:block;font-size:1.35rem;line-height:1.3;color:var(--ink);
font-variant-numeric:tabular-nums}
.grid{display:flex;flex-wrap:wrap;gap:.6rem 1.2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.86rem;width:100%}
th{text-align:left;font-weight:600;color:var(--soft);white-space:nowrap}
th,td{padding:.32rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tr.first td{background:var(--glow)}code,pre{font:.86em/1.5 ui-monospace,monospace}
pre{background:var(--tint);padding:.8rem 1rem;border-radius:.5rem;overflow-x:auto;margin:.5rem 0}
summary{cursor:pointer;color:var(--accent);margin:.5rem 0}
.yes{color:var(--good);font-weight:600}.no{color:var(--warn);font-weight:600}
svg{display:block;max-width:100%;height:auto}figure{margin:.4rem 0}
figcaption{font-size:.85rem;color:var(--soft)}
svg .label{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--soft)}
svg .strong{fill:var(--ink)}svg .faint{stroke:var(--line)}svg .inverse{fill:var(--back)}
svg .accent{stroke:var(--accent);stroke-width:2;fill:none}
svg .quiet{stroke:var(--soft);stroke-width:2;fill:none}
svg .warn{stroke:var(--warn);stroke-width:1.5}svg .dashed{stroke-dasharray:5 4}
svg .dot{fill:var(--soft);fill-opacity:.5}svg .grey{fill:var(--soft)}
svg .band{fill:var(--accent);fill-opacity:.18}svg .thin{stroke-width:1.3}
svg .pale{stroke-width:1.3;stroke-opacity:.45}svg .ring{stroke:var(--soft);stroke-width:1.5}
svg .bold{font-weight:600}svg .small{font-size:10.5px}svg.broad{min-width:44rem}
svg .solid,svg .bar,svg .cell{fill:var(--accent)}
@media print{body{max-width:none;padding:0}h2{break-after:avoid}}
"""


def page(title: str, sections: Iterable[str]) -> str:
    """A whole document with its style inside."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        '</title><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head>\n<body>\n{chr(10).join(filter(None, sections))}\n"
        "</body></html>\n"
    )


def section(title: str, body: str) -> str:
    """A heading and what is under it; nothing when there is nothing."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; `kind` is a class of the style."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def bullets(lines: Iterable[str]) -> str:
    """A list of plain lines; nothing when there are none."""
    items = "".join(f"<li>{escape(str(line))}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def figure(picture: str, caption: str) -> str:
    """A picture with words under it; nothing without a picture."""
    if not picture:
        return ""
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def folded(title: str, body: str) -> str:
    """A part that the reader opens; nothing when it is empty."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>" if body else ""


def cards(facts: Iterable[tuple[str, str]]) -> str:
    """Large numbers with their names."""
    drawn = "".join(f'<div class="card">{escape(k)}<b>{escape(v)}</b></div>' for k, v in facts)
    return f'<div class="cards">{drawn}</div>'


def table(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], first: bool = False
) -> str:
    """A table of `columns` (key -> heading), numbers to the right; `first` marks the first row."""
    if not rows:
        return ""
    numeric = {
        key: all(isinstance(row.get(key), (int, float, type(None))) for row in rows)
        for key in columns
    }
    head = "".join(
        f'<th class="n">{escape(title)}</th>' if numeric[key] else f"<th>{escape(title)}</th>"
        for key, title in columns.items()
    )
    lines = []
    for i, row in enumerate(rows):
        cells = "".join(_cell(row.get(key), numeric[key]) for key in columns)
        lines.append(f'<tr class="first">{cells}</tr>' if first and i == 0 else f"<tr>{cells}</tr>")
    body = "".join(lines)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: Any, numeric: bool) -> str:
    shown = "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
    if isinstance(value, bool):
        return f'<td class="{"yes" if value else "no"}">{"yes" if value else "NO"}</td>'
    return f'<td class="n">{escape(shown)}</td>' if numeric else f"<td>{escape(shown)}</td>"
