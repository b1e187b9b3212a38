"""Tissue as active voxels, from an image or a closed surface."""
