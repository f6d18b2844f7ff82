"""A local web page on which one looks at networks and prunes them. Needs the extra `explore`.

Nothing is computed here: pages call functions of the library and draw with `jaxprune.plot`. The logic of each page is a file of
plain functions; `_app.py` lays them out, and `serve` offers it to a browser.
"""

from jaxprune.explore._serve import serve

__all__ = ["serve"]
