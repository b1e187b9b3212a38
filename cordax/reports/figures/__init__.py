"""Pictures; the only home of matplotlib and pyvista."""
