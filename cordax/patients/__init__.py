"""The embedded patients: published figures with their source, as patient records."""

from importlib.resources import files
from pathlib import Path

__all__ = ["find", "names"]


def names() -> list[str]:
    """Names of the embedded patients, in alphabetical order."""
    return sorted(p.stem for p in _folder().glob("*.toml"))


def find(patient: str) -> Path:
    """The record of a patient: a path, else an embedded name.

    **Raises** FileNotFoundError naming the nearest embedded patients.
    """
    path = Path(patient)
    if path.is_file():
        return path
    if patient in names():
        return _folder() / f"{patient}.toml"
    import difflib

    near = difflib.get_close_matches(patient, names(), 3, 0.5) or names()
    raise FileNotFoundError(
        f"No file and no embedded patient is called {patient!r}. "
        f"Did you mean {' or '.join(near)}? List them with: cordax patients"
    )


def _folder() -> Path:
    # A wheel is always unpacked: its files have paths of their own.
    return Path(str(files(__name__)))
