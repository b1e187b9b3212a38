"""One diffusion operator for every geometry, and the bond average."""

from physio.electrophysiology.diffusion.bond_average import (
    AbstractScheme,
    BondAverage,
    SecondOrder,
)
from physio.electrophysiology.diffusion.conductivity import (
    Conductivity,
    Membrane,
    Velocities,
    monodomain,
)
from physio.electrophysiology.diffusion.elements import (
    Elements,
    LinearElements,
    on_mesh,
)
from physio.electrophysiology.diffusion.grid import (
    HALF,
    OFFSETS,
    ActiveVoxels,
    FullGrid,
    bond_weights,
    full_grid,
    on_voxels,
    tensor,
)
from physio.electrophysiology.diffusion.operator import (
    AbstractDiscretisation,
    AbstractOperator,
    Lists,
    dense,
    largest_step,
)

__all__ = [
    "AbstractDiscretisation",
    "AbstractOperator",
    "AbstractScheme",
    "ActiveVoxels",
    "BondAverage",
    "Conductivity",
    "Elements",
    "FullGrid",
    "HALF",
    "LinearElements",
    "Lists",
    "Membrane",
    "OFFSETS",
    "SecondOrder",
    "Velocities",
    "bond_weights",
    "dense",
    "full_grid",
    "largest_step",
    "monodomain",
    "on_mesh",
    "on_voxels",
    "tensor",
]
