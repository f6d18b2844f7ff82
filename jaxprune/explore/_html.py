"""Words, lists and tables as HTML: whatever a file's name or a message holds is shown, and never run."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence


def text(words: object) -> str:
    """Words on a line of their own, which wraps."""
    return f"<div>{html.escape(' '.join(str(words).split()))}</div>"


def bullets(lines: Iterable[str]) -> str:
    """A list of sentences."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'<ul style="margin:0;padding-left:1.2em;list-style:disc">{items}</ul>'


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of cells by column; the first column is that of names."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(_cell("th", name, place) for place, name in enumerate(names))
    body = "".join(
        f"<tr>{''.join(_cell('td', row.get(name, ''), place) for place, name in enumerate(names))}</tr>" for row in rows
    )
    return f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def picture(png: bytes, words: str) -> str:
    """A picture, in the page itself: a file that is fetched may have been replaced before it arrives.

    Args:
      png: its content.
      words: what it shows, for those who cannot see it.
    """
    content = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{content}" alt="{html.escape(words)}" style="max-width:100%">'


def _cell(tag, content, place):
    style = f"padding:0.15em 0.7em;white-space:nowrap;text-align:{'right' if place else 'left'};border-bottom:1px solid #ddd"
    return f'<{tag} style="{style}">{html.escape(str(content))}</{tag}>'
