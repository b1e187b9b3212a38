"""Least squares from many starts, many problems in one program."""
