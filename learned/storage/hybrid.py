"""A learned part in one file: a header to read, arrays to use, nothing pickled.

The header says what the part adds to, its inputs with units and ranges, its
architecture, the digest of the data it was trained on, how well it was trained and
with which versions. A part is refused, with the reason, on a system it was not
learned for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array

from learned.blocks.ranges import Range
from learned.storage.file import (
    _REQUIRED,
    FORMAT,
    MIGRATIONS,
    SCHEMA,
    LearnedError,
    read_arrays,
    write_arrays,
)
from learned.storage.trees import TreeError, flatten, kind_of, rebuild, stored_classes
from learned.terms.residual import look_up
from physio.compose import AbstractAugmented, augment
from physio.files import versions
from physio.parameters import get, parameters, replace

#: Where the classes stand that a learned part may be made of.
_ROOMS = (
    "learned.blocks",
    "learned.terms",
    "learned.surrogates",
    "learned.storage.hybrid",
    "physio.hemodynamics.control",
    "physio.hemodynamics.elements",
    "physio.hemodynamics.exchange",
)

#: Units of what a circulation or a cell observes, by the first word of its name.
UNITS = {
    "pressure": "mmHg",
    "pleural": "mmHg",
    "volume": "mL",
    "flow": "mL/s",
    "voltage": "mV",
    "state.v": "mV",
}


class Substitution(eqx.Module):
    """``into`` of a closure: it stands where the law of this name stands."""

    stored_as: ClassVar[str] = "Instead"

    name: str = eqx.field(static=True)

    def put(self, model: Any, closure: Any) -> Any:
        """The model with the closure about its own law, the patient's."""
        own = get(model, self.name)
        kept = closure if own is None else eqx.tree_at(lambda c: c.base, closure, own)
        return replace(model, self.name, kept)


class Learned(eqx.Module):
    """A learned part with what its file says of it.

    ``part`` is the correction (or closure, surrogate, ...), ``into`` what
    ``physio.augment`` wants beside a correction, None otherwise. ``system`` names the
    class of model it was learned for; ``training`` holds its figures.
    """

    part: Any
    into: Any
    system: str = eqx.field(static=True)
    training: dict[str, Any] = eqx.field(static=True)
    data_sha256: str = eqx.field(static=True, default="")

    @property
    def range(self) -> Range:
        """Where it was learned."""
        return self.part.range

    def onto(self, model: Any) -> Any:
        """The hybrid: ``model`` with this correction, or with this closure in a law's
        place. Refuses a model it does not fit.

        Raises ``LearnedError`` naming what the model lacks or has in another unit.
        """
        if self.into is None:
            raise LearnedError(
                f"A {type(self.part).__name__} is not a correction: it does not stand "
                "beside a model."
            )
        self.require(model)
        if isinstance(self.into, Substitution):
            return self.into.put(model, self.part)
        return augment(model, self.part, self.into)

    def require(self, model: Any) -> None:
        """Raise ``LearnedError`` where the part was not learned for such a model."""
        kind = _kind(model)
        if kind != self.system:
            raise LearnedError(
                f"This part was learned for a {self.system}; this is a {kind}. Train "
                "one for it: cordax learn residual COHORT -o FILE"
            )
        if isinstance(self.into, Substitution):
            _require_law(model, self.into.name)
            return
        for name, unit in zip(self.range.names, self.range.units, strict=True):
            there = _unit(model, name)
            if there != unit:
                raise LearnedError(
                    f"This part wants {name} in {unit}; the model has it in {there}."
                )
        missing = set(getattr(self.into, "compartments", ())) - set(
            getattr(_base(model), "compartments", ())
        )
        if missing:
            raise LearnedError(
                f"This part adds flows to {', '.join(sorted(missing))}, which the "
                f"{kind} does not have."
            )


def _require_law(model: Any, name: str) -> None:
    try:
        get(model, name)
    except KeyError as error:
        raise LearnedError(f"This closure has no law to replace: {error}") from None


