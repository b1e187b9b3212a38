"""Shapes of hearts, their walls, fibres and sinus rhythm."""

from physio.electrophysiology.anatomy.fibres import Angles, rule_fibres, with_fibres
from physio.electrophysiology.anatomy.generated import AbstractHeart
from physio.electrophysiology.anatomy.laplace import hold, solve, space, steepness
from physio.electrophysiology.anatomy.shapes import Atrium, Cable, Ring, Sheet, Slab
from physio.electrophysiology.anatomy.sinus_rhythm import (
    DEPTH,
    FAST,
    ROOTS,
    Root,
    Sinus,
    fast_layer,
    place_roots,
    sinus,
)
from physio.electrophysiology.anatomy.ventricle_surfaces import (
    Surfaces,
    carried_surfaces,
    find_surfaces,
    given_surfaces,
    surfaces_by_class,
)
from physio.electrophysiology.anatomy.ventricles import RV, Biventricle

__all__ = [
    "AbstractHeart",
    "Angles",
    "Atrium",
    "Biventricle",
    "Cable",
    "DEPTH",
    "FAST",
    "ROOTS",
    "RV",
    "Ring",
    "Root",
    "Sheet",
    "Sinus",
    "Slab",
    "Surfaces",
    "carried_surfaces",
    "fast_layer",
    "find_surfaces",
    "given_surfaces",
    "hold",
    "place_roots",
    "rule_fibres",
    "sinus",
    "solve",
    "space",
    "steepness",
    "surfaces_by_class",
    "with_fibres",
]
