"""The command line. `run(arguments)` returns the exit code.

0 done; 1 the input has problems or cannot be read; 2 wrong options; 130 Ctrl-C.
"""

from cordax.cli.app import app, run

__all__ = ["app", "run"]
