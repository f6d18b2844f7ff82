"""Command for the page in a browser: `explore`."""

from jaxprune import explore as page


def explore(port: int | None = None, store: str | None = None, browser: bool = True) -> None:
    """Look at networks and prune them on a page in the browser; it is served to this machine alone, behind a token.

    Prints the page's address. Ctrl-C stops it.

    Args:
      port: port of this machine; any that is free by default.
      store: a sweep's store, a path or URL, that the page opens first.
      browser: open a browser, where there is one.
    """
    page.serve(port=port, store=store, browser=browser)


COMMANDS = {"explore": explore}
