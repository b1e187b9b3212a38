"""The names a user types and the objects they stand for: here and nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cordax.doses import DOSES
from physio.hemodynamics import treatments
from physio.hemodynamics.state_values import VALUES
from physio.hemodynamics.states import named_state


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
