"""The look of the report, and the few pieces of HTML that it is made of."""

from html import escape

STYLE = """
:root { --ink: #1c2430; --soft: #5d6877; --line: #e3e7ec;
  --color-teacher: #2c5f8d; --color-student: #d3562a;
  --good: #1f7a4d; --bad: #b3261e; --unknown: #8a6d1a; --paper: #ffffff; --ground: #f4f6f8; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.55;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 12px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0 0 14px; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 12px;
  padding: 22px 26px; margin: 20px 0; }
.kicker { color: var(--soft); font-size: 13px; letter-spacing: 0.06em; text-transform: uppercase;
  margin: 0 0 6px; }
.lead { font-size: 17px; max-width: 78ch; margin: 0; }
.note { color: var(--soft); font-size: 13.5px; margin: 8px 0 0; max-width: 100ch; }
.criteria { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); }
.criterion { border: 1px solid var(--line); border-left: 5px solid var(--bad); border-radius: 8px;
  padding: 14px 16px; }
.criterion.passed { border-left-color: var(--good); }
.criterion.not-shown { border-left-color: var(--unknown); }
.criterion h3 { margin: 0; font-size: 14px; display: flex; justify-content: space-between; }
.mark { color: var(--bad); } .passed .mark { color: var(--good); }
.not-shown .mark { color: var(--unknown); }
.line { margin: 14px 0 0; max-width: 100ch; } .line + .line { margin-top: 6px; }
.criterion .value { font-size: 28px; font-weight: 650; line-height: 1.25; }
.criterion .value small { font-size: 13px; font-weight: 400; white-space: nowrap;
  color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 7px 10px; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { font-weight: 600; vertical-align: bottom; }
th small { display: block; font-weight: 400; color: var(--soft); min-height: 1.5em; }
tr.student td { font-weight: 650; background: #fdf4ef; }
tr.other td { color: var(--soft); }
.named td:first-child { white-space: normal; min-width: 13em; }
tbody tr:last-child td { border-bottom: 0; }
figure { margin: 0; } figure svg { width: 100%; height: auto; display: block; }
figure + figure { margin-top: 18px; }
svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif !important; }
.example { padding: 14px 0; border-top: 1px solid var(--line); }
.example p { margin: 0 0 8px; }
.example mark { background: #fbe3d8; border-radius: 4px; padding: 1px 5px; font-weight: 600; }
.example small { color: var(--soft); margin-left: 8px; }
.guesses { display: grid; gap: 28px; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); }
.guesses h3 { font-size: 13px; margin: 0 0 4px; color: var(--soft); font-weight: 600; }
.guess { display: grid; grid-template-columns: 9em 1fr 4.2em; gap: 10px; align-items: center;
  font-size: 14px; font-variant-numeric: tabular-nums; }
.guess span { overflow: hidden; text-overflow: ellipsis; } .guess b { font-weight: 400;
  text-align: right; color: var(--soft); }
.bar { height: 9px; border-radius: 3px; background: var(--line); }
.bar i { display: block; height: 100%; border-radius: 3px; background: var(--color-teacher); }
.bar.student i { background: var(--color-student); }
.facts { display: grid; gap: 8px 40px; grid-template-columns: repeat(auto-fit, minmax(280px,
  1fr)); }
.facts h3 { font-size: 14px; margin: 14px 0 2px; }
.facts.words { grid-template-columns: repeat(auto-fit, minmax(min(400px, 100%), 1fr)); }
.beside { display: grid; gap: 8px 40px; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }
.beside h3 { margin-top: 14px; }
@media (max-width: 800px) { .beside { grid-template-columns: minmax(0, 1fr); } }
.words td { white-space: normal; text-align: left; }
.words td:first-child { white-space: nowrap; width: 1%; padding-right: 16px; color: var(--soft); }
section > h3, .beside h3 { font-size: 14px; margin-bottom: 6px; }
section > h3 { margin-top: 0; }
pre { background: var(--ground); border-radius: 8px; padding: 10px 14px; margin: 0; font-size: 13px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
@media print { body { background: #fff; } section { break-inside: avoid; } }
"""


def page(title, body):
    """A complete HTML document without any reference to the outside.

    Args:
        title: text of the browser's tab.
        body: HTML.

    Returns:
        str.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def section(heading, *parts):
    """A box with a heading, or nothing when it would be empty.

    Args:
        heading: text.
        parts: pieces of HTML; empty ones are left out.

    Returns:
        HTML.
    """
    inside = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(heading)}</h2>\n{inside}\n</section>" if inside else ""


def table(head, rows, classes=None):
    """A table whose first column is text and whose others are numbers.

    Args:
        head: list of (name, unit).
        rows: list of lists of text.
        classes: one class name for each row, or None.

    Returns:
        HTML.
    """
    names = "".join(f"<th>{escape(name)}<small>{escape(unit)}</small></th>" for name, unit in head)
    body = "".join(
        f'<tr class="{escape(kind)}">{"".join(f"<td>{escape(cell)}</td>" for cell in row)}</tr>\n'
        for row, kind in zip(rows, classes or [""] * len(rows), strict=True)
    )
    return (
        f'<div class="scroll"><table>\n<thead><tr>{names}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>"
    )


def note(text):
    """A line of small print.

    Args:
        text: plain text.

    Returns:
        HTML.
    """
    return f'<p class="note">{escape(text)}</p>'


def figure(svg, caption):
    """A plot with its explanation.

    Args:
        svg: an `<svg>` element, or "" for none.
        caption: plain text.

    Returns:
        HTML; "" without a plot.
    """
    return f"<figure>{svg}<figcaption>{note(caption)}</figcaption></figure>" if svg else ""
