"""The names a user types and the objects they stand for: here and nowhere else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cordax.scenarios.doses import DOSES
from cordax.vocabulary import nearest_keys
from physio.electrophysiology.anatomy import shapes as hearts
from physio.electrophysiology.anatomy.generated import AbstractHeart
from physio.electrophysiology.cells import CATALOGUE, Cell
from physio.hemodynamics import treatments
from physio.hemodynamics.loops.state_values import VALUES
from physio.hemodynamics.loops.states import named_state


@dataclass(frozen=True)
class KnownTreatment:
    """What makes an intervention of a dose, and what the dose means."""

    make: Callable[[Any], Any]
    unit: str
    meaning: str


#: A treatment's name -> dose -> intervention.
TREATMENTS: dict[str, KnownTreatment] = {
    name: KnownTreatment(getattr(treatments, name), dose.unit, dose.meaning)
    for name, dose in DOSES.items()
}

#: A circulation's name -> the circulation (``reflex=False`` leaves the reflex out).
STATES: dict[str, Callable[..., Any]] = {
    name: partial(named_state, name) for name in VALUES
}


#: A membrane model's name -> its entry in the catalogue of cells.
CELLS: dict[str, Cell] = CATALOGUE

#: A generated heart's name -> the heart, of a human's size.
HEARTS: dict[str, Callable[[], AbstractHeart]] = {
    "cable": hearts.Cable,
    "ring": partial(hearts.Ring, circumference=100.0, width=5.0),
    "sheet": hearts.Sheet,
    "slab": hearts.Slab,
    "atrium": hearts.Atrium,
    "left_ventricle": hearts.LeftVentricle,
    "biventricle": hearts.Biventricle,
}


def called(name: str, known: Mapping[str, Any], what: str) -> Any:
    """What a name stands for; ``ValueError`` with the nearest names otherwise."""
    if name in known:
        return known[name]
    near = nearest_keys(name, known)
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    raise ValueError(
        f"There is no {what} {name!r}. {meant}Known are {', '.join(known)}."
    )


def cell(name: str, layer: str = "") -> tuple[Cell, Any]:
    """A membrane model's entry and the model itself, of a layer where one is named."""
    entry: Cell = called(name, CELLS, "cell")
    if layer and layer not in entry.layers:
        held = f"--layer {' or '.join(entry.layers)}" if entry.layers else "no layers"
        raise ValueError(f"{name} has {held}; got --layer {layer}.")
    return entry, entry.make(layer)
