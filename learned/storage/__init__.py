"""Learned parts in files: nothing pickled."""

from learned.storage.file import (
    MIGRATIONS,
    LearnedError,
    digest,
    read_arrays,
    write_arrays,
)
from learned.storage.hybrid import Learned, Substitution, kind, load, save
from learned.storage.trees import TreeError, flatten, rebuild, stored_classes

__all__ = [
    "Learned",
    "LearnedError",
    "MIGRATIONS",
    "Substitution",
    "TreeError",
    "digest",
    "flatten",
    "kind",
    "load",
    "read_arrays",
    "rebuild",
    "save",
    "stored_classes",
    "write_arrays",
]
