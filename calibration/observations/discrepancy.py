"""A learned discrepancy as part of the observation model.

    measured = ratio x simulated + bias + error of measurement and discrepancy

(Kennedy & O'Hagan 2001, 10.1111/1467-9868.00294). What a cohort has shown of the
difference between measured and simulated (``learned.terms.discrepancy``) enters the
fit, the samples and every predictive interval through the observations themselves:
their mean through ``ratio`` or ``bias``, their uncertainty through ``discrepancy_sd``.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from calibration.observations.independence import Observations
from calibration.observations.numbers import Observation
from learned.terms.discrepancy import Comparison, Discrepancy

KINDS = ("difference", "ratio")


class Shift(NamedTuple):
    """What is known of one observable: mean and sd of measured minus simulated, in its
    unit, or (``ratio``) of measured over simulated minus 1."""

    mean: float
    sd: float
    kind: str = "difference"


def shift(
    learned: Discrepancy,
    inputs: Float[ArrayLike, " n_in"],
    own: Comparison | None = None,
) -> Shift:
    """What a learned discrepancy says at some inputs, of a patient with ``own``
    comparisons or of a new one."""
    mean, covariance = learned.delta(jnp.asarray(inputs)[None], own)
    sd = float(jnp.sqrt(jnp.maximum(covariance[0, 0], 0.0)))
    return Shift(float(mean[0]), sd, learned.kind)


def _shifted(o: Observation, by: Shift) -> Observation:
    if by.kind not in KINDS:
        raise ValueError(
            f"{o.label}: a discrepancy is one of {', '.join(KINDS)}; got {by.kind!r}."
        )
    if not (np.isfinite(by.mean) and np.isfinite(by.sd) and by.sd >= 0.0):
        raise ValueError(
            f"{o.label}: mean {by.mean} and sd {by.sd} of its discrepancy must be "
            "finite, the sd not negative."
        )
    relative = by.kind == "ratio"
    sd = by.sd * abs(float(o.value)) if relative else by.sd
    return Observation(
        o.kind, o.value, o.sd, o.unit, o.site, sd, o.role,
        ratio=1.0 + by.mean if relative else 1.0,
        bias=0.0 if relative else by.mean,
    )  # fmt: skip


def with_discrepancy(
    observations: Observations, found: Mapping[str, Shift]
) -> Observations:
    """The observations with a learned discrepancy in the place of the default one.

    ``found`` by the observations' labels. Raises ``KeyError`` for one that is not
    among them (or is a waveform), ``ValueError`` for values that are not finite.
    """
    numbers = {o.label for o in observations if isinstance(o, Observation)}
    for label in found:
        if label not in numbers:
            raise KeyError(
                f"{label!r} is not a number among the observations: "
                f"{', '.join(sorted(numbers))}."
            )
    return tuple(
        _shifted(o, found[o.label])
        if isinstance(o, Observation) and o.label in found
        else o
        for o in observations
    )
