"""The heart's chambers: activation laws and time-varying elastance.

Elastance takes the time since the chamber's own activation and the length of the
cycle, never t; both come from the rhythm.
"""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.hemodynamics.elements.element import (
    LUNG_SHARE,
    PLEURAL_SHARE,
    START_VOLUME,
    AbstractCompartment,
)
from physio.parameters import param
from physio.rhythm import Timing

_REGAZZONI = "Regazzoni 2022, 10.1016/j.jcp.2022.111083, table 2"
_FIT = "this project's fit of a healthy man to published ranges, docs/validation.md"
_DELAY: dict[str, Any] = dict(
    unit="s", source="0: no conduction delay", doc="delay behind the group"
)


class AbstractActivation(eqx.Module):
    """How strongly a group of chambers contracts, 0 to 1, in its cycle."""

    follows: eqx.AbstractVar[str]  # "atria" or "ventricles"
    delay: eqx.AbstractVar[Array]

    @abc.abstractmethod
    def __call__(self, timing: Timing) -> Float[Array, ""]:
        """Activation at a time since the group's activation."""

    @abc.abstractmethod
    def corners(self, cycle: Float[Array, ""]) -> Float[Array, " n_corner"]:
        """Times after activation where a derivative jumps, onset first (s)."""

    @abc.abstractmethod
    def typical_corners(self) -> tuple[float, ...]:
        """The corners of a typical beat, as fractions of it."""


def _since(timing: Timing, delay: Array) -> Array:
    since = timing.since - delay
    return since - jnp.floor(since / timing.cycle) * timing.cycle


class TwoCosine(AbstractActivation):
    """Half a cosine up, half a cosine down.

    e(s) = (1 - cos(pi s / TC)) / 2 for s < TC, then (1 + cos(pi (s - TC) / TR)) / 2
    for s < TC + TR, else 0; TC and TR are the durations at a cycle of 1 s times
    cycle^rate_exponent. Regazzoni 2022, 10.1016/j.jcp.2022.111083, eq. 5 (exponent
    1); the square root of the cycle is Bazett's.
    """

    stored_as: ClassVar[str] = "TwoCosine"

    follows: str = eqx.field(static=True)
    contraction: Array = param(
        0.32, unit="s", source=_FIT, doc="duration of contraction at a cycle of 1 s"
    )
    relaxation: Array = param(
        0.16, unit="s", source=_FIT, doc="duration of relaxation at a cycle of 1 s"
    )
    rate_exponent: Array = param(
        0.5,
        unit="1",
        source="Bazett 1920, Heart 7:353",
        doc="power of the cycle length",
    )
    delay: Array = param(0.0, **_DELAY)

    def _durations(self, cycle: Array) -> tuple[Array, Array]:
        factor = cycle**self.rate_exponent
        return self.contraction * factor, self.relaxation * factor

    def __call__(self, timing: Timing) -> Float[Array, ""]:
        since = _since(timing, self.delay)
        up, down = self._durations(timing.cycle)
        rise = jnp.clip(since / up, 0.0, 1.0)
        fall = jnp.clip((since - up) / down, 0.0, 1.0)
        # both half cosines at once: a sine costs half of what a population's table does
        return jnp.sin(0.5 * jnp.pi * (rise - fall)) ** 2

    def corners(self, cycle: Float[Array, ""]) -> Float[Array, " n_corner"]:
        up, down = self._durations(cycle)
        return self.delay + jnp.stack([jnp.zeros_like(up), up, up + down])

    def typical_corners(self) -> tuple[float, ...]:
        return (0.0, 0.35, 0.52) if self.follows == "ventricles" else (0.0, 0.15, 0.3)


