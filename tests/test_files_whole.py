"""Files that appear whole or not at all, and files that hold less than they say."""

import io
import os
import stat
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from jaxprune import files
from jaxprune._checks import InputError


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def promise(shape):
    """The header of an array, and one of its values."""
    stored = io.BytesIO()
    np.lib.format.write_array_header_1_0(stored, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return stored.getvalue() + bytes(8)


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path, umask):
    files.write_whole(tmp_path / "a", b"a")
    assert mode(tmp_path / "a") == 0o640


@pytest.mark.parametrize("kept", [0o600, 0o664, 0o444])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, umask, kept):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(kept)
    files.write_whole(path, b"new")
    assert (mode(path), path.read_bytes()) == (kept, b"new")


def test_what_replaces_a_private_file_is_private_from_the_beginning(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o600)
    seen = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (seen.append(stat.S_IMODE(os.fstat(handle).st_mode)), fsync(handle))
    )
    files.write_whole(path, b"new")
    assert seen[0] == 0o600


def test_the_folder_is_settled_after_the_file_is_in_place(tmp_path, monkeypatch):
    seen = []
    fsync = os.fsync

    def noted(handle):
        seen.append((stat.S_ISDIR(os.fstat(handle).st_mode), (tmp_path / "a").exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    files.write_whole(tmp_path / "a", b"a")
    assert seen == [(False, False), (True, True)]


def test_where_folders_cannot_be_settled_files_are_written_all_the_same(tmp_path, monkeypatch):
    fsync = os.fsync

    def refused(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError("not here")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refused)
    files.write_whole(tmp_path / "a", b"a")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"a")]


def test_a_place_that_is_a_folder_is_an_error_that_leaves_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write_whole(tmp_path / "a", b"a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            ValueError("Object arrays cannot be loaded when allow_pickle=False"),
            "it holds Python objects, which are never",
        ),
        (
            ValueError(
                "This file contains pickled (object) data. If you trust the file you can load it unsafely using the"
            ),
            "it does not begin as NumPy's files do",
        ),
        (ValueError("two\nlines"), "two lines"),
        (KeyError(), "KeyError"),
        (ValueError("x" * 1000), "(1000 characters)"),
    ],
)
def test_reasons_are_one_short_line_without_advice(error, why):
    found = files.reason(error)
    assert why in found
    assert len(found) < 150


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"a": np.array([{}], dtype=object)}, "it holds Python objects, which are never loaded"),
        ({"a": np.zeros(1, [("b", object)])}, "it holds Python objects, which are never loaded"),
    ],
)
def test_objects_are_never_loaded(tmp_path, arrays, why):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=rf"a\.npz cannot be read as \.npz: {why}\.$"):
        files.read_arrays(tmp_path / "a.npz")


def test_arrays_that_a_header_only_announces_are_not_allocated(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", promise((10**6, 10**6)))
    with pytest.raises(InputError, match=r"a\.npz cannot .* announces an array of shape \(1000000, 1000000\), but the"):
        files.read_arrays(tmp_path / "a.npz")


def test_archives_that_unpack_to_more_than_memory_are_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(10**6), b=np.zeros(10**6))
    monkeypatch.setattr("jaxprune._memory.memory_limit", lambda: 10**7)
    with pytest.raises(
        InputError, match=r"a\.npz, unpacked, needs at least 0\.0149 GiB of memory, but there are 0\.00931"
    ):
        files.read_arrays(tmp_path / "a.npz")


def test_trees_that_do_not_hold_what_they_announce(tmp_path):
    path, tree = tmp_path / "tree", (jnp.arange(3.0), jnp.asarray(2), True)
    files.write_tree(path, tree, {"kind": "a tree"})
    found = files.read_tree(path, tree)
    np.testing.assert_array_equal(found[0], tree[0])
    assert (int(found[1]), found[2]) == (2, True)
    head = b'{"kind": "a tree"}\n'
    for content, why in (
        (promise((10**6, 10**6)), "its header announces an array of shape"),
        (b"anything", "it does not begin as NumPy's files do"),
        (pickled(), "it holds Python objects, which are never loaded"),
    ):
        path.write_bytes(head + content)
        with pytest.raises(InputError, match=f"tree is damaged, or of something else: {why}"):
            files.read_tree(path, tree)


def pickled():
    stored = io.BytesIO()
    np.save(stored, np.array([{}], dtype=object))
    return stored.getvalue()


def test_a_head_of_brackets_is_no_head(tmp_path):
    (tmp_path / "tree").write_bytes(b"[" * 200_000 + b"\n")
    assert files.read_head(tmp_path / "tree") == {}
