"""The twin folder: `twin.json` for what a person may read, `arrays.h5` for the rest.

A payload is a plain nested dict of str, int, float, bool, None, lists, dicts and
numpy arrays. These keys are required; any other may stand beside them:

- `model`: `builder` (a name of `cordax.scenarios.names`), `arguments` (its static
  arguments), `interventions` (those applied, in order) and `leaves` (every leaf by
  dotted name: a number or an array);
- `record`: what `Record.payload()` gave;
- `draws`: posterior samples by name, arrays whose first axis is `n_draw`;
- `seed` (int) and `versions` (name -> version).

Arrays go to HDF5 under the path of their keys, everything else to JSON, whose floats
are exact. Nothing is pickled. A folder appears whole or not at all, and `twin.json`
carries the schema version and one digest of every part, the arrays included: a
measurement or a seed edited by hand is noticed, and named.
"""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from physio.files import replacing, replacing_folder

SCHEMA = 2
FORMAT = "cordax-twin"
KIND = "twin"  # of folder
_JSON, _ARRAYS = "twin.json", "arrays.h5"
_REQUIRED = ("model", "record", "draws", "seed", "versions")
#: Where a number that is not finite means a broken fit, not an absent value.
_FINITE = ("model", "draws")

#: From each schema version ever released to the next one; each has a test.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda payload: payload,  # only the digests are new
}


class StoreError(ValueError):
    """A twin folder that cannot be written or read, and what to do."""


def save(
    folder: str | Path,
    payload: dict[str, Any],
    *,
    force: bool = False,
    more: Callable[[Path], None] | None = None,
) -> None:
    """Writes a payload as a twin folder; ``more`` writes other files into it.

    **Raises** FileExistsError where the folder exists and `force` is not set,
    StoreError for what cannot be stored, OSError where the disk refuses.
    """
    import h5py

    _check(payload, Path(folder))
    arrays: dict[str, np.ndarray] = {}
    plain = _split(payload, (), arrays)
    with replacing_folder(folder, KIND, force=force) as temporary:
        with h5py.File(temporary / _ARRAYS, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, track_times=False)
        digests = _digests(plain, temporary / _ARRAYS)
        head = {"format": FORMAT, "schema": SCHEMA, "sha256": digests}
        text = json.dumps(head | plain, indent=1, allow_nan=False, ensure_ascii=False)
        (temporary / _JSON).write_text(text + "\n", encoding="utf-8")
        if more is not None:
            more(temporary)


def load(folder: str | Path) -> dict[str, Any]:
    """Reads a twin folder back into its payload.

    **Raises** FileNotFoundError where there is none; StoreError where it is half
    written, damaged, of a newer version, or holds numbers that are not finite.
    """
    import h5py

    folder = Path(folder)
    plain = _read_json(folder)
    path = folder / _ARRAYS
    if not path.is_file():
        raise StoreError(_damaged(folder, f"{_ARRAYS} is missing"))
    _require_unchanged(folder, plain, path)
    try:
        with h5py.File(path, "r") as file:
            payload = _join(plain, file)
    except (OSError, KeyError) as error:
        raise StoreError(_damaged(folder, str(error))) from None
    schema = payload.pop("schema")
    for version in range(schema, SCHEMA):
        payload = MIGRATIONS[version](payload)
    payload.pop("format")
    _check(payload, folder)
    return payload


def save_part(path: str | Path, payload: dict[str, Any]) -> None:
    """Writes one more result beside a twin, as one HDF5 file, whole or not at all.

    **Raises** StoreError for what cannot be stored, OSError where the disk refuses.
    """
    import h5py

    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_split(payload, (), arrays), allow_nan=False, ensure_ascii=False)
    Path(path).parent.mkdir(exist_ok=True)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["json"] = text
        for name, array in arrays.items():
            file.create_dataset(name, data=array, track_times=False)


