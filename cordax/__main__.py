"""The command line's entry point: `cordax` and `python -m cordax`."""

import sys

from cordax.cli import run


def main() -> int:
    """Runs the command line on `sys.argv` and returns its exit code."""
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
