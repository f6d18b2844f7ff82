"""The page of a sweep: any store is opened, and what is wrong with one is said in one line."""

import json
import shutil
import warnings

import numpy as np
import pytest

from jaxprune import InputError, sweep
from jaxprune.explore import _pictures as pictures
from jaxprune.explore import _store as page
from jaxprune.networks import Ensemble

CONFIG = sweep.SweepConfig(Ensemble(sizes=(8, 4), bridges=6), ("noise", "weight+keep"), (0.5, 0.8), networks=3, chunk=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    place = tmp_path_factory.mktemp("store") / "sweep.zarr"
    sweep.run(CONFIG, place)
    return place


def test_any_mode_and_any_network_of_a_store_is_shown(store):
    opened = page.open_store(str(store))
    assert opened.notes == ()
    assert page.about(opened) == "3 networks (clustered) of 12 neurons; 2 rules at 2 fractions"
    medians = page.mode_intervals(opened, 12).sel(statistic="median", rule="noise", keep=0.8)
    assert float(medians) == np.median(opened.results.mode_error.sel(rule="noise", keep=0.8).values[:, 11])
    errors = page.network_errors(opened, 2, 0.5)
    assert np.array_equal(errors["noise"], opened.results.mode_error.values[2, 0, 0])
    first, second = page.network_rows(opened, 2, 0.5)
    assert (first["rule"], second["rule"]) == CONFIG.rules
    assert first["H2 error"] == f"{opened.results.h2_error.values[2, 0, 0]:.3g}"
    for picture in (
        pictures.store_curves(opened, "h2", "H2 error", 3),
        pictures.store_network(opened, 2, 0.5, ["noise"]),
        pictures.store_network(opened, 2, 0.5, []),
    ):
        assert picture.startswith(b"\x89PNG")


def test_what_is_unfinished_or_of_other_versions_is_one_line(store, tmp_path):
    place = tmp_path / "part.zarr"
    place.mkdir()
    for path in store.rglob("*"):
        if path.is_file() and "checksum/1" not in str(path):
            (place / path.relative_to(store)).parent.mkdir(parents=True, exist_ok=True)
            (place / path.relative_to(store)).write_bytes(path.read_bytes())
    opened = page.open_store(str(place))
    assert opened.notes == ("unfinished: 4 of 12 results are not computed yet, and left out.",)
    assert page.network_errors(opened, 2, 0.5) == {}
    assert page.network_rows(opened, 2, 0.5)[0] == {"rule": "noise", "H2 error": "not computed yet"}
    results = opened.results.assign_attrs(versions=json.dumps({"jax": "0.1"}))
    assert page.other_versions(results).startswith("computed with other versions: jax 0.1 (here ")


def test_where_the_median_network_is_unstable_marks_stand_above_its_curves(store, monkeypatch):
    opened = page.open_store(str(store))
    assert {rule: list(places) for rule, places in page.unstable_at(opened).items()} == {"noise": [], "weight+keep": []}
    abscissa = opened.results.abscissa.copy()
    abscissa.loc[{"network": [0, 1], "rule": "noise", "keep": 0.5}] = 1.0
    results = opened.results.assign(abscissa=abscissa)
    runaway = page.Opened(results, sweep.summarise(results), ())
    marked = []
    monkeypatch.setattr(pictures.plot, "plot_unstable", lambda places, ax: marked.append(places["noise"].tolist()))
    for one in (opened, runaway):
        assert pictures.store_curves(one, "h2", "H2 error", 3).startswith(b"\x89PNG")
    assert marked == [[], [], [0.5], [0.5]]


@pytest.mark.filterwarnings("ignore::jaxprune.sweep.DamagedStoreWarning")
def test_what_is_damaged_is_said_and_the_warnings_of_other_visitors_are_left_alone(store, tmp_path, monkeypatch):
    place = shutil.copytree(store, tmp_path / "damaged.zarr")
    for name in ("h2_error/0.0.0", "eigenvalue_real/1.0"):
        content = bytearray((place / name).read_bytes())
        content[-1] ^= 1
        (place / name).write_bytes(content)
    load, own, seen = sweep.load, warnings.filters, []

    def watched(path):
        seen.append(warnings.filters)
        return load(path)

    monkeypatch.setattr(sweep, "load", watched)
    opened = page.open_store(str(place))
    # They are of the whole process: whoever changes them while another thread does leaves them changed.
    assert [filters is own for filters in seen] == [True]
    damaged = int((~opened.results.finished).sum())
    assert damaged > 0
    assert opened.notes == (
        f"damaged: {damaged} of 12 results, and left out: run the sweep again, which computes them again.",
        "damaged: 1 of the original networks: run the sweep again, which computes them again.",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [(" ", "give the path"), ("nothing.zarr", "nothing at this place"), ("s3:/x", "begins like a URL")],
)
def test_a_place_without_a_store_is_one_line(text, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said) as refused:
        page.open_store(text)
    assert "\n" not in str(refused.value)


def test_a_store_of_another_format_is_one_line(store, tmp_path):
    place = tmp_path / "old.zarr"
    place.mkdir()
    (place / ".zattrs").write_text(json.dumps({"format": "jaxprune sweep 2"}))
    with pytest.raises(InputError, match="by another version of this package"):
        page.open_store(str(place))