def load_part(path: str | Path) -> dict[str, Any]:
    """Reads what `save_part` wrote. **Raises** StoreError where it is damaged."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _join(json.loads(str(file.attrs["json"])), file)
    except (OSError, KeyError, ValueError) as error:
        raise StoreError(
            f"{path} is damaged ({error}). Delete it, ask again."
        ) from None


def _read_json(folder: Path) -> dict[str, Any]:
    path = folder / _JSON
    if not folder.exists():
        raise FileNotFoundError(
            f"There is no twin folder {folder}. Make one: "
            f"cordax fit PATIENT -o {folder}"
        )
    if folder.is_file():
        raise StoreError(
            f"{folder} is a file; a twin is a folder. Name one made by: cordax fit"
        )
    if not path.is_file():
        raise StoreError(_damaged(folder, f"{_JSON} is missing"))
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise StoreError(_damaged(folder, f"{_JSON}: {error}")) from None
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise StoreError(
            f"{path} is not a cordax twin. Name a folder made by: cordax fit"
        )
    schema = plain.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise StoreError(_damaged(folder, f"schema is {schema!r}"))
    if schema > SCHEMA:
        raise StoreError(
            f"{folder} was written by a newer cordax (schema {schema}; this one reads "
            f"up to {SCHEMA}). Type: pip install --upgrade cordax"
        )
    return plain


def _damaged(folder: Path, why: str) -> str:
    return (
        f"{folder} is half written or damaged: {why}. Make it again: cordax fit "
        f"PATIENT -o {folder} --force"
    )


def _digests(plain: dict[str, Any], arrays: Path) -> dict[str, str]:
    """The sha256 of every part: of the JSON as it would be written, and of the file."""
    found = {_ARRAYS: hashlib.sha256(arrays.read_bytes()).hexdigest()}
    for key, part in plain.items():
        text = json.dumps(part, sort_keys=True, ensure_ascii=True)
        found[key] = hashlib.sha256(text.encode()).hexdigest()
    return found


def _require_unchanged(folder: Path, plain: dict[str, Any], arrays: Path) -> None:
    """Takes the digests out of `plain`; StoreError naming what they do not fit."""
    if plain["schema"] == 1:  # knew the digest of its arrays only
        known: Any = {_ARRAYS: plain.pop("arrays_sha256", None)}
    else:
        known = plain.pop("sha256", None)
    if not isinstance(known, dict):
        raise StoreError(_damaged(folder, f"{_JSON} has lost its digests"))
    parts = {k: v for k, v in plain.items() if k not in ("format", "schema")}
    now = _digests(parts, arrays)
    if now[_ARRAYS] != known.get(_ARRAYS):
        raise StoreError(_damaged(folder, f"{_ARRAYS} does not belong to its {_JSON}"))
    if plain["schema"] == 1:
        return
    changed = [k for k in {**known, **now} if known.get(k) != now.get(k)]
    if changed:
        raise StoreError(
            f"{folder / _JSON} was changed after the fit: {', '.join(changed)}. What "
            "it says is no longer what was calibrated. Correct the patient's record "
            f"instead, and type: cordax fit PATIENT -o {folder} --force"
        )


def _check(payload: dict[str, Any], folder: Path) -> None:
    missing = [key for key in _REQUIRED if key not in payload]
    model = payload.get("model", {})
    missing += [f"model/{k}" for k in ("builder", "leaves") if k not in model]
    if missing:
        raise StoreError(f"{folder}: the twin lacks {', '.join(missing)}.")
    for key in _FINITE:
        for where, value in _leaves(payload[key], key):
            finite = (
                np.isfinite(value).all()
                if isinstance(value, np.ndarray) and value.dtype.kind in "fc"
                else not isinstance(value, float) or math.isfinite(value)
            )
            if not finite:
                raise StoreError(
                    f"{folder}: {where} holds NaN or infinity, so the fit behind it "
                    "failed. Fit again, with another --seed or fewer free parameters."
                )


def _leaves(tree: Any, where: str):
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{where}/{key}")
    elif isinstance(tree, (list, tuple)):
        for index, value in enumerate(tree):
            yield from _leaves(value, f"{where}/{index}")
    else:
        yield where, tree


def _split(value: Any, keys: tuple[str, ...], arrays: dict[str, np.ndarray]) -> Any:
    """The JSON side of a value; arrays are put into `arrays` and referred to."""
    where = "/".join(keys)
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or "/" in key or key.startswith("$"):
                raise StoreError(f"{where}: {key!r} cannot be the name of a value.")
        return {k: _split(v, (*keys, k), arrays) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_split(v, (*keys, str(i)), arrays) for i, v in enumerate(value)]
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufc":
            raise StoreError(f"{where}: arrays of {value.dtype} cannot be stored.")
        arrays[where] = value
        return {"$array": where}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise StoreError(f"{where} is {value}; store None for what is not known.")
        return value
    raise StoreError(
        f"{where}: a {type(value).__name__} cannot be stored; convert it to numbers, "
        "text, lists, dicts or numpy arrays."
    )


def _join(value: Any, file: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"$array"}:
            return file[value["$array"]][()]
        return {k: _join(v, file) for k, v in value.items()}
    if isinstance(value, list):
        return [_join(v, file) for v in value]
    return value
