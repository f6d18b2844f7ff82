"""Matrix Market text against SciPy's reader, and refusals that name the line."""

import numpy as np
import pytest
import scipy.io

import jaxprune
from jaxprune.networks._matrix_market import read_matrix_market

GOOD = {
    "coordinate real general": "% made by hand\n2 2 3\n1 1 -3.5\n2 1 2e-1\n2 1 1\n",
    "coordinate integer symmetric": "3 3 2\n1 1 -3\n3 1 2\n",
    "coordinate real skew-symmetric": "3 3 1\n3 1 2.5\n",
    "coordinate pattern general": "2 2 2\n1 2\n2 1\n",
    "array real general": "2 2\n1.0\n2.0\n3.0\n4.0\n",
    "array real symmetric": "2 2\n1.0\n2.0\n4.0\n",
    "array integer skew-symmetric": "3 3\n1\n2\n3\n",
}


def dense(matrix):
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


@pytest.fixture
def write(tmp_path):
    def written(header, body):
        path = tmp_path / "network.mtx"
        path.write_text(f"%%MatrixMarket matrix {header}\n{body}")
        return path

    return written


@pytest.mark.parametrize("header", GOOD)
def test_agrees_with_scipy(write, header):
    path = write(header, GOOD[header])
    expected = scipy.io.mmread(path)
    np.testing.assert_array_equal(dense(read_matrix_market(path)), dense(expected))


@pytest.mark.parametrize(
    ("header", "body", "message"),
    [
        ("coordinate complex general", "1 1 1\n1 1 1 0\n", "line 1: .*'complex' must be one of real, integer, pattern"),
        ("coordinate real hermitian", "1 1 1\n1 1 1\n", "line 1: .*'hermitian' must be one of general"),
        ("coordinate real", "1 1 1\n1 1 1\n", "line 1: .*must begin"),
        ("coordinate real general", "", "line 1: .*sizes of the matrix must come first"),
        ("coordinate real general", "2 2\n1 1 1\n", "line 2: .*sizes"),
        ("coordinate real general", "2 2 2\n1 1 1.0\n", "line 3: .*holds 1 entries, but announces 2"),
        ("coordinate real general", "% one\n2 2 1\n3 1 1.0\n", r"line 4: .*entry \(3, 1\) lies outside 2 x 2"),
        ("coordinate real general", "2 2 1\n1 1\n", "line 3: .*2 fields, but an entry has 3"),
        ("coordinate real general", "2 2 1\n1 1 one\n", "line 3: .*'one' is not a finite number"),
        ("array real general", "2 2\n1\n2\n3\n", "line 5: .*3 values do not fill 2 x 2"),
        ("array real general", "1 1\n1\n2\n", "line 4: .*2 values do not fill 1 x 1"),
        ("coordinate real general", "2 2 1\n1 1 1_0\n", "line 3: .*'1_0' is not a finite number"),
        ("coordinate real general", "2 2 1\n1 1 1e999\n", "line 3: .*'1e999' is not a finite number"),
        ("coordinate real general", "2 2 1\n1_0 1 1\n", "line 3: .*'1_0 1' is not a whole number"),
        ("coordinate real general", "1_0 2 1\n1 1 1\n", "line 2: .*'1_0 2 1' is not a whole number"),
        ("coordinate real general", "\u0662 2 1\n1 1 1\n", "line 2: .* is not a whole number"),
        ("coordinate real general", "2 2 1\n1 1 " + "1" * 6000 + "\n", r"line 3: .*\.\.\..*\(6000 characters\)"),
        ("coordinate real general", "2 2 1\n1 " + "1" * 4000 + " 1\n", r"line 3: .*\.\.\..*lies outside 2 x 2"),
        ("coordinate real general", "1" * 4000 + " 2 0\n", "line 2: .*sizes"),
        ("coordinate integer general", "2 2 1\n1 1 1.5\n", "line 3: .*'1.5' is not a whole number"),
        ("coordinate integer general", "2 2 1\n1 1 " + "1" * 400 + "\n", "line 3: .*is not a whole number"),
        ("array integer general", "1 1\n1.5\n", "line 3: .*'1.5' is not a whole number"),
        ("coordinate real symmetric", "2 2 1\n1 2 1\n", r"line 3: .*\(1, 2\) lies above the diagonal"),
        ("coordinate real skew-symmetric", "2 2 1\n1 2 1\n", r"line 3: .*\(1, 2\) lies above the diagonal"),
        ("coordinate real skew-symmetric", "2 2 1\n2 2 0\n", r"line 3: .*\(2, 2\) is on the diagonal"),
        ("coordinate real symmetric", "2 3 0\n", "line 2: .*must be square, but this one is 2 x 3"),
        ("array real general", "1000000 1000000\n", "line 2: a dense matrix of 1000000 x 1000000 needs at least"),
        (
            "coordinate real general",
            f"{10**12} {10**12} 0\n",
            "line 2: a network of 1,000,000,000,000 neurons .* needs",
        ),
        (
            "coordinate real general",
            f"9 9 {10**12}\n",
            "line 2: a network of 9 neurons and 1,000,000,000,000 syn.* needs",
        ),
    ],
)
def test_refusals_name_file_and_line(write, header, body, message):
    with pytest.raises(jaxprune.InputError, match=rf"network\.mtx, {message}"):
        read_matrix_market(write(header, body))


def test_messages_stay_short(write):
    for header, body in (("coordinate real general", "2 2 1\n1 1 " + "1" * 6000), ("x" * 9000 + " real general", "")):
        path = write(header, body)
        with pytest.raises(jaxprune.InputError) as refusal:
            read_matrix_market(path)
        assert len(str(refusal.value).replace(str(path), "")) < 300


def test_values_that_add_up_to_more_than_a_number_give_no_warning(write):
    """They are infinite, which whoever takes the matrix refuses."""
    found = dense(read_matrix_market(write("coordinate real general", "1 1 2\n1 1 1e308\n1 1 1e308\n")))
    assert np.isinf(found).all()
