"""What `cordax ep` does: a heart's file in; maps, tables and one report out."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.ep.cell import draw, measure, pictures
    from cordax.ep.electrocardiogram import measures
    from cordax.ep.heart import Heart, MeshProblems, build
    from cordax.ep.membranes import cells
    from cordax.ep.report import html, rows, size_rows, verdict
    from cordax.ep.results import finite, write
    from cordax.ep.run import Outcome, compute
    from cordax.ep.settings import KIND, Settings, again, stored
    from cordax.ep.setup import check_spacing, time_step, velocity_warnings
    from cordax.ep.surface import coarser

__all__ = [
    "Heart",
    "KIND",
    "MeshProblems",
    "Outcome",
    "Settings",
    "again",
    "build",
    "cells",
    "check_spacing",
    "coarser",
    "compute",
    "draw",
    "finite",
    "html",
    "measure",
    "measures",
    "pictures",
    "rows",
    "size_rows",
    "stored",
    "time_step",
    "velocity_warnings",
    "verdict",
    "write",
]

__getattr__, __dir__ = lazily(__name__)
