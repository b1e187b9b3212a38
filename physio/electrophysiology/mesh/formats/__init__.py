"""Readers and writers of mesh files; the only home of meshio and vtk's readers."""

from physio.electrophysiology.mesh.formats.files import WRITABLE, read, write

__all__ = ["WRITABLE", "read", "write"]
