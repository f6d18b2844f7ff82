"""Edge lists: chemical and electrical synapses, signs, autapses, order, and errors that name the line."""

import os
from pathlib import Path

import numpy as np
import pytest

import jaxprune
from jaxprune.networks import read_edges

DATA = Path(__file__).parents[2] / os.environ.get("JAXPRUNE_DATA", "../shared/data") / "connectomes"


@pytest.fixture
def edges(tmp_path):
    def write(text, **options):
        path = tmp_path / "edges.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_edges(path, **options)

    return write


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "neurons.csv"
        path.write_text(text)
        return path

    return write


def test_chemical_synapses_are_directed_and_gap_junctions_are_not(edges):
    connectome = edges(
        "pre,post,type,count\n"
        "AVAL,DA01,chemical,4\n"
        "AVAL,DA01,electrical,3\n"  # beside the chemical ones
        "AVAR,AVAL,electrical,2\n"
        "AVAL,AVAR,electrical,5\n"  # the same pair again
        "DA01,AVAR,chemical,1\n"
        "DA01,AVAR,chemical,6\n"
    )
    assert connectome.names == ("AVAL", "AVAR", "DA01")
    np.testing.assert_array_equal(connectome.matrix, [[0, 7, 3], [7, 0, 7], [7, 0, 0]])


