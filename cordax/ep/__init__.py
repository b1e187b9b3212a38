"""What `cordax ep` does: a heart's file in; maps, tables and one report out."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.ep.cell import draw, measure
    from cordax.ep.electrocardiogram import measures
    from cordax.ep.heart import Heart, build
    from cordax.ep.report import html, rows, verdict
    from cordax.ep.results import finite, write
    from cordax.ep.run import Outcome, compute
    from cordax.ep.settings import Settings, again, numbers, stored
    from cordax.ep.surface import coarser

__all__ = [
    "Heart",
    "Outcome",
    "Settings",
    "again",
    "build",
    "coarser",
    "compute",
    "draw",
    "finite",
    "html",
    "measure",
    "measures",
    "numbers",
    "rows",
    "stored",
    "verdict",
    "write",
]

__getattr__, __dir__ = lazily(__name__)
