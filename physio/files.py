"""The one way any package writes a file: complete, or not at all, over nothing foreign.

A file is written beside its target, flushed to the disk and renamed over it, so that
a reader sees the old file or the new one and never half of either. A full disk, a
crash or Ctrl-C leaves the old file as it was and nothing beside it.

What exists is replaced only where it is ours: a folder that holds the marker
``cordax.json`` with the same kind and no file that we did not write, or a file that
its own content shows to be of the kind being written. What the same command reads is
never replaced.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def cache_folder(name: str) -> Path:
    """A folder of the user's caches: `${XDG_CACHE_HOME:-~/.cache}/cordax/name`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cordax" / name


#: The file that says a folder is ours: its kind, its schema, and what we wrote in it.
MARKER = "cordax.json"
_FORMAT, _SCHEMA = "cordax-folder", 1
_FULL = {errno.ENOSPC, errno.EDQUOT}
#: What file managers leave behind; nobody misses it.
_LEFT_BEHIND = {".DS_Store", "Thumbs.db", "desktop.ini"}


class NotReplaced(FileExistsError):
    """A target that exists and stays as it is: why, and what to type."""


def write_atomic(path: str | Path, content: str | bytes) -> None:
    """Writes text (UTF-8) or bytes to `path`, replacing what is there.

    **Raises** OSError with one sentence: what could not be written, why, and that
    the file which was there is unchanged.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; what is written there takes its place.

    For writers that want a path of their own (HDF5). The body must close the file.
    """
    target = Path(path)
    temporary = _beside(target)
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
        _flush(target.parent)
    except OSError as error:
        raise _explained(error, target) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(
    path: str | Path, kind: str, *, force: bool = False
) -> Iterator[Path]:
    """Gives an empty temporary folder beside `path` that becomes `path` at the end.

    It gets the marker of its `kind`. An existing folder of ours is refused unless
    `force`; then it is moved aside, replaced, and removed only once the new one is in
    its place.

    **Raises** NotReplaced where `path` exists and `force` is not set, or where it is
    not a folder of this kind of ours, or holds files that we did not write.
    """
    require_folder(path, kind, force=force)
    # through a link the folder it names is replaced, and the link stays
    target = Path(path).resolve()
    temporary = _beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        written = (f for f in temporary.rglob("*") if f.is_file())
        _mark(temporary, kind, (f.relative_to(temporary).as_posix() for f in written))
        for file in temporary.rglob("*"):
            _flush(file)
        # a long run has passed since the first look
        require_folder(target, kind, force=force)
        _swap(temporary, target)
    except NotReplaced:
        raise
    except OSError as error:
        raise _explained(error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_folder(
    path: str | Path, kind: str, *, force: bool, inputs: Iterable[str | Path] = ()
) -> None:
    """Raises NotReplaced where a folder of this kind may not be written to `path`.

    `inputs` are what the same command reads.
    """
    target = Path(path)
    if not os.path.lexists(target):
        return
    _refuse_inputs(target, inputs)
    if target.exists() and not target.is_dir():
        raise NotReplaced(f"{target} is a file, not a folder. Name another: -o DIR")
    if target.is_dir() and any(target.iterdir()):
        _refuse_foreign(target, kind)
    if not force:
        raise NotReplaced(
            f"{target} exists already. Name another folder, or add --force to "
            "replace it."
        )


def require_file(
    path: str | Path,
    kind: str,
    ours: Callable[[Path], bool],
    *,
    force: bool,
    inputs: Iterable[str | Path] = (),
) -> None:
    """Raises NotReplaced where a file of this kind may not be written to `path`.

    `ours` tells from its content whether a file that exists is of the kind.
    """
    target = Path(path)
    if not os.path.lexists(target):
        return
    _refuse_inputs(target, inputs)
    if target.is_dir():
        raise NotReplaced(f"{target} is a folder, not a file. Name another file.")
    if target.exists() and not ours(target):
        raise NotReplaced(
            f"{target} exists and is not a {kind} that cordax made; it stays as it "
            "is. Name another file."
        )
    if not force:
        raise NotReplaced(
            f"{target} exists already. Name another, or add --force to replace it."
        )


def _refuse_foreign(target: Path, kind: str) -> None:
    found = _read_marker(target)
    if found.get("kind") != kind:
        what = f"holds a {found['kind']}" if found else f"has no {MARKER}"
        raise NotReplaced(
            f"{target} exists and {what}: it is not a {kind} that cordax made, and "
            "stays as it is. Name another folder: -o DIR"
        )
    foreign = _foreign(target, found)
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise NotReplaced(
            f"{target} exists and holds {', '.join(foreign[:3])}{more}, which cordax "
            "did not write; it is not replaced. Move that elsewhere, or name another "
            "folder: -o DIR"
        )


def _refuse_inputs(target: Path, inputs: Iterable[str | Path]) -> None:
    place = target.resolve()
    for file in inputs:
        where = Path(file).resolve()
        if place == where or place in where.parents:
            raise NotReplaced(
                f"{target} {'is' if place == where else 'holds'} what this command "
                f"reads ({file}); it is not replaced. Name another."
            )


def _read_marker(folder: Path) -> dict[str, Any]:
    """What a marker says; empty where there is none that can be read."""
    try:
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        return {}
    known = isinstance(found.get("kind"), str) and isinstance(found.get("files"), list)
    return found if known else {}


def _foreign(folder: Path, marker: dict[str, Any]) -> list[str]:
    known = {MARKER, *marker["files"]}
    return sorted(
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if (file.is_symlink() or not file.is_dir())
        and file.relative_to(folder).as_posix() not in known
        and file.name not in _LEFT_BEHIND
    )


def _mark(folder: Path, kind: str, files: Iterable[str]) -> None:
    found = {"format": _FORMAT, "kind": kind, "schema": _SCHEMA}
    names = sorted(set(files) - {MARKER})
    (folder / MARKER).write_text(json.dumps(found | {"files": names}, indent=1) + "\n")


def note_file(folder: str | Path, name: str) -> None:
    """Adds a file written later to what the marker of one of our folders lists."""
    found = _read_marker(Path(folder))
    if found and name not in found["files"]:
        names = sorted({*found["files"], name})
        text = json.dumps(found | {"files": names}, indent=1) + "\n"
        write_atomic(Path(folder) / MARKER, text)


def file_mark(kind: str) -> str:
    """The words that a file of this kind carries where its format has a place."""
    return f"cordax-file:{kind}"


def bears_mark(path: str | Path, kind: str) -> bool:
    """Whether a file carries the words of its kind."""
    return file_mark(kind).encode() in Path(path).read_bytes()


def _swap(temporary: Path, target: Path) -> None:
    if not target.exists():
        os.rename(temporary, target)
        _flush(target.parent)
        return
    aside = _beside(target).with_suffix(".old")
    os.rename(target, aside)
    try:
        os.rename(temporary, target)
    except OSError:
        os.rename(aside, target)
        raise
    _flush(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _beside(target: Path) -> Path:
    return target.parent / f".{target.name}.{os.getpid()}.part"


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot flush a folder; the data themselves can be.
        if error.errno in _FULL or path.is_file():
            raise
    finally:
        os.close(descriptor)


def _explained(error: OSError, target: Path) -> OSError:
    kept = "The file that was there is unchanged." if target.exists() else ""
    if error.errno in _FULL:
        why = "the disk is full. Free some space, or name a place on another disk"
    elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        why = "writing there is not allowed. Name a folder of your own"
    elif error.errno == errno.ENOENT:
        why = (
            f"the folder {target.parent} does not exist. Type: mkdir -p {target.parent}"
        )
    else:
        why = error.strerror or str(error)
    return OSError(error.errno or 0, f"{target} was not written: {why}. {kept}".strip())


#: What a stored result names.
DEPENDED_ON = ("cordax", "jax", "equinox", "diffrax", "optax", "numpy")


def versions(names: Sequence[str] = DEPENDED_ON) -> dict[str, str]:
    """Versions of Python and of packages by name; nothing is imported."""
    import platform

    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
