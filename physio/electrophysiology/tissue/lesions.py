"""Ablation: tissue that neither conducts nor excites, as an intervention.

A lesion is a mask of nodes. ``ablate(mask)`` is a function model -> model, for tissue
on every geometry; shapes give masks, which ``|`` and ``&`` combine.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from physio.interventions import Intervention


class _Ablate(eqx.Module):
    mask: Bool[Array, " n_node"]

    def __call__(self, model: Any) -> Any:
        before = model.alive
        alive = ~self.mask if before is None else before & ~self.mask
        return eqx.tree_at(lambda m: m.alive, model, alive, is_leaf=lambda x: x is None)


def ablate(mask: Any) -> Intervention:
    """The intervention that ends conduction and excitation where the mask is True.

    For a model with a field ``alive``
    (:class:`~physio.electrophysiology.tissue.Monodomain`). Raises
    ``ValueError`` for a mask without a node.
    """
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.ndim != 1:
        raise ValueError(
            f"A lesion is a mask, one truth value per node; got {mask.dtype} of shape "
            f"{mask.shape}."
        )
    if not mask.any():
        raise ValueError("The lesion touches no node. Make it wider, or move it.")
    return _Ablate(jnp.asarray(mask))


def sphere(nodes: Any, centre: Any, radius: float) -> np.ndarray:
    """The mask of nodes within ``radius`` (mm) of a point."""
    return _distance(nodes, np.atleast_2d(np.asarray(centre, float))) <= _positive(
        radius
    )


def line(nodes: Any, points: Any, radius: float) -> np.ndarray:
    """The mask of nodes within ``radius`` (mm) of a path through points (capsules).

    ``points`` is ``(n_point, 3)`` in mm, two at least; ``ValueError`` otherwise.
    """
    path = np.atleast_2d(np.asarray(points, float))
    if len(path) < 2 or path.shape[1] != 3:
        raise ValueError(f"A line wants two points in space; got shape {path.shape}.")
    return _distance(nodes, path) <= _positive(radius)


def from_surface(mask: Any, depth: Any, deepest: float) -> np.ndarray:
    """The part of a lesion no deeper than ``deepest`` below a surface.

    ``depth`` is each node's distance from it (mm) or its transmural coordinate.
    """
    return np.asarray(mask) & (np.asarray(depth) <= deepest)


def _positive(radius: float) -> float:
    if not radius > 0:
        raise ValueError(f"A radius is positive (mm); got {radius}.")
    return radius


def _distance(nodes: Any, path: np.ndarray) -> np.ndarray:
    """Distance of every node from a polyline (mm); of one point from it alone."""
    at = np.asarray(nodes, float)
    nearest = np.linalg.norm(at - path[0], axis=1)
    for start, end in zip(path, path[1:], strict=False):
        along = end - start
        length = float(along @ along)
        share = np.clip((at - start) @ along / length, 0, 1) if length else 0.0
        foot = start + np.multiply.outer(share, along)
        nearest = np.minimum(nearest, np.linalg.norm(at - foot, axis=1))
    return nearest
