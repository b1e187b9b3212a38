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
    with files.replacing_folder(target, "twin") as folder:
        (folder / "one").write_text("1")
    with (
        pytest.raises(FileExistsError, match="--force"),
        files.replacing_folder(target, "twin"),
    ):
        pass
    with files.replacing_folder(target, "twin", force=True) as folder:
        (folder / "two").write_text("2")
    assert sorted(os.listdir(target)) == ["cordax.json", "two"]
    assert os.listdir(tmp_path) == ["twin"]


def test_a_failed_replacement_keeps_the_old_folder(tmp_path):
    target = tmp_path / "twin"
    with files.replacing_folder(target, "twin") as folder:
        (folder / "one").write_text("1")
    with (
        pytest.raises(ValueError, match="bad"),
        files.replacing_folder(target, "twin", force=True) as folder,
    ):
        (folder / "two").write_text("2")
        raise ValueError("bad")
    assert sorted(os.listdir(target)) == ["cordax.json", "one"]
    assert os.listdir(tmp_path) == ["twin"]


def made(target: Path, kind: str = "twin") -> Path:
    with files.replacing_folder(target, kind) as folder:
        (folder / "one").write_text("1")
    return target


def a_file(target):
    target.write_text("[patient]")


def a_folder_of_the_user(target):
    target.mkdir()
    (target / "notes.md").write_text("mine")


def a_folder_of_another_program(target):
    a_folder_of_the_user(target)
    (target / "cordax.json").write_text('{"kind": "twin", "files": ["notes.md"]}')


def another_kind(target):
    made(target, "run of tissue")


def a_note_in_ours(target):
    (made(target) / "deep" / "er").mkdir(parents=True)
    (target / "deep" / "er" / "notes.md").write_text("mine")


def a_link_in_ours(target):
    (made(target) / "link").symlink_to("/")


def a_damaged_marker(target):
    (made(target) / "cordax.json").write_text("{")


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (a_file, "is a file, not a folder"),
        (a_folder_of_the_user, "has no cordax.json"),
        (a_folder_of_another_program, "has no cordax.json"),
        (another_kind, "holds a run of tissue: it is not a twin"),
        (a_note_in_ours, "holds deep/er/notes.md, which cordax did not write"),
        (a_link_in_ours, "holds link, which cordax did not write"),
        (a_damaged_marker, "has no cordax.json"),
    ],
)
def test_force_replaces_nothing_foreign(tmp_path, there, words):
    target = tmp_path / "anna"
    there(target)
    before = everything(tmp_path)
    with (
        pytest.raises(files.NotReplaced, match=words) as told,
        files.replacing_folder(target, "twin", force=True),
    ):
        pass
    assert "--force" not in str(told.value)  # it would not help
    assert everything(tmp_path) == before


def everything(folder: Path) -> dict[str, bytes]:
    found = (f for f in folder.rglob("*") if f.is_file() and not f.is_symlink())
    return {str(f): f.read_bytes() for f in found}


def test_what_comes_during_a_long_run_is_not_lost(tmp_path):
    target = made(tmp_path / "anna")
    with (
        pytest.raises(files.NotReplaced, match="notes.md"),
        files.replacing_folder(target, "twin", force=True) as folder,
    ):
        (folder / "two").write_text("2")
        (target / "notes.md").write_text("typed meanwhile")
    assert (target / "notes.md").exists() and (target / "one").exists()
    assert os.listdir(tmp_path) == ["anna"]


def test_a_file_written_later_is_ours_once_noted(tmp_path):
    target = made(tmp_path / "anna")
    (target / "report.html").write_text("page")
    with pytest.raises(files.NotReplaced, match="report.html"):
        files.require_folder(target, "twin", force=True)
    files.note_file(target, "report.html")
    files.require_folder(target, "twin", force=True)
    (target / ".DS_Store").write_text("a file manager's")
    files.require_folder(target, "twin", force=True)


def test_what_a_command_reads_is_not_replaced(tmp_path):
    target = made(tmp_path / "anna")
    for name in (".", "one", "none"):
        with pytest.raises(files.NotReplaced, match="this command reads"):
            files.require_folder(target, "twin", force=True, inputs=[target / name])
    files.require_folder(target, "twin", force=True, inputs=[tmp_path, tmp_path / "b"])
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(files.NotReplaced, match="this command reads"):
        files.require_folder(target, "twin", force=True, inputs=[tmp_path / "link"])


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path):
    made(tmp_path / "there")
    (tmp_path / "anna").symlink_to("there")
    with files.replacing_folder(tmp_path / "anna", "twin", force=True) as folder:
        (folder / "two").write_text("2")
    assert (tmp_path / "anna").is_symlink()
    assert sorted(os.listdir(tmp_path / "there")) == ["cordax.json", "two"]
    assert sorted(os.listdir(tmp_path)) == ["anna", "there"]


def test_a_file_is_replaced_by_its_own_kind_only(tmp_path):
    target = tmp_path / "a.html"

    def require(force: bool, inputs=()):
        files.require_file(
            target, "report", lambda p: files.bears_mark(p, "report"), force=force,
            inputs=inputs,
        )  # fmt: skip

    require(False)
    target.write_text("made by cordax, says my own page")
    with pytest.raises(files.NotReplaced, match="not a report that cordax made"):
        require(True)
    target.write_text(f"<html>{files.file_mark('report')}")
    require(True)
    with pytest.raises(files.NotReplaced, match="--force"):
        require(False)
    with pytest.raises(files.NotReplaced, match="this command reads"):
        require(True, [target])
    target.unlink()
    target.mkdir()
    with pytest.raises(files.NotReplaced, match="is a folder"):
        require(True)
