"""Readers and writers of mesh files; the only home of meshio and vtk's readers."""

from physio.electrophysiology.mesh.formats.files import (
    WRITABLE,
    left_behind,
    read,
    write,
)
from physio.electrophysiology.mesh.formats.libraries import vtk_dataset, vtk_fields
from physio.electrophysiology.mesh.formats.opencarp import SUFFIXES, names
from physio.electrophysiology.mesh.formats.raw import NotUnderstood

__all__ = [
    "NotUnderstood",
    "SUFFIXES",
    "WRITABLE",
    "left_behind",
    "names",
    "read",
    "vtk_dataset",
    "vtk_fields",
    "write",
]
