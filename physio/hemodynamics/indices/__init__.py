"""The clinic's indices of a beat and of breathing."""
