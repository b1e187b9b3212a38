"""The monodomain equation: run, paced, ablated, kept."""
