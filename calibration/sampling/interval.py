"""An interval of a quantity over posterior draws."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


class Interval(eqx.Module):
    """Median and the ends of a central credible interval."""

    median: Array
    lower: Array
    upper: Array


def _interval(draws: Any, level: float) -> Interval:
    tail = 0.5 * (1.0 - level)
    ends = np.nanquantile(np.asarray(draws), [tail, 0.5, 1.0 - tail], axis=0)
    lower, median, upper = (jnp.asarray(end) for end in ends)
    return Interval(median, lower, upper)


#: Median, lower and upper end of the central 90 %.
Spread = tuple[float, float, float]
