"""What keeps a residual small, and apart from what the physics already explains.

Norm of the residual: Yin 2021, 10.1088/1742-5468/ac3ae5 (APHYNITY). Windows run from
nodes of their own: multiple shooting, Turan & Jaeschke 2022,
10.1109/LCSYS.2021.3135835.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree


def orthogonality(
    effect: Float[Array, " n_r"],
    directions: Float[Array, "n_r n_z"],
    *,
    ridge: float = 0.0,
) -> Float[Array, ""]:
    """Share of a residual's effect that the physics parameters could have explained.

    e'D (D'D + ridge I)^-1 D'e / |e|^2 with D the ``directions``; 0 where e vanishes.
    Zero where the residual tells what no parameter does. ``ridge=1`` counts what
    parameters with a standard normal prior would explain, where they are more than the
    observations.
    """
    n = directions.shape[1]
    gram = directions.T @ directions
    # columns may be parallel: a billionth of their mean square keeps the solve sound
    gram = gram + 1e-9 * (jnp.trace(gram) / n + 1e-30) * jnp.eye(n, dtype=gram.dtype)
    gram = gram + ridge * jnp.eye(n, dtype=gram.dtype)
    along = directions.T @ effect
    inside = along @ jnp.linalg.solve(gram, along)
    return inside / (effect @ effect + 1e-30)


def shooting(
    run: Callable[[Any, Any], tuple[PyTree, PyTree]],
    nodes: PyTree,
    starts: Any,
    measured: PyTree,
    continuity: float,
) -> Float[Array, ""]:
    """Misfit of windows run from nodes, and of their ends with the next nodes.

    ``run(state, start)`` gives the state at the window's end and its observations;
    ``nodes`` are the states at the windows' ``starts``, ``measured`` what was observed
    in each; all with the windows on their first axis.
    """
    ends, seen = jax.vmap(run)(nodes, starts)

    def mean_square(a: Array, b: Array) -> Array:
        return jnp.mean((a - b) ** 2)

    misfit = jax.tree.leaves(jax.tree.map(mean_square, seen, measured))
    gaps = jax.tree.map(lambda a, b: mean_square(a[:-1], b[1:]), ends, nodes)
    gap = jax.tree.leaves(gaps) if len(jax.tree.leaves(nodes)[0]) > 1 else []
    return sum(misfit, jnp.zeros(())) + continuity * sum(gap, jnp.zeros(()))
