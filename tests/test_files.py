"""Writing is all or nothing."""

import errno
import os
from pathlib import Path

import pytest

from physio import files


def test_replaces_the_file_and_leaves_nothing_beside(tmp_path: Path):
    target = tmp_path / "a.txt"
    files.write_atomic(target, "old")
    files.write_atomic(target, b"new")
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("where", ["write", "flush", "rename"])
def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch, where):
    target = tmp_path / "a.txt"
    files.write_atomic(target, "old")

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    if where == "write":
        monkeypatch.setattr(Path, "write_bytes", full)
    elif where == "flush":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk is full.*unchanged") as caught:
        files.write_atomic(target, "new")
    assert caught.value.errno == errno.ENOSPC
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_really_full_is_named(tmp_path):
    def copy_onto_full(temporary: Path):
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"x" * 100)

    with (
        pytest.raises(OSError, match="disk is full"),
        files.replacing(tmp_path / "a.txt") as temporary,
    ):
        copy_onto_full(temporary)
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_ends_with_the_line_to_type(tmp_path):
    with pytest.raises(OSError, match="mkdir -p"):
        files.write_atomic(tmp_path / "no" / "a.txt", "x")


def test_interrupting_the_writer_keeps_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    files.write_atomic(target, "old")
    with pytest.raises(KeyboardInterrupt), files.replacing(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_is_replaced_whole_and_only_by_force(tmp_path):
    target = tmp_path / "twin"
    with files.replacing_folder(target) as folder:
        (folder / "one").write_text("1")
    with (
        pytest.raises(FileExistsError, match="--force"),
        files.replacing_folder(target),
    ):
        pass
    with files.replacing_folder(target, force=True) as folder:
        (folder / "two").write_text("2")
    assert os.listdir(target) == ["two"]
    assert os.listdir(tmp_path) == ["twin"]


def test_a_failed_replacement_keeps_the_old_folder(tmp_path):
    target = tmp_path / "twin"
    with files.replacing_folder(target) as folder:
        (folder / "one").write_text("1")
    with (
        pytest.raises(ValueError, match="bad"),
        files.replacing_folder(target, force=True) as folder,
    ):
        (folder / "two").write_text("2")
        raise ValueError("bad")
    assert os.listdir(target) == ["one"]
    assert os.listdir(tmp_path) == ["twin"]
