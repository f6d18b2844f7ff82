"""The page of one network: what it says in words and numbers is what the library measures."""

import jax
import jax.numpy as jnp
import pytest

from jaxprune import InputError, linalg, pruning
from jaxprune.explore import _network as page


@pytest.fixture(scope="module")
def original():
    return page.draw("clustered", 50, 0)


def test_what_is_shown_is_what_the_library_measures(original):
    outcome = page.prune(original, "noise+compensation", 0.3, 0)
    found = pruning.prune(jax.random.key(0), original.matrix, "noise+compensation", keep=0.3)
    assert jnp.allclose(outcome.pruned.matrix, found.matrix, rtol=1e-9)
    measures = linalg.measure(original.matrix, found.matrix)
    assert outcome.measures.h2 == pytest.approx(float(measures.h2))
    rows = {row["lower is better"]: row for row in page.table(original, outcome)}
    assert float(rows["H2 error (response to noise)"]["pruned"]) == pytest.approx(float(measures.h2), rel=0.01)
    assert list(rows) == [linalg.parts.measure_names()[name].title for name in page.LEADING]
    # The controls: the original's own weights under the mask, and no synapse at all.
    alone = jnp.where((found.mask + jnp.eye(50)) > 0, original.matrix, 0)
    assert outcome.mask_only.h2 == pytest.approx(float(linalg.measure(original.matrix, alone).h2))
    assert original.empty.certificate.kept == 0


def test_the_certificate_is_said_in_words(original):
    whole = page.prune(original, "weight+keep", 1.0, 0)
    assert page.verdict(original, whole).startswith("STABLE: spectral abscissa ")
    kept, close, guarantee = page.certificate(original, whole)
    assert "(100.0%)" in kept
    assert "No quadratic form is off by more than 0.0%" in close
    assert guarantee.startswith("Guarantee: spectrum")
    few = page.prune(original, "weight+keep", 0.02, 0)
    assert "falls apart into" in page.certificate(original, few)[-1]


def test_an_unstable_network_is_said_to_be():
    chain = page.draw("gaussian", 50, 0)
    unstable = page.outcome_of(
        chain,
        pruning.prune(jax.random.key(0), chain.matrix, "weight", keep=0.5, warn=False)._replace(matrix=jnp.eye(50)),
    )
    assert page.verdict(chain, unstable).startswith("UNSTABLE: spectral abscissa 1 (original -")
    assert page.table(chain, unstable)[0]["pruned"] == "infinite"


@pytest.mark.parametrize("family", page.FAMILIES.values())
def test_every_family_is_drawn_at_the_sizes_that_are_offered(family):
    assert page.draw(family, 50, 0).matrix.shape == (50, 50)


def test_what_is_not_for_a_network_is_refused(original):
    directed = page.draw("gaussian", 50, 0)
    with pytest.raises(InputError, match="symmetric networks only"):
        page.prune(directed, "weight+form", 0.3, 0)
    with pytest.raises(InputError, match="unstable"):
        page.look_at(jnp.array([[0.5, 0.0], [1.0, -1.0]]))
    with pytest.raises(InputError, match="neurons is '51'"):
        page.draw("gaussian", 51, 0)
    assert page.prune(original, "weight+form", 0.3, 0).stability.stable
