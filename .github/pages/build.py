"""Build the pages of the library from its docstrings: `python .github/pages/build.py FOLDER`."""

import inspect
import sys
from pathlib import Path
from types import ModuleType

import pdoc
import pdoc.render

import jaxprune

NOT_FOR_USERS = r"!.*[.](_.*|parts)$"


def build(folder: str) -> None:
    """Write a page for every public module."""
    settle(jaxprune)
    pdoc.render.configure(docformat="google", math=True, template_directory=Path(__file__).parent)
    pdoc.pdoc("jaxprune", NOT_FOR_USERS, output_directory=Path(folder))


def settle(package: ModuleType) -> None:
    """Make ordinary names of those that are imported when they are first used: pdoc reads namespaces."""
    for name in getattr(package, "__all__", ()):
        part = vars(package)[name] = getattr(package, name)
        if inspect.ismodule(part):
            settle(part)


if __name__ == "__main__":
    build(*sys.argv[1:])
