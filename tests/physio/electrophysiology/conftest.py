"""Beside it stands what tests of the electrophysiology share: blocks.py."""
