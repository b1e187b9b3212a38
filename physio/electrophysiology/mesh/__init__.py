"""Meshes: geometry, units, checks, repair, order; files in formats/."""