def test_neuron_table_gives_order_signs_and_silent_neurons(edges, table):
    neurons = table("name,role,neurotransmitters\nVD1,M,GABA\nalone,,\nVA1,M,ACh\nDD1,M,GABA\n")
    text = "pre,post,type,count\nVD1,VA1,chemical,2\nVD1,VA1,electrical,7\nVA1,VD1,chemical,3\nDD1,VD1,chemical,4\n"
    connectome = edges(text, neurons=neurons)
    assert connectome.names == ("VD1", "alone", "VA1", "DD1")
    # GABA inhibits through chemical synapses: -2 + 7 from VD1 to VA1, 3 + 7 back.
    np.testing.assert_array_equal(connectome.matrix, [[0, 0, 10, -4], [0, 0, 0, 0], [5, 0, 0, 0], [0, 0, 0, 0]])
    unsigned = edges(text, neurons=table("name\nVD1\nalone\nVA1\nDD1\n"))
    np.testing.assert_array_equal(unsigned.matrix, [[0, 0, 10, 4], [0, 0, 0, 0], [9, 0, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize(
    "kind",
    ["electrical", "Electrical", " ELECTRICAL ", "gap junction", "Gap_Junction", "gap-junction", "gap  junction"],
)
def test_gap_junctions_go_by_several_names(edges, kind):
    np.testing.assert_array_equal(edges(f"pre,post,type,count\na,b,{kind},2\n").matrix, [[0, 2], [2, 0]])


@pytest.mark.parametrize("kind", ["chemical", "Chemical", " CHEMICAL", "", " "])
def test_chemical_synapses_go_by_several_names(edges, kind):
    np.testing.assert_array_equal(edges(f"pre,post,type,count\na,b,{kind},2\n").matrix, [[0, 0], [2, 0]])


def test_headers_in_any_letter_case(edges, table):
    connectome = edges(
        "Pre, Post, Type, Count\na,b,electrical,2\nb,a,,3\n", neurons=table("Name, Neurotransmitters\nb,GABA\na,\n")
    )
    np.testing.assert_array_equal(connectome.matrix, [[0, 2], [-1, 0]])


@pytest.mark.parametrize(
    ("transmitters", "sign"),
    [
        ("GABA", -1),
        ("gaba", -1),
        (" Gaba ", -1),
        ('"GABA, Acetylcholine"', -1),
        ("acetylcholine;GABA", -1),
        ("GABA_A", -1),
        ("GABAergic", -1),
        ("Acetylcholine", 1),
        ('"Acetylcholine, Serotonin"', 1),
        ("", 1),
    ],
)
def test_gaba_among_the_transmitters_inhibits(edges, table, transmitters, sign):
    neurons = table(f"name,neurotransmitters\na,{transmitters}\nb,\n")
    found = edges("pre,post,type,count\na,b,Chemical,3\nb,a,,2\n", neurons=neurons).matrix
    np.testing.assert_array_equal(found, [[0, 2], [3 * sign, 0]])


def test_what_is_left_out_is_counted(edges):
    assert edges("pre,post,type,count\na,a,chemical,5\na,a,electrical,5\na,b,chemical,1\n").left_out == 2
    assert edges("pre,post,count\na,b,1\n").left_out == 0
    assert edges("pre,post,weight\na,a,-1\na,b,1\n").left_out == 0


def test_autapses_are_left_out_of_counts_and_kept_as_the_diagonal_of_weights(edges):
    counts = edges("pre,post,type,count\na,a,chemical,5\na,a,electrical,5\na,b,chemical,1\n")
    np.testing.assert_array_equal(counts.matrix, [[0, 0], [1, 0]])
    values = edges("pre,post,type,weight\na,a,chemical,-5\nb,b,electrical,-2\na,b,electrical,-1.5\n")
    np.testing.assert_array_equal(values.matrix, [[-5, -1.5], [-1.5, -2]])


def test_a_neuron_known_only_by_its_autapse_has_a_place(edges):
    assert edges("pre,post,count\na,b,1\nc,c,1\n").names == ("a", "b", "c")


def test_names_that_are_numbers_are_sorted_as_numbers(edges):
    assert edges("pre,post,count\n10,9,1\n100,2,1\n").names == ("2", "9", "10", "100")
    assert edges("pre,post,count\n01,9,1\n1,001,1\n").names == ("001", "01", "1", "9")
    assert edges(f"pre,post,count\n{'1' * 6000},9,1\n").names == ("9", "1" * 6000)
    assert edges("pre,post,count\n10,9,1\nx,2,1\n").names == ("10", "2", "9", "x")


def test_columns_may_come_in_any_order_with_others_beside_and_quotes(edges):
    connectome = edges('count,comment,post,pre\r\n2,"commas, and\nlines",b,"a, left"\r\n\r\n1,,"a, left",b\r\n')
    assert connectome.names == ("a, left", "b")
    np.testing.assert_array_equal(connectome.matrix, [[0, 1], [2, 0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"edges\.csv, line 1: the header is 'empty'.* pre, post, count or weight"),
        ("pre,post\n", r"line 1: the header is 'pre,post'"),
        ("pre,count\na,1\n", r"line 1: the header is 'pre,count'"),
        ("pre,post,count\n", r"edges\.csv holds no edge"),
        ("pre,post,count\na,b,1\na,b\n", r"line 3: 2 fields, but the header has 3"),
        ("pre,post,count\n\na,b,1,2\n", r"line 3: 4 fields, but the header has 3"),
        ("pre,post,count\na,b,1\na,b,many\n", r"line 3: count is 'many'.*not negative"),
        ("pre,post,count\na,b,\n", r"line 2: count is ''"),
        ("pre,post,count\na,b,-1\n", r"line 2: count is '-1'.*not negative"),
        ("pre,post,count\na,a,-1\n", r"line 2: count is '-1'"),
        ("pre,post,count\na,b,inf\n", r"line 2: count is 'inf'"),
        ("pre,post,weight\na,b,nan\n", r"line 2: weight is 'nan'.*a finite number"),
        ("pre,post,weight\na,b,1e999\n", r"line 2: weight is '1e999'"),
        ('pre,post,count\n"two\nlines",b,1\na,b,x\n', r"line 4: count is 'x'"),
        ("pre,post,count\na,b,1\n" + "a" * 200_000 + ",b,1\n", r"line 3: not readable as UTF-8 CSV \(field larger"),
        ("pre,post,count\na,b,1_000\n", r"line 2: count is '1_000'"),
        ("pre,post,weight\na,b,\u0663\n", r"line 2: weight is .*a finite number"),
        ("pre,post,weight\na,b," + "1" * 6000 + "\n", r"line 2: weight is '1+\.\.\.1+' \(6000 characters\)"),
        ("0.1234567," * 800 + "1\n", r"line 1: the header is '0\.1234567,.*\.\.\..*\(8001 characters\)"),
        ("pre,post,type,count\na,b,,1\na,b,synapse,2\n", r"line 3: type is 'synapse'.*chemical, electrical or gap"),
        ("pre,post,count\na,b,1\n,b,1\n", r"line 3: the name of a neuron is empty"),
        ("pre,post,count\na, ,1\n", r"line 2: the name of a neuron is empty"),
        ("pre,post,count,Count\na,b,1,2\n", r"line 1: the header names the column count twice"),
        ("pre,post,weight\na,b,1e308\na,b,1e308\n", r"edges\.csv\[1, 0\] is inf"),
        ("pre,post,weight\na,b,1e308\na,b,1e308\na,b,-inf\n", r"line 4: weight is '-inf'"),
        (b"pre,post,count\na,b,1\n\xff,b,1\n", r"line 3: not readable as UTF-8 CSV"),
    ],
)
def test_errors_name_file_line_and_rule(edges, text, message):
    with pytest.raises(jaxprune.InputError, match=message) as refusal:
        edges(text)
    path = str(refusal.value).partition("edges.csv")[0]
    assert len(str(refusal.value)) - len(path) < 300
    assert "\n" not in str(refusal.value)


def test_more_neurons_than_fit_into_memory_are_refused_before_their_matrix_is_made(edges, monkeypatch):
    monkeypatch.setattr("jaxprune._memory.memory_limit", lambda: 8 * 99**2)
    lines = "".join(f"{pre},{pre + 1},1\n" for pre in range(99))
    monkeypatch.setattr(np, "zeros", None)
    with pytest.raises(jaxprune.InputError, match=r"edges\.csv: a dense matrix of 100 x 100 needs at least"):
        edges("pre,post,count\n" + lines)


def test_errors_in_the_neuron_table(edges, table):
    text = "pre,post,count\na,b,1\nb,c,1\n"
    with pytest.raises(jaxprune.InputError, match=r"edges\.csv, line 3: neuron 'c' is not in .*neurons\.csv"):
        edges(text, neurons=table("name\na\nb\n"))
    with pytest.raises(jaxprune.InputError, match=r"neurons\.csv, line 1: the header is 'neuron'.*columns name"):
        edges(text, neurons=table("neuron\na\n"))
    with pytest.raises(jaxprune.InputError, match=r"neurons\.csv, line 2: 2 fields, but the header has 1"):
        edges(text, neurons=table("name\na,b\n"))
    with pytest.raises(jaxprune.InputError, match=r"neurons\.csv, line 3: the name of a neuron is empty"):
        edges(text, neurons=table("name,role\na,x\n,y\n"))


def test_an_empty_neuron_table_is_refused(edges, table):
    with pytest.raises(jaxprune.InputError, match=r"neurons\.csv"):
        edges("pre,post,count\na,b,1\n", neurons=table("name\n"))


def test_a_neuron_listed_twice_is_refused(edges, table):
    with pytest.raises(jaxprune.InputError, match=r"neurons\.csv.*a"):
        edges("pre,post,count\na,b,1\n", neurons=table("name,neurotransmitters\na,GABA\nb,\na,ACh\n"))


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_edges(tmp_path / "none.csv")


@pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no connectomes at {DATA}: set JAXPRUNE_DATA, relative to the repository"
)
def test_a_measured_connectome():
    larva = read_edges(DATA / "drosophila_larva_edges.csv")
    lines = (DATA / "drosophila_larva_edges.csv").read_text().splitlines()[1:]
    edges = [(pre, post, float(count)) for pre, post, count in (line.split(",") for line in lines)]
    apart = [(pre, post, count) for pre, post, count in edges if pre != post]
    assert (len(larva.names), len(edges)) == (3013, 111_243)
    assert list(larva.names) == sorted(larva.names, key=int)
    assert np.count_nonzero(larva.matrix) == len({(pre, post) for pre, post, _ in apart})
    assert float(larva.matrix.sum()) == sum(count for *_, count in apart)
