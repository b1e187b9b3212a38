"""Readers and writers of mesh files; the only home of meshio and vtk's readers."""

from physio.electrophysiology.mesh.formats.files import (
    READERS,
    WRITABLE,
    left_behind,
    read,
    write,
)
from physio.electrophysiology.mesh.formats.libraries import vtk_dataset, vtk_fields
from physio.electrophysiology.mesh.formats.opencarp import SUFFIXES, names
from physio.electrophysiology.mesh.formats.raw import Damaged, NotUnderstood, RawMesh
from physio.electrophysiology.mesh.formats.stated import COUNTERS, Stated

__all__ = [
    "COUNTERS",
    "Damaged",
    "NotUnderstood",
    "READERS",
    "RawMesh",
    "SUFFIXES",
    "Stated",
    "WRITABLE",
    "left_behind",
    "names",
    "read",
    "vtk_dataset",
    "vtk_fields",
    "write",
]
