"""The one interval of this project: median and the ends of a central credible one."""

from typing import Any, NamedTuple

import numpy as np

LEVEL = 0.9  # of every interval that is shown: its ends are the 5 % and 95 % quantiles


class Interval(NamedTuple):
    """Median, lower and upper end of a central interval: numbers, or arrays of one
    shape where the quantity is an array."""

    median: Any
    lower: Any
    upper: Any


def interval(draws: Any, level: float = LEVEL) -> Interval:
    """The central interval over the first axis of ``draws``.

    A draw that is NaN makes the interval NaN: one over the draws that happened to
    succeed would claim what it does not cover.
    """
    tail = 0.5 * (1.0 - level)
    ends = np.quantile(np.asarray(draws), [0.5, tail, 1.0 - tail], axis=0)
    if ends.ndim == 1:
        return Interval(*(float(end) for end in ends))
    return Interval(*ends)