def _base(model: Any) -> Any:
    while isinstance(model, AbstractAugmented):
        model = model.base
    return model


def _kind(model: Any) -> str:
    return type(_base(model)).__name__


def _unit(model: Any, name: str) -> str:
    """The unit a model has a quantity in; ``LearnedError`` where it has none."""
    parameter = name.removeprefix("parameter.")
    if parameter != name:
        known = parameters(model)
        if parameter not in known:
            raise LearnedError(f"The model has no parameter {parameter!r}.")
        return known[parameter].unit

    def ask(y: Any) -> Array:
        return look_up(name, model, jax.numpy.zeros(()), y, None)

    try:
        eqx.filter_eval_shape(ask, model.initial_state())
    except (KeyError, AttributeError) as error:
        raise LearnedError(f"The model has no {name!r}: {error}") from None
    return UNITS.get(name, UNITS.get(name.split(".")[0], "1"))


def save(path: str | Path, learned: Learned) -> None:
    """Write a learned part, whole or not at all.

    Raises ``LearnedError`` for what cannot be stored, ``OSError`` where the disk
    refuses.
    """
    arrays: dict[str, np.ndarray] = {}
    try:
        tree = flatten((learned.part, learned.into), arrays)
        training = flatten(learned.training, {})
    except TreeError as error:
        raise LearnedError(f"{path}: {error}") from None
    ranges = getattr(learned.part, "range", None)
    header = {
        "format": FORMAT,
        "schema": SCHEMA,
        "system": learned.system,
        "kind": kind_of(type(learned.part)),
        "range": {} if ranges is None else _told(ranges),
        "architecture": {k: list(v.shape) for k, v in arrays.items()},
        "data_sha256": learned.data_sha256,
        "training": training,
        "versions": versions(),
        "tree": tree,
    }
    write_arrays(path, header, arrays)


def _told(ranges: Range) -> dict[str, Any]:
    rows = zip(
        ranges.names,
        ranges.units,
        np.asarray(ranges.lower).tolist(),
        np.asarray(ranges.upper).tolist(),
        strict=True,
    )
    return {name: {"unit": u, "from": a, "to": b} for name, u, a, b in rows}


def kind(path: str | Path) -> str | None:
    """The class of the part that a file holds; None where it is no learned part."""
    try:
        header, _ = read_arrays(path)
    except (LearnedError, OSError):
        return None
    return header.get("kind") if header.get("format") == FORMAT else None


def load(path: str | Path, classes: Mapping[str, type] | None = None) -> Learned:
    """Read a learned part.

    ``classes`` are those of your own parts, by name. Raises ``FileNotFoundError`` where
    there is none; ``LearnedError`` where the file is not ours, damaged, or of a newer
    version.
    """
    header, arrays = read_arrays(path)
    if header.get("format") != FORMAT:
        raise LearnedError(
            f"{path} is not a learned part of cordax but {header.get('format')!r}. "
            "Make one: cordax learn residual COHORT -o FILE"
        )
    schema = header.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise LearnedError(f"{path} is damaged: its schema is {schema!r}.")
    if schema > SCHEMA:
        raise LearnedError(
            f"{path} was written by a newer cordax (schema {schema}; this one reads up "
            f"to {SCHEMA}). Type: pip install --upgrade cordax"
        )
    for step in range(schema, SCHEMA):
        header = MIGRATIONS[step](header)
    missing = [key for key in _REQUIRED if key not in header]
    if missing:
        raise LearnedError(f"{path} is damaged: it lacks {', '.join(missing)}.")
    try:
        part, into = rebuild(header["tree"], arrays, _classes() | dict(classes or {}))
        training = rebuild(header["training"], {}, {})
    except (TreeError, KeyError, TypeError, ValueError) as error:
        raise LearnedError(f"{path} is damaged: {error}.") from None
    return Learned(part, into, header["system"], training, header["data_sha256"])


def _classes() -> dict[str, type]:
    """What a learned part may be made of, by the kind that each class names."""
    return stored_classes(_ROOMS)
