"""What drives a circulation from outside: given waves of pressure or flow, reservoirs.

A part of the circulation is studied alone by closing the graph through a reservoir,
the compartment that is ``implied``: blood leaves it through a given flow and comes
back to it, at its own pressure, from every outlet.
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from physio.hemodynamics.elements.chambers import AbstractActivation
from physio.hemodynamics.elements.element import (
    LUNG_SHARE,
    PLEURAL_SHARE,
    START_VOLUME,
    AbstractCompartment,
    AbstractMemoryless,
)
from physio.parameters import param
from physio.rhythm import Timing

_GIVEN = "given with the case it drives"


class SampledActivation(AbstractActivation):
    """A wave sampled at equal steps over the cycle, linear between the samples.

    The last sample stands at the cycle's end; the wave stretches with the cycle, so
    that it stays periodic at any rate.
    """

    stored_as: ClassVar[str] = "SampledActivation"

    follows: str = eqx.field(static=True)
    samples: Array = param(
        (0.0, 0.0), unit="1", source=_GIVEN, doc="values over one cycle, ends included",
        per_node=True,
    )  # fmt: skip
    delay: Array = param(
        0.0, unit="s", source="0: starts with its group", doc="delay behind the group"
    )

    def __call__(self, timing: Timing) -> Float[Array, ""]:
        phase = (timing.since - self.delay) / timing.cycle
        grid = jnp.linspace(0.0, 1.0, self.samples.size)
        return jnp.interp(phase - jnp.floor(phase), grid, self.samples)

    def corners(self, cycle: Float[Array, ""]) -> Float[Array, " n_corner"]:
        return self.delay + jnp.zeros_like(cycle)[None]

    def typical_corners(self) -> tuple[float, ...]:
        return (0.0,)


class Reservoir(AbstractCompartment):
    """Blood at one pressure, whatever its volume: the far end of a vascular bed."""

    constant_pressure: Array = param(
        0.0, unit="mmHg", source="0: the atmosphere", doc="pressure at any volume"
    )
    start_volume: Array = param(0.0, **START_VOLUME)
    pleural_share: Array = param(0.0, **PLEURAL_SHARE)
    lung_share: Array = param(0.0, **LUNG_SHARE)

    def transmural_pressure(
        self, volume: Float[Array, ""], activations: dict[str, Array]
    ) -> Float[Array, ""]:
        return self.constant_pressure


class PressureSource(AbstractCompartment):
    """A reservoir whose pressure is a given wave: amplitude times the waveform."""

    activation: str = eqx.field(static=True)
    amplitude: Array = param(
        1.0, unit="mmHg", source=_GIVEN, doc="pressure where the waveform is 1"
    )
    start_volume: Array = param(0.0, **START_VOLUME)
    pleural_share: Array = param(0.0, **PLEURAL_SHARE)
    lung_share: Array = param(0.0, **LUNG_SHARE)

    def transmural_pressure(
        self, volume: Float[Array, ""], activations: dict[str, Array]
    ) -> Float[Array, ""]:
        return self.amplitude * activations[self.activation]


class FlowSource(AbstractMemoryless):
    """A given flow, amplitude times the waveform, whatever the pressures.

    The circulation hands it the value of its waveform in place of a pressure
    difference.
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    amplitude: Array = param(
        1.0, unit="mL/s", source=_GIVEN, doc="flow where the waveform is 1"
    )

    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        return self.amplitude * pressure_difference
