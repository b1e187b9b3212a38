"""The embedded patients: published figures with their source, as patient records."""

from importlib.resources import files
from pathlib import Path


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
    from cordax.vocabulary import CONDITIONS, nearest_keys

    # another condition's name ("hfpef") is no misspelling of a patient's ("hfref")
    meaning = CONDITIONS.understand(patient)
    near = [name for name in meaning.names if name in names()]
    if meaning.kind == "unknown":
        near = nearest_keys(patient, names())
    meant = f"Did you mean {' or '.join(near)}" if near else f"Is it {_listed()}"
    raise FileNotFoundError(
        f"No file and no embedded patient is called {patient!r}. {meant}? List them "
        "with: cordax patients"
    )


def _listed() -> str:
    return ", ".join(names())


def _folder() -> Path:
    # A wheel is always unpacked: its files have paths of their own.
    return Path(str(files(__name__)))
