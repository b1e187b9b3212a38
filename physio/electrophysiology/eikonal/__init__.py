"""Activation times by the eikonal equation on grids and elements."""

from physio.electrophysiology.eikonal.elements import MeshLike, mesh_neighbourhood
from physio.electrophysiology.eikonal.front import (
    AbstractNeighbourhood,
    Origins,
    pull,
    push,
)
from physio.electrophysiology.eikonal.local import over_edge
from physio.electrophysiology.eikonal.regional import Region, RegionalConduction, Site
from physio.electrophysiology.eikonal.solve import activation_times, prepare

__all__ = [
    "AbstractNeighbourhood",
    "MeshLike",
    "Origins",
    "Region",
    "RegionalConduction",
    "Site",
    "activation_times",
    "mesh_neighbourhood",
    "over_edge",
    "prepare",
    "pull",
    "push",
]
