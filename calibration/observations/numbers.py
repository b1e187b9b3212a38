"""What was measured in a patient: numbers and whole waveforms, each with its errors.

Two errors count against a model: that of the measurement (``sd``) and that of the
model itself (``discrepancy_sd``: the heart is not a lumped circuit), added in
quadrature. An observation is a term of the ``likelihood`` or only a ``check`` on the
posterior's prediction; what is computed from other observations is always a check.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

from calibration.observations.kinds import (
    ROLES,
    SITES,
    arterial,
    default_discrepancy,
    derived,
)
from calibration.parameters.priors import number


def _check(observation: Any, name: str) -> None:
    if observation.role not in ROLES:
        raise ValueError(f"{name}: role={observation.role!r}; it is one of {ROLES}.")
    if observation.site not in SITES:
        raise ValueError(f"{name}: site={observation.site!r}; it is one of {SITES}.")
    if not bool(jnp.all(jnp.isfinite(jnp.asarray(observation.values)))):
        raise ValueError(f"{name}: a value is not finite. Leave it out.")
    if not bool(jnp.isfinite(observation.sd) & (observation.sd > 0.0)):
        raise ValueError(
            f"{name}: sd={float(observation.sd)}; a measurement's standard deviation "
            "is a positive number."
        )
    if not bool(observation.discrepancy_sd >= 0.0):
        raise ValueError(f"{name}: discrepancy_sd must be 0 or more.")


class Observation(eqx.Module):
    """One measured number.

    ``kind`` is one of the catalogue (``calibration.observations.catalogue``) or a key
    of the experiment's features, in whose ``unit`` value and sd are. ``site`` is where
    an arterial pressure was taken: away from the aorta it passes a transfer element.
    ``discrepancy_sd=None`` takes the default of the kind. What is compared with the
    value is ratio x simulated + bias: 1 and 0 unless a learned discrepancy says
    otherwise (``calibration.observations.discrepancy``).
    """

    kind: str = eqx.field(static=True)
    value: Array = eqx.field(converter=number)
    sd: Array = eqx.field(converter=number)
    unit: str = eqx.field(static=True)
    site: str = eqx.field(static=True)
    discrepancy_sd: Array
    role: str = eqx.field(static=True)
    ratio: Array
    bias: Array

    def __init__(
        self,
        kind: str,
        value: ArrayLike,
        sd: ArrayLike,
        unit: str,
        site: str = "",
        discrepancy_sd: ArrayLike | None = None,
        role: str | None = None,
        *,
        ratio: ArrayLike = 1.0,
        bias: ArrayLike = 0.0,
    ):
        """``role=None``: a check for what is derived, else a likelihood term."""
        self.kind, self.unit, self.site = kind, unit, site
        self.value, self.sd = number(value), number(sd)
        self.ratio, self.bias = number(ratio), number(bias)
        if discrepancy_sd is None:
            discrepancy_sd = default_discrepancy(kind, site, float(self.value))
        self.discrepancy_sd = number(discrepancy_sd)
        self.role = role or ("check" if derived(kind) else "likelihood")
        _check(self, self.label)
        if derived(kind) and self.role == "likelihood":
            raise ValueError(
                f"{kind} is computed from other measurements: it can be a check "
                'only. Type role="check".'
            )
        if site and not arterial(kind):
            raise ValueError(f"{kind} has no site; {site!r} was given.")

    @property
    def label(self) -> str:
        """Its name in results: ``systolic_pressure@radial``."""
        return f"{self.kind}@{self.site}" if self.site else self.kind

    def observed(self, simulated: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """What is expected of the measurement where the model has ``simulated``."""
        return self.ratio * simulated + self.bias

    @property
    def nuisances(self) -> tuple[str, ...]:
        """Names it leaves free: none."""
        return ()

    @property
    def values(self) -> Float[Array, "*shape"]:
        """The measured value."""
        return self.value

    @property
    def total_sd(self) -> Float[Array, ""]:
        """Measurement and model error together."""
        return jnp.sqrt(self.sd**2 + self.discrepancy_sd**2)

    @property
    def weight(self) -> Float[Array, ""]:
        """What a residual in sd is multiplied with in the likelihood."""
        return jnp.ones(())


def failing(residuals: Float[Array, "..."], limit: float = 2.0) -> Bool[Array, "..."]:
    """Whether a residual in sd is larger than ``limit``."""
    return jnp.abs(residuals) > limit
