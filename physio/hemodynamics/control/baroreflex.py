"""A quasi-static arterial baroreflex about the patient's own operating point.

Ursino 1998, 10.1152/ajpheart.1998.275.5.H1733: static curves of the carotid
afferents, the sympathetic and the vagal drive, taken as shifts about the mean
pressure at which the reflex is at rest. One gain scales every effect: 1 is Ursino's,
a loop gain -dMAP_without / dMAP_with - 1 of about 3.5; near 0 under anaesthesia.
"""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.parameters import param

_URSINO = "Ursino 1998, 10.1152/ajpheart.1998.275.5.H1733"
# Loop gain -d(MAP set by the effectors)/d(MAP sensed) at gain 1, computed for a
# 12-state loop; tests/physio/hemodynamics/control/test_baroreflex.py recomputes it.
LOOP_GAIN_AT_UNIT_GAIN = 3.5


class Effects(NamedTuple):
    """What the reflex does: factors, and a shift of unstressed volume (mL)."""

    rate: Array
    resistance: Array
    left_elastance: Array
    right_elastance: Array
    unstressed_volume: Array


class Baroreflex(eqx.Module):
    """Heart rate, resistance, contractility and venous tone against mean pressure."""

    stored_as: ClassVar[str] = "Baroreflex"

    gain: Array = param(
        0.6, unit="1", source=_URSINO + "; awake prior", doc="scale of every effect"
    )
    set_point: Array = param(
        92.0, unit="mmHg", source=_URSINO + ", table 3: Pn",
        doc="mean arterial pressure at which the reflex is at rest",
    )  # fmt: skip

    def _drives(self, deviation: Array) -> tuple[Array, Array]:
        """Sympathetic effect sigma and vagal rate at a deviation of pressure."""
        firing = 2.52 + 45.26 / (1.0 + jnp.exp(-deviation / 11.758))
        # ln(fes - fes_min + 1), fes = 2.10 + 14.01 exp(-0.0675 f), fes_min 2.66
        sympathetic = 2.10 + 14.01 * jnp.exp(-0.0675 * firing) - 2.66
        vagal = 3.2 + 3.1 / (1.0 + jnp.exp(-(firing - 25.0) / 7.06))
        # Ursino: no effect below fes_min; at very high pressure it would be negative
        return jnp.log1p(jnp.maximum(sympathetic, 0.0)), vagal

    def effects(self, pressure: Float[Array, ""]) -> Effects:
        """The effects at a sensed mean arterial pressure (mmHg)."""
        s, v = self._drives(pressure - self.set_point)
        s0, v0 = self._drives(jnp.zeros_like(self.set_point))

        def period(s: Array, v: Array) -> Array:
            return 0.58 - 0.13 * s + 0.09 * v

        def resistance(s: Array) -> Array:
            splanchnic, other = 2.49 + 0.695 * s, 0.78 + 0.53 * s
            return splanchnic * other / (splanchnic + other)

        def factor(now: Array, rest: Array) -> Array:
            return (now / rest) ** self.gain

        return Effects(
            rate=factor(period(s0, v0), period(s, v)),
            resistance=factor(resistance(s), resistance(s0)),
            left_elastance=factor(2.392 + 0.475 * s, 2.392 + 0.475 * s0),
            right_elastance=factor(1.412 + 0.282 * s, 1.412 + 0.282 * s0),
            unstressed_volume=-self.gain * 397.9 * (s - s0),
        )
