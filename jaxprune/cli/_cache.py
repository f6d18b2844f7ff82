"""Compiled programs are kept from one command to the next, in the user's cache folder."""

import contextlib
import hashlib
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

LEAST = 0.1
"""Seconds that a program takes to compile from which it is kept: others are compiled as fast as they are read.

JAX's own setting of it, `SETTING`, comes first."""
SETTING = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
DAYS = 90
"""A program is dropped after so many, and compiled again where it is still used."""
PROCESSORS = Path("/proc/cpuinfo")


def keep_programs() -> None:
    """Let JAX keep compiled programs in `folder`, if it is not imported yet and the folder can be written.

    Only the command line does so: for a library, and for workers that may be many to a folder, it is the user's to decide.
    `JAX_ENABLE_COMPILATION_CACHE=0` turns it off.
    """
    if "jax" in sys.modules:  # whoever imported it decides
        return
    # XLA takes its own hints to the compiler for features of the processor, misses them, and prints pages of errors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import jax

    if not jax.config.values["jax_enable_compilation_cache"]:
        return
    try:
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
        _drop_old(place)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return
    jax.config.update("jax_compilation_cache_dir", str(place))
    if SETTING not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST)


def folder() -> Path:
    """Where programs are kept: in `JAX_COMPILATION_CACHE_DIR`, or the user's cache folder, apart for each kind of processor.

    Homes are shared between machines, and a program may use what only the processor has that it was compiled on.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or Path(home, "jaxprune", "xla")) / _processor()


def _processor():
    """A name for the kind of processor: its model and what it can do."""
    lines = PROCESSORS.read_text(errors="replace").splitlines() if PROCESSORS.exists() else []
    # The words for it of Intel and AMD, and of ARM; each line is there once for each core.
    words = ("model name", "flags", "CPU implementer", "CPU part", "Features")
    facts = sorted({line for line in lines if line.startswith(words)}) or [platform.processor()]
    return f"{platform.machine()}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def _drop_old(place):
    oldest = time.time() - DAYS * 24 * 3600
    for path in place.iterdir():
        with contextlib.suppress(OSError):  # another command dropped it
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
