"""Published closed loops and named states of disease."""

from physio.hemodynamics.loops.korakianitis import korakianitis_shi, leaflet_valves
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.hemodynamics.loops.state_values import VALUES
from physio.hemodynamics.loops.states import closed_loop, named_state, scaled_to_body

__all__ = [
    "VALUES",
    "closed_loop",
    "korakianitis_shi",
    "leaflet_valves",
    "named_state",
    "regazzoni",
    "scaled_to_body",
]
