"""A module of ours as JSON and arrays, and back: nothing is pickled.

What a learned part is made of (modules, tuples, dicts, text, numbers, arrays) is
written as a tree. A class that may stand in it names its kind where it is defined,

    stored_as: ClassVar[str] = "NeuralResidual"

which stays as it is when the class moves or gets another name; only classes with a kind
can come back.
"""

import dataclasses
import importlib
import math
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

_KINDS = "biuf"
_OURS = ("physio", "learned", "calibration", "cordax")


class TreeError(ValueError):
    """A tree that cannot be written or read."""


def kind_of(module: type) -> str:
    """What a class is called in a file: its ``stored_as``; of a class of your own its
    name. ``TreeError`` for one of ours without: it could not be read back."""
    kind = vars(module).get("stored_as")
    if kind is not None:
        return kind
    if module.__module__.split(".")[0] in _OURS:
        raise TreeError(
            f"a {module.__name__} cannot be stored: it names no kind. Add to it: "
            f'stored_as: ClassVar[str] = "{module.__name__}"'
        )
    return module.__name__


def _modules(rooms: Iterable[str]) -> Iterator[ModuleType]:
    """Modules by name; of a package those that stand in it."""
    for room in rooms:
        module = importlib.import_module(room)
        yield module
        for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
            yield importlib.import_module(f"{room}.{found.name}")


def stored_classes(rooms: Iterable[str]) -> dict[str, type]:
    """Kind -> class, of every class of these modules and packages that has one."""
    found: dict[str, type] = {}
    for module in _modules(rooms):
        for value in vars(module).values():
            if not isinstance(value, type) or value.__module__ != module.__name__:
                continue
            kind = vars(value).get("stored_as")
            if kind is None:
                continue
            if kind in found:
                raise ValueError(f"{found[kind]} and {value} are both stored as {kind}")
            found[kind] = value
    return found


def flatten(value: Any, arrays: dict[str, np.ndarray], where: str = "tree") -> Any:
    """The JSON side of a value; its arrays are put into ``arrays`` by place."""
    if isinstance(value, eqx.Module):
        try:
            kind = kind_of(type(value))
        except TreeError as error:
            raise TreeError(f"{where}: {error}") from None
        fields = {
            f.name: flatten(getattr(value, f.name), arrays, f"{where}.{f.name}")
            for f in dataclasses.fields(value)
        }
        return {"module": kind, "fields": fields}
    if isinstance(value, dict):
        return {
            "dict": {k: flatten(v, arrays, f"{where}.{k}") for k, v in value.items()}
        }
    if isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [flatten(v, arrays, f"{where}.{k}") for k, v in enumerate(value)]}
    if eqx.is_array(value) or isinstance(value, np.generic):
        array = np.asarray(value)
        if array.dtype.kind not in _KINDS:
            raise TreeError(f"{where}: arrays of {array.dtype} cannot be stored.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise TreeError(
                f"{where} holds NaN or infinity: the training behind it failed. Train "
                "again, with a smaller learning rate."
            )
        arrays[where] = array
        return {"array": where, "numpy": not eqx.is_array(value)}
    if value is None or isinstance(value, str | bool | int):
        return {"value": value}
    if isinstance(value, float) and math.isfinite(value):
        return {"value": value}
    raise TreeError(f"{where}: a {type(value).__name__} cannot be stored.")


def rebuild(
    node: Any, arrays: Mapping[str, np.ndarray], classes: Mapping[str, type]
) -> Any:
    """The value that :func:`flatten` wrote. Raises ``TreeError`` for what is not ours.

    A field that a class has gained since keeps its default.
    """
    if not isinstance(node, dict) or not node:
        raise TreeError("a part of its header is not a tree of ours")
    if "module" in node:
        name = node["module"]
        if name not in classes:
            raise TreeError(
                f"it holds a {name!r}, which this reader does not know; it knows "
                f"{', '.join(sorted(classes))}"
            )
        fields = {
            key: rebuild(child, arrays, classes)
            for key, child in node["fields"].items()
        }
        return _made(classes[name], fields)
    if "array" in node:
        if node["array"] not in arrays:
            raise TreeError(f"the array {node['array']} is missing")
        return jnp.asarray(arrays[node["array"]])
    for kind, make in (("tuple", tuple), ("list", list)):
        if kind in node:
            return make(rebuild(child, arrays, classes) for child in node[kind])
    if "dict" in node:
        return {k: rebuild(v, arrays, classes) for k, v in node["dict"].items()}
    if "value" in node:
        return node["value"]
    raise TreeError(f"{sorted(node)} is not a tree of ours")


def _made(kind: type, fields: dict[str, Any]) -> Any:
    known = {f.name for f in dataclasses.fields(kind)}
    if set(fields) - known:
        gone = ", ".join(sorted(set(fields) - known))
        raise TreeError(f"a {kind.__name__} has no field {gone} any more")
    try:
        return kind(**fields)
    except TypeError as error:
        raise TreeError(f"{kind.__name__}: {error}") from None
