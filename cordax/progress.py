"""How long work tells what it does: one signature, and the one that says nothing."""

from collections.abc import Callable

#: Called with the phase's name and the share of it that is done, 0 to 1.
Progress = Callable[[str, float], None]


def silent(phase: str, share: float) -> None:
    """No progress wanted."""
