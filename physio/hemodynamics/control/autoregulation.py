"""Tissues that keep their own flow: resistance rises with arterial pressure.

    R = R0 (p / p0)^a

beside the effects of a reflex, p the mean arterial pressure and p0 the reflex's
operating point. a = 0 is passive, a = 1 holds the flow: Johnson 1986,
10.1161/01.RES.59.5.483. It acts within minutes and needs no nerves, so anaesthesia
leaves more of it than of the reflex.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.hemodynamics.control.baroreflex import Baroreflex, Effects
from physio.parameters import param


class Autoregulated(eqx.Module):
    """A reflex with autoregulation of the systemic vessels; stands in its place.

    ``eqx.tree_at(lambda m: m.reflex, circulation, Autoregulated(exponent, reflex))``.
    """

    exponent: Array = param(
        0.5, unit="1", source="Johnson 1986, 10.1161/01.RES.59.5.483: between 0 "
        "(passive) and 1 (flow held)", doc="d ln resistance / d ln mean pressure",
    )  # fmt: skip
    reflex: Baroreflex = eqx.field(default_factory=Baroreflex)

    @property
    def set_point(self) -> Float[Array, ""]:
        """Mean arterial pressure at which nothing acts (mmHg)."""
        return self.reflex.set_point

    def effects(self, pressure: Float[Array, ""]) -> Effects:
        """The effects at a sensed mean arterial pressure (mmHg)."""
        reflex = self.reflex.effects(pressure)
        # no vessel answers a pressure that a trial step has driven below zero
        relative = jnp.maximum(pressure / self.set_point, 1e-3)
        return reflex._replace(resistance=reflex.resistance * relative**self.exponent)
