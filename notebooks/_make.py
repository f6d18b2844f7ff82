"""Execute the notebooks and write each as .ipynb beside its .py: `python notebooks/_make.py`, or `_make.py 01 07` for some.

The .py is the source. Whatever depends on when and where a notebook ran is left out of the .ipynb, so that a second run changes
only what came out differently.
"""

import base64
import hashlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jupytext
import nbclient
import nbformat
import PIL.Image

FOLDER = Path(__file__).parent
SECONDS = 1800
"""That one cell may take."""


def sources() -> list[Path]:
    """The notebooks, in order."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.py"))


def made(path: Path) -> Any:
    """One notebook, executed from its .py where it lies."""
    notebook = jupytext.read(path)
    nbclient.NotebookClient(
        notebook, timeout=SECONDS, record_timing=False, resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    return lasting(notebook)


def lasting(notebook: Any) -> Any:
    """The notebook without counts, times and versions, and with names of its cells that follow from what they say."""
    keep = ("jupytext", "kernelspec")
    notebook.metadata = nbformat.from_dict(
        {name: notebook.metadata[name] for name in keep if name in notebook.metadata}
    )
    notebook.metadata.language_info = {"name": "python"}
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        name = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        seen[name] = seen.get(name, 0) + 1
        cell.id = f"{name}-{seen[name]}"
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [_lasting_output(output) for output in _joined(cell.outputs)]
    return notebook


def _joined(outputs):
    """What was printed piece by piece as one piece."""
    found: list[Any] = []
    for output in outputs:
        if found and output.output_type == "stream" == found[-1].output_type and output.name == found[-1].name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def _lasting_output(output):
    if "execution_count" in output:
        output.execution_count = None
    if "image/png" in output.get("data", {}):
        output.data["image/png"] = _smaller(output.data["image/png"])
    return output


def _smaller(png):
    """A figure with a palette of 256 colours, which takes half of the space or less."""
    content = io.BytesIO()
    PIL.Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(256).save(content, "png", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def chosen(numbers: Sequence[str]) -> list[Path]:
    """The notebooks with these numbers; all, if there are none.

    Raises:
      SystemExit: a number that no notebook has.
    """
    known = {path.name[:2]: path for path in sources()}
    unknown = [number for number in numbers if number not in known]
    if unknown:
        sys.exit(f"there is no notebook {unknown[0]}: the numbers are {', '.join(known)}.")
    return [known[number] for number in numbers] or list(known.values())


if __name__ == "__main__":
    os.environ.pop("JAXPRUNE_FAST", None)  # the short setting is for tests
    for path in chosen(sys.argv[1:]):
        print(path.stem, flush=True)
        nbformat.write(made(path), path.with_suffix(".ipynb"))
