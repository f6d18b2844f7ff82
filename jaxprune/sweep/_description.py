"""What a store says of itself: its sweep, its precision, the versions and rules that its results come from; checked."""

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from jaxprune._checks import InputError, quoted
from jaxprune._provenance import versions
from jaxprune.networks import Ensemble
from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._evaluate import rule_sources
from jaxprune.sweep._place import Place

FAMILY = "jaxprune sweep"
FORMAT = f"{FAMILY} 3"
METADATA, ATTRIBUTES = ".zmetadata", ".zattrs"
GROWING = ("rules", "keep", "networks")
"""Settings by which a store can be extended."""


def attributes_of(config: SweepConfig, dtype: str) -> dict[str, Any]:
    """What the store of a sweep says of itself."""
    return {
        "format": FORMAT,
        "config": json.dumps(config.settings(), sort_keys=True),
        "seed": config.seed,
        "dtype": dtype,
        "versions": json.dumps(installation(), sort_keys=True),
        "rules": json.dumps(rule_sources(config), sort_keys=True),
    }


def installation() -> dict[str, str]:
    """Versions of the packages that results come from. Python's own does not change a number."""
    return {name: version for name, version in versions().items() if name != "python"}


def stored_attributes(place: Place) -> dict[str, Any]:
    """What a store at a place says of itself.

    Raises:
      InputError: no store of this format.
    """
    shown = quoted(place, 80)
    attributes = None
    files = place.read((METADATA, ATTRIBUTES))
    for name in (METADATA, ATTRIBUTES):
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            found = json.loads(files.get(name) or b"")
            attributes = attributes or (found["metadata"][ATTRIBUTES] if name == METADATA else found)
    if not isinstance(attributes, Mapping):
        if place.exists():
            raise InputError(f"{shown} is not the store of a sweep: choose another place. Nothing was changed.")
        raise InputError(f"{shown} is not the store of a sweep: there is nothing at this place.")
    found = attributes.get("format")
    if str(found).startswith(FAMILY) and found != FORMAT:
        raise InputError(
            f"{shown} is the store of a sweep by another version of this package ({quoted(found)}, not {FORMAT!r}): read it "
            "with that version, or run the sweep again in another place."
        )
    if found != FORMAT:
        raise InputError(f"{shown} is not the store of a sweep: it says format {quoted(found)}, not {FORMAT!r}.")
    return dict(attributes)


def stored_config(place: Place, attributes: dict[str, Any]) -> SweepConfig:
    """The sweep of a store, from its attributes; they are complete and of the right types afterwards."""
    try:
        settings: dict[str, Any] = json.loads(attributes["config"])
        config = _config_of(settings)
        sound = json.dumps(config.settings(), sort_keys=True) == json.dumps(settings, sort_keys=True)
        sound &= all(type(size) is int and size > 0 for size in (*config.ensemble.sizes, config.networks, config.chunk))
        sound &= attributes["dtype"] in ("float32", "float64")
        sound &= all(isinstance(json.loads(attributes[name]), dict) for name in ("versions", "rules"))
    except Exception:  # whatever can be wrong with it
        sound = False
    if not sound:
        raise InputError(
            f"the description of {quoted(place, 80)} is damaged (its attributes config, dtype, versions or rules): run the "
            "sweep again in another place."
        )
    config.check_results()
    return config


def check_same(place: Place, stored: dict[str, Any], attributes: dict[str, Any]) -> None:
    """Refuse to mix results of two sweeps, installations, versions of a rule, or precisions.

    Raises:
      InputError: they differ; the first two differences.
    """
    kinds = {"config": "config", "versions": "installation", "rules": "version of a rule"}
    for name, kind in kinds.items():
        old, new = json.loads(stored[name]), json.loads(attributes[name])
        ignored = GROWING if name == "config" else old.keys() ^ new.keys() if name == "rules" else ()
        different = [
            f"{key} {quoted(old.get(key))} there, {quoted(new.get(key))} here"
            for key in sorted(old | new)
            if old.get(key) != new.get(key) and key not in ignored
        ]
        if different:
            raise InputError(
                f"{quoted(place, 80)} was written with another {kind} ({'; '.join(different[:2])}): "
                "choose another place, or go on with the same one. Nothing was changed."
            )
    if stored["dtype"] != attributes["dtype"]:
        raise InputError(
            f"{quoted(place, 80)} was written in {stored['dtype']}, this process computes in {attributes['dtype']}. "
            "Nothing was changed."
        )


def identity_of(attributes: dict[str, Any]) -> str:
    """What all results of a store have in common."""
    settings = {k: v for k, v in json.loads(attributes["config"]).items() if k not in GROWING}
    return json.dumps([settings, attributes["dtype"], json.loads(attributes["versions"])], sort_keys=True)


def point_of(rule: str, keep: float, attributes: dict[str, Any]) -> str:
    """What a point is, with the version of a rule from outside."""
    return json.dumps([rule, keep, json.loads(attributes["rules"]).get(rule)], sort_keys=True)


def _config_of(settings: dict[str, Any]) -> SweepConfig:
    """The sweep that has these settings (`SweepConfig.settings`)."""
    fields = {field.name for field in dataclasses.fields(Ensemble)}
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    ensemble = Ensemble(**{name: value for name, value in settings.items() if name in fields})
    return SweepConfig(ensemble, **{name: value for name, value in settings.items() if name not in fields})
