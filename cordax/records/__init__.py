"""A patient's record: read, checked, explained."""
