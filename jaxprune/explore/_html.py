"""Words, lists and tables as HTML: whatever a file's name or a message holds is shown, and never run."""

import html
from collections.abc import Iterable, Mapping, Sequence


def text(words: object) -> str:
    """Words on a line of their own, which wraps."""
    return f"<div>{html.escape(' '.join(str(words).split()))}</div>"


def bullets(lines: Iterable[str]) -> str:
    """A list of sentences."""
    return f'<ul style="margin:0;padding-left:1.2em">{"".join(f"<li>{html.escape(line)}</li>" for line in lines)}</ul>'


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of cells by column; the first column is that of names."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(_cell("th", name, place) for place, name in enumerate(names))
    body = "".join(
        f"<tr>{''.join(_cell('td', row.get(name, ''), place) for place, name in enumerate(names))}</tr>" for row in rows
    )
    return f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(tag, content, place):
    style = f"padding:0.15em 0.8em;text-align:{'right' if place else 'left'};border-bottom:1px solid #ddd"
    return f'<{tag} style="{style}">{html.escape(str(content))}</{tag}>'
