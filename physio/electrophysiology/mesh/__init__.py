"""Meshes: geometry, units, checks, repair, order; files in formats/."""

from physio.electrophysiology.mesh.check import MeshProblem, repair
from physio.electrophysiology.mesh.generate import (
    box_tetra,
    disc,
    extruded,
    grid_triangles,
    sphere,
    stuffed,
    turned,
)
from physio.electrophysiology.mesh.geometry import (
    TETRA_FACES,
    boundary_faces,
    components,
    cross,
    dihedral_angles,
    element_edges,
    measures,
    open_edges,
    row_keys,
    unique_rows,
)
from physio.electrophysiology.mesh.memory import available
from physio.electrophysiology.mesh.mesh import Mesh, whole_numbers
from physio.electrophysiology.mesh.order import by_locality, restored
from physio.electrophysiology.mesh.report import as_text, describe, figures
from physio.electrophysiology.mesh.units import MM_PER, Size, choose, doubt

__all__ = [
    "MM_PER",
    "Mesh",
    "MeshProblem",
    "Size",
    "TETRA_FACES",
    "as_text",
    "available",
    "boundary_faces",
    "box_tetra",
    "by_locality",
    "choose",
    "components",
    "cross",
    "describe",
    "dihedral_angles",
    "disc",
    "doubt",
    "element_edges",
    "extruded",
    "figures",
    "grid_triangles",
    "measures",
    "open_edges",
    "repair",
    "restored",
    "row_keys",
    "sphere",
    "stuffed",
    "turned",
    "unique_rows",
    "whole_numbers",
]
