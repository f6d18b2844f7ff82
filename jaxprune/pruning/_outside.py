"""Rules from a user's own module, by the name `module:Name`."""

import hashlib
import importlib
import inspect
import socket
from pathlib import Path

from jaxprune._checks import InputError
from jaxprune.pruning._rules import Rule


def outside_rule(name: str) -> Rule:
    """Import a rule: a `Rule`, or a class or function that makes one when called without arguments.

    Raises:
      InputError: a module that cannot be imported (here, on which machine), a name that it does not have, or that is no rule.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise InputError(f"rule is {name!r}, but a rule of your own is named module:Name, for example mymodule:MyRule.")
    try:
        module = importlib.import_module(module_name)
    except InputError:
        raise
    except Exception as error:  # a user's module can fail in any way
        raise InputError(
            f"rule is {name!r}, but module {module_name!r} cannot be imported on {socket.gethostname()} "
            f"({type(error).__name__}: {_one_line(error)}): put it into this folder or on PYTHONPATH, on every worker."
        ) from error
    if not hasattr(module, attribute):
        there = sorted(key for key, value in vars(module).items() if isinstance(value, Rule))
        raise InputError(
            f"rule is {name!r}, but {module_name} has no {attribute}; its rules are {', '.join(there) or '(none)'}."
        )
    found = getattr(module, attribute)
    if not isinstance(found, Rule) and callable(found):
        try:
            found = found()
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"rule is {name!r}, but {attribute}() does not make a rule ({type(error).__name__}: {_one_line(error)}): define "
                f"{attribute} = pruning.Rule(importance, method, adjust)."
            ) from error
    if not isinstance(found, Rule):
        raise InputError(
            f"rule is {name!r}, which is a {type(found).__name__} and no pruning.Rule: define {attribute} = "
            "pruning.Rule(importance, method, adjust)."
        )
    return found


def rule_source(name: str) -> dict[str, str] | None:
    """Where a rule of a user's own comes from, for records: module, name, and the SHA-256 of the module's file.

    None for the rules of this package, whose version says what they are.
    """
    if ":" not in name:
        return None
    outside_rule(name)
    module_name, _, attribute = name.partition(":")
    path = inspect.getsourcefile(importlib.import_module(module_name))
    content = Path(path).read_bytes() if path is not None and Path(path).is_file() else b""
    return {"module": module_name, "name": attribute, "sha256": hashlib.sha256(content).hexdigest() if content else ""}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
