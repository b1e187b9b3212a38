"""Learned parts in files: nothing pickled."""
