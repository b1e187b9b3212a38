"""How fast a wave travels, and the conductivity for a wanted velocity."""

from physio.electrophysiology.velocity.averaging import (
    digest,
    fast_states,
    fitted_average,
)
from physio.electrophysiology.velocity.mesh_tuning import tune_mesh, typical_edge
from physio.electrophysiology.velocity.plane_waves import (
    FITTED_AT,
    cable,
    free_velocity,
    line,
    stack,
    timeable,
    velocities,
)
from physio.electrophysiology.velocity.tuning import (
    WIDEST,
    Tuned,
    along_one_axis,
    down,
    tune_velocity,
    up,
)

__all__ = [
    "FITTED_AT",
    "Tuned",
    "WIDEST",
    "along_one_axis",
    "cable",
    "digest",
    "down",
    "fast_states",
    "fitted_average",
    "free_velocity",
    "line",
    "stack",
    "timeable",
    "tune_mesh",
    "tune_velocity",
    "typical_edge",
    "up",
    "velocities",
]
