"""Activation times by the eikonal equation on grids and elements."""
