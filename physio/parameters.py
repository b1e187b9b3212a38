"""Physical parameters: a value with its unit, source and meaning, found by name.

A parameter is a field of a model made with :func:`param`. It is found, read and
changed by a dotted name, ``systemic.resistance``, in the fit, a scenario, the
command line and the report alike. A field marked ``TRANSPARENT`` is looked
through: its children's names stand for themselves.
"""

import dataclasses
import difflib
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from physio.units import UNITS

Model = TypeVar("Model", bound=eqx.Module)
Path = tuple[Any, ...]


class Parameter(NamedTuple):
    """One parameter of a model: its dotted name, value, unit, source and meaning."""

    name: str
    value: Any
    unit: str
    source: str
    doc: str


class _Converter:
    """Turns what is typed into a floating array; refuses what is not one number."""

    def __init__(self, per_node: bool):
        self.per_node = per_node
        self.field: Any = None

    def __call__(self, value: Any) -> Array:
        name = getattr(self.field, "name", None) or "parameter"
        if isinstance(value, (str, bytes, bool, type(None))):
            raise ValueError(f"{name} must be a number; got {value!r}.")
        if isinstance(value, float | int) and not np.isfinite(value):
            raise ValueError(f"{name} must be finite; got {value}.")
        try:
            # a Python number becomes a strong type, or replacing it would recompile
            kind = jnp.result_type(float) if isinstance(value, float | int) else None
            array = jnp.asarray(value, dtype=kind)
        except TypeError as error:
            raise ValueError(f"{name} must be a number; got {value!r}.") from error
        if jnp.issubdtype(array.dtype, jnp.complexfloating) or array.dtype == bool:
            raise ValueError(f"{name} must be a real number; got {array.dtype}.")
        if array.ndim > (1 if self.per_node else 0):
            wanted = "a number or one per node" if self.per_node else "one number"
            raise ValueError(f"{name} must be {wanted}; got shape {array.shape}.")
        if not jnp.issubdtype(array.dtype, jnp.floating):
            array = array.astype(jnp.result_type(float))
        return array


def param(
    default: Any = dataclasses.MISSING,
    *,
    unit: str,
    source: str,
    doc: str,
    per_node: bool = False,
) -> Any:
    """A model's field that states its unit and source.

    The value given is turned into a floating array at construction. A scalar is
    wanted, or one value per node where ``per_node``. Raises ``ValueError``, naming
    the field, for anything else; at class definition for an unknown unit or an
    empty source.
    """
    if unit not in UNITS:
        raise ValueError(f"Unknown unit {unit!r}; physio.units.UNITS lists the units.")
    if not source or not doc:
        raise ValueError("A parameter needs a source and a meaning (doc).")
    converter = _Converter(per_node)
    metadata = {"unit": unit, "source": source, "doc": doc, "parameter": True}
    options = {} if default is dataclasses.MISSING else {"default": default}
    field = eqx.field(converter=converter, metadata=metadata, **options)
    converter.field = field
    return field


#: ``eqx.field(metadata=TRANSPARENT)``: its children are named as the model's own.
TRANSPARENT: dict[str, bool] = {"transparent": True}


def _children(node: Any) -> Iterator[tuple[str, Path, Any, Any]]:
    """Yield (name, path, child, field) of a module, dict or tuple."""
    if isinstance(node, dict):
        for key, child in node.items():
            yield key, (key,), child, None
    elif isinstance(node, tuple | list):
        for index, child in enumerate(node):
            yield str(index), (index,), child, None
    elif dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            if field.metadata.get("static", False):
                continue
            child = getattr(node, field.name)
            if field.metadata.get("transparent", False):
                for name, path, grandchild, inner in _children(child):
                    yield name, (field.name, *path), grandchild, inner
            else:
                yield field.name, (field.name,), child, field


def _walk(node: Any, prefix: str, path: Path) -> Iterator[tuple[str, Path, Any, Any]]:
    for name, step, child, field in _children(node):
        full = f"{prefix}.{name}" if prefix else name
        yield full, (*path, *step), child, field
        yield from _walk(child, full, (*path, *step))


def parameters(model: Any) -> dict[str, Parameter]:
    """Every parameter of a model by dotted name, in the order of its fields."""
    return {
        name: Parameter(
            name, child, *(field.metadata[k] for k in ("unit", "source", "doc"))
        )
        for name, _, child, field in _walk(model, "", ())
        if field is not None and field.metadata.get("parameter", False)
    }


def _find(model: Any, name: str) -> tuple[Path, Any]:
    known = []
    for full, path, child, _ in _walk(model, "", ()):
        if full == name:
            return path, child
        known.append(full)
    nearest = difflib.get_close_matches(name, known, n=4, cutoff=0.4)
    hint = ", ".join(nearest) if nearest else ", ".join(list(parameters(model))[:8])
    raise KeyError(
        f"{type(model).__name__} has no parameter {name!r}. Nearest: {hint}. "
        "physio.parameters(model) lists them all."
    )


def get(model: Any, name: str) -> Any:
    """The parameter or sub-model at a dotted name; ``KeyError`` lists the nearest."""
    return _find(model, name)[1]


def _follow(node: Any, path: Path) -> Any:
    for step in path:
        node = (
            node[step] if isinstance(node, dict | tuple | list) else getattr(node, step)
        )
    return node


def replace(model: Model, name: str, value: Any) -> Model:
    """The model with the parameter or sub-model at a dotted name replaced.

    A number is cast to the old value's dtype and shape; ``ValueError`` where it
    does not broadcast or where a sub-model is replaced by a number. ``KeyError``
    lists the nearest names.
    """
    path, old = _find(model, name)
    if eqx.is_array(old):
        value = jnp.asarray(value)
        try:
            new: Any = jnp.broadcast_to(value.astype(old.dtype), old.shape)
        except ValueError as error:
            raise ValueError(
                f"{name} has shape {old.shape}; a value of shape {value.shape} "
                "does not fit."
            ) from error
    elif isinstance(old, eqx.Module) and not isinstance(value, eqx.Module):
        raise ValueError(
            f"{name} is a {type(old).__name__}, not a number; its parameters are "
            + ", ".join(f"{name}.{key}" for key in parameters(old))
        )
    else:
        new = value
    return eqx.tree_at(
        lambda m: _follow(m, path), model, new, is_leaf=lambda x: x is None
    )


def require_float64(model: Any, what: str = "A circulation") -> None:
    """Raise where a floating leaf is float32; ``what`` is solved in float64."""
    for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)):
        if leaf.dtype == jnp.float32:
            raise ValueError(
                f"{what} is solved in float64; this model has float32 values. "
                "Before it is built, type: import cordax; cordax.setup()"
            )
