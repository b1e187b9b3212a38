"""The one way any package writes a file: complete, or not at all.

A file is written beside its target, flushed to the disk and renamed over it, so that
a reader sees the old file or the new one and never half of either. A full disk, a
crash or Ctrl-C leaves the old file as it was and nothing beside it.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder(name: str) -> Path:
    """A folder of the user's caches: `${XDG_CACHE_HOME:-~/.cache}/cordax/name`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cordax" / name


_FULL = {errno.ENOSPC, errno.EDQUOT}


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
def replacing_folder(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Gives an empty temporary folder beside `path` that becomes `path` at the end.

    An existing folder is refused unless `force`; then it is moved aside, replaced,
    and removed only once the new one is in its place.

    **Raises** FileExistsError where `path` exists and `force` is not set.
    """
    target = Path(path)
    if target.exists() and not force:
        raise FileExistsError(
            f"{target} exists already. Name another folder, or add --force to "
            "replace it."
        )
    temporary = _beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        for file in temporary.rglob("*"):
            _flush(file)
        _swap(temporary, target)
    except OSError as error:
        raise _explained(error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
    if aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.unlink()


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
