"""How fast a wave travels, and the conductivity for a wanted velocity."""

from physio.electrophysiology.velocity.mesh_tuning import tune_mesh, typical_edge
from physio.electrophysiology.velocity.plane_waves import (
    FITTED_AT,
    cable,
    free_velocity,
    line,
    stack,
    velocities,
)
from physio.electrophysiology.velocity.tuning import WIDEST, Tuned, tune_velocity

__all__ = [
    "FITTED_AT",
    "Tuned",
    "WIDEST",
    "cable",
    "free_velocity",
    "line",
    "stack",
    "tune_mesh",
    "tune_velocity",
    "typical_edge",
    "velocities",
]