class DoubleHill(AbstractActivation):
    """The product of a rising and a falling Hill function, scaled to a peak of 1.

    e(s) = k g1 / (1 + g1) / (1 + g2), g = (s / tau)^m, with tau a fraction of the
    cycle. Stergiopulos 1996, 10.1152/ajpheart.1996.270.6.H2050; human ventricle:
    Mynard 2012, 10.1002/cnm.1466, table 2.
    """

    stored_as: ClassVar[str] = "DoubleHill"

    follows: str = eqx.field(static=True)
    rise_time: Array = param(
        0.269, unit="1", source="Mynard 2012, 10.1002/cnm.1466, table 2",
        doc="half-rise, fraction of the cycle",
    )  # fmt: skip
    fall_time: Array = param(
        0.452, unit="1", source="Mynard 2012, 10.1002/cnm.1466, table 2",
        doc="half-fall, fraction of the cycle",
    )  # fmt: skip
    rise_power: Array = param(
        1.32, unit="1", source="Mynard 2012, 10.1002/cnm.1466, table 2", doc="rise"
    )
    fall_power: Array = param(
        27.4, unit="1", source="Mynard 2012, 10.1002/cnm.1466, table 2", doc="fall"
    )
    delay: Array = param(0.0, **_DELAY)

    def _shape(self, x: Array) -> Array:
        # s = 0 has no derivative of a power; a millionth of the cycle stands for it
        x = jnp.maximum(x, 1e-6)
        rise = (x / self.rise_time) ** self.rise_power
        fall = (x / self.fall_time) ** self.fall_power
        return rise / (1.0 + rise) / (1.0 + fall)

    def __call__(self, timing: Timing) -> Float[Array, ""]:
        peak = jnp.max(self._shape(jnp.linspace(0.0, 1.0, 201)))
        return self._shape(_since(timing, self.delay) / timing.cycle) / peak

    def corners(self, cycle: Float[Array, ""]) -> Float[Array, " n_corner"]:
        ones = jnp.stack([jnp.zeros_like(cycle), cycle * self.fall_time])
        return self.delay + ones

    def typical_corners(self) -> tuple[float, ...]:
        return (0.0, 0.45)


class ElastanceChamber(AbstractCompartment):
    """Time-varying elastance: p = p0 + (EA e + EB) (V - V0).

    Suga & Sagawa 1974, 10.1161/01.RES.35.1.117; in this form Regazzoni 2022.
    """

    stored_as: ClassVar[str] = "ElastanceChamber"

    activation: str = eqx.field(static=True)
    active_elastance: Array = param(
        2.75, unit="mmHg/mL", source=_REGAZZONI, doc="elastance gained in contraction"
    )
    passive_elastance: Array = param(
        0.08, unit="mmHg/mL", source=_REGAZZONI, doc="elastance at rest"
    )
    unstressed_volume: Array = param(
        5.0, unit="mL", source=_REGAZZONI, doc="volume at zero transmural pressure"
    )
    rest_pressure: Array = param(
        0.0, unit="mmHg", source=_REGAZZONI, doc="pressure at the unstressed volume"
    )
    start_volume: Array = param(120.0, **START_VOLUME)
    pleural_share: Array = param(1.0, **PLEURAL_SHARE)
    lung_share: Array = param(0.0, **LUNG_SHARE)

    def transmural_pressure(
        self, volume: Float[Array, ""], activations: dict[str, Array]
    ) -> Float[Array, ""]:
        active = self.active_elastance * activations[self.activation]
        stretch = volume - self.unstressed_volume
        return self.rest_pressure + (active + self.passive_elastance) * stretch


class StiffeningChamber(AbstractCompartment):
    """Elastance in systole, an exponential filling curve in diastole.

    p = EA e (V - V0) + (1 - e) P (exp(k (V - V0)) - 1). Beyar & Sideman 1984; the
    filling curve of Klotz 2006, 10.1152/ajpheart.01240.2005 is near-exponential.
    """

    stored_as: ClassVar[str] = "StiffeningChamber"

    activation: str = eqx.field(static=True)
    active_elastance: Array = param(
        2.75, unit="mmHg/mL", source=_REGAZZONI, doc="end-systolic elastance"
    )
    filling_pressure: Array = param(
        1.5, unit="mmHg", source="Beyar & Sideman 1984, 10.1161/01.RES.55.3.358",
        doc="scale of the filling curve",
    )  # fmt: skip
    stiffness: Array = param(
        0.015, unit="1/mL", source="Beyar & Sideman 1984, 10.1161/01.RES.55.3.358",
        doc="exponent of the filling curve",
    )  # fmt: skip
    unstressed_volume: Array = param(
        5.0, unit="mL", source=_REGAZZONI, doc="volume at zero transmural pressure"
    )
    start_volume: Array = param(120.0, **START_VOLUME)
    pleural_share: Array = param(1.0, **PLEURAL_SHARE)
    lung_share: Array = param(0.0, **LUNG_SHARE)

    def transmural_pressure(
        self, volume: Float[Array, ""], activations: dict[str, Array]
    ) -> Float[Array, ""]:
        e = activations[self.activation]
        stretch = volume - self.unstressed_volume
        filling = self.filling_pressure * jnp.expm1(self.stiffness * stretch)
        return self.active_elastance * e * stretch + (1.0 - e) * filling
