"""Readers and writers of mesh files; the only home of meshio and vtk's readers."""
