"""Typing a command line, and reading what it says."""

from cordax.cli import run


def call(capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    code = run(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err
