"""Learned parts in files: nothing pickled."""

from learned.storage.file import (
    MIGRATIONS,
    LearnedError,
    digest,
    read_arrays,
    write_arrays,
)
from learned.storage.hybrid import Instead, Learned, kind, load, save
from learned.storage.trees import TreeError, flatten, rebuild

__all__ = [
    "Instead",
    "Learned",
    "LearnedError",
    "MIGRATIONS",
    "TreeError",
    "digest",
    "flatten",
    "kind",
    "load",
    "read_arrays",
    "rebuild",
    "save",
    "write_arrays",
]
