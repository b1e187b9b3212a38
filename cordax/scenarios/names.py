"""The names a user types and the objects they stand for: here and nowhere else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cordax.scenarios.doses import DOSES
from cordax.vocabulary import nearest_keys
from physio.electrophysiology import cells
from physio.electrophysiology.anatomy import shapes as hearts
from physio.electrophysiology.anatomy.generated import AbstractHeart
from physio.hemodynamics import treatments
from physio.hemodynamics.loops.state_values import VALUES
from physio.hemodynamics.loops.states import named_state


@dataclass(frozen=True)
class Treatment:
    """What makes an intervention of a dose, and what the dose means."""

    make: Callable[[Any], Any]
    unit: str
    meaning: str


#: A treatment's name -> dose -> intervention.
TREATMENTS: dict[str, Treatment] = {
    name: Treatment(getattr(treatments, name), dose.unit, dose.meaning)
    for name, dose in DOSES.items()
}

#: A circulation's name -> the circulation (``reflex=False`` leaves the reflex out).
STATES: dict[str, Callable[..., Any]] = {
    name: partial(named_state, name) for name in VALUES
}


@dataclass(frozen=True)
class Cell:
    """A membrane model by name: how it is made, and how it is run in tissue.

    ``make`` takes the layer of the wall where ``layers`` names any. The voltage in mV
    is ``millivolts[0] * v + millivolts[1]``. ``step`` (ms) is the largest at which its
    waves are used here; a grid may ask for less.
    """

    make: Callable[..., Any]
    layers: tuple[str, ...] = ()
    millivolts: tuple[float, float] = (1.0, 0.0)
    step: float = 0.02


_WALL = ("epi", "endo", "m")

#: A membrane model's name -> the model.
CELLS: dict[str, Cell] = {
    "mitchell_schaeffer_2003": Cell(
        cells.MitchellSchaeffer2003, millivolts=(100.0, -80.0), step=0.1
    ),
    "corrado_niederer_2016": Cell(
        cells.CorradoNiederer2016, millivolts=(100.0, -80.0), step=0.05
    ),
    "aliev_panfilov_1996": Cell(
        cells.AlievPanfilov1996, millivolts=(100.0, -80.0), step=0.05
    ),
    "bueno_orovio_2008": Cell(
        cells.bueno_orovio_2008, _WALL, millivolts=(85.7, -84.0), step=0.05
    ),
    "ten_tusscher_2006": Cell(cells.ten_tusscher_2006, _WALL, step=0.04),
    "courtemanche_1998": Cell(cells.Courtemanche1998),
    "tor_ord_2019": Cell(cells.tor_ord_2019, _WALL),
}

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
