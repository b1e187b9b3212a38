"""The file of a learned part: a header to read, arrays to use, nothing pickled."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physio.files import replacing

FORMAT, SCHEMA = "cordax-learned", 1


_REQUIRED = ("system", "range", "data_sha256", "training", "versions", "tree")


#: From each schema ever released to the next one; each has a test.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


class LearnedError(ValueError):
    """A file of a learned part that cannot be used, and what to do."""


def digest(*arrays: Any) -> str:
    """What identifies training data: the sha256 of arrays, shapes included."""
    told = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        told.update(f"{array.dtype.str}{array.shape}".encode())
        told.update(array.tobytes())
    return told.hexdigest()


def write_arrays(
    path: str | Path, header: dict[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """One HDF5 file: the header as JSON, the arrays under their names."""
    import h5py

    told = dict(header, sha256=_all(arrays))
    text = json.dumps(told, allow_nan=False, ensure_ascii=False)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["header"] = text
        for name, array in arrays.items():
            file.create_dataset(name, data=array, track_times=False)


def _all(arrays: Mapping[str, np.ndarray]) -> str:
    return digest(*(arrays[name] for name in sorted(arrays)))


def read_arrays(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of such a file, its digest checked."""
    import h5py

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        with h5py.File(path, "r") as file:
            header = json.loads(str(file.attrs["header"]))
            arrays = {str(name): np.asarray(file[str(name)]) for name in file}
    except (OSError, KeyError, ValueError) as error:
        raise LearnedError(
            f"{path} is not a file of cordax, or is damaged: {error}"
        ) from None
    if not isinstance(header, dict) or header.pop("sha256", None) != _all(arrays):
        raise LearnedError(
            f"{path} is damaged: its arrays are not those it was saved with."
        )
    return header, arrays
