"""What `cordax bench` runs: the twin's predictions against real measurements."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cordax.bench import fluid_response, hybrid, niederer, ventilation

__all__ = ["fluid_response", "hybrid", "niederer", "ventilation"]
