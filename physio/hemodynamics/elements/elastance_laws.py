"""Further laws of contraction: a Fourier series, and a chamber whose rest volume moves.

Laws of the solver svZeroDSolver (src/model/ClosedLoopHeartPulmonary.cpp and
ChamberElastanceInductor.cpp at commit c7b0ca09), written here from its equations.
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.hemodynamics.elements.chambers import AbstractActivation
from physio.hemodynamics.elements.element import (
    LUNG_SHARE,
    PLEURAL_SHARE,
    START_VOLUME,
    AbstractCompartment,
)
from physio.parameters import param
from physio.rhythm import Timing

_TRAN = (
    "Tran 2017, 10.1016/j.compfluid.2016.05.015, as in svZeroDSolver "
    "src/model/ClosedLoopHeartPulmonary.cpp"
)
_KERCKHOFFS = "Kerckhoffs 2007, 10.1007/s10439-006-9212-7"

# svZeroDSolver, ClosedLoopHeartPulmonary.cpp, table Ft_elastance, both columns
_COSINE = (
    0.283748803, 0.031830626, -0.209472400, 0.020520047, 0.008316883, -0.041677660,
    0.000867323, -0.001675379, -0.011252277, -0.000414677, 0.000253749, -0.002584966,
    0.000584752, 0.000028502, 0.000022961, 0.000018735, 0.000015573, 0.000013133,
    0.000011199, 0.000009634, 0.000008343, 0.000007265, 0.000006354, 0.000005575,
    0.000004903,
)  # fmt: skip
_SINE = (
    0.000000000, -0.374299825, -0.018127770, 0.073971113, -0.047249597, 0.003212163,
    0.019441411, -0.005565534, 0.003401432, 0.008376795, -0.000071880, 0.001566861,
    0.003143555, -0.000024787, -0.000007476, -0.000001281, 0.000001781, 0.000003494,
    0.000004507, 0.000005117, 0.000005481, 0.000005687, 0.000005789, 0.000005821,
    0.000005805,
)  # fmt: skip


class FourierSeries(AbstractActivation):
    """e(s) = sum over k of a_k cos(2 pi k s / T) - b_k sin(2 pi k s / T).

    T is the cycle. The default is the normalised elastance of a human ventricle in
    25 terms, which holds the filling elastance too (0.051 to 0.987): with it a chamber
    has no ``passive_elastance`` of its own.
    """

    stored_as: ClassVar[str] = "FourierSeries"

    follows: str = eqx.field(static=True)
    cosine: Array = param(
        _COSINE, unit="1", source=_TRAN, doc="a_k, from the mean on", per_node=True
    )
    sine: Array = param(
        _SINE, unit="1", source=_TRAN, doc="b_k, from k = 0 on", per_node=True
    )
    delay: Array = param(
        0.0, unit="s", source="0: no conduction delay", doc="delay behind the group"
    )

    def __call__(self, timing: Timing) -> Float[Array, ""]:
        phase = 2.0 * jnp.pi * (timing.since - self.delay) / timing.cycle
        angles = phase * jnp.arange(self.cosine.size)
        return jnp.sum(self.cosine * jnp.cos(angles) - self.sine * jnp.sin(angles))

    def corners(self, cycle: Float[Array, ""]) -> Float[Array, " n_corner"]:
        return self.delay + jnp.zeros_like(cycle)[None]

    def typical_corners(self) -> tuple[float, ...]:
        return (0.0,)


class ShiftingChamber(AbstractCompartment):
    """Time-varying elastance about a rest volume that shrinks in contraction.

    p = (EA e + EB) (V - Vd - e (Vs - Vd)): at rest the pressure vanishes at Vd, at
    the peak of contraction at Vs. Kerckhoffs 2007, 10.1007/s10439-006-9212-7,
    eqs. 1 and 2.
    """

    stored_as: ClassVar[str] = "ShiftingChamber"

    activation: str = eqx.field(static=True)
    active_elastance: Array = param(
        0.966, unit="mmHg/mL", source=_KERCKHOFFS, doc="elastance gained"
    )
    passive_elastance: Array = param(
        0.091, unit="mmHg/mL", source=_KERCKHOFFS, doc="elastance at rest"
    )
    unstressed_volume: Array = param(
        26.1, unit="mL", source=_KERCKHOFFS, doc="Vd, volume without pressure at rest"
    )
    contracted_volume: Array = param(
        18.0, unit="mL", source=_KERCKHOFFS, doc="Vs, the same in full contraction"
    )
    start_volume: Array = param(120.0, **START_VOLUME)
    pleural_share: Array = param(1.0, **PLEURAL_SHARE)
    lung_share: Array = param(0.0, **LUNG_SHARE)

    def transmural_pressure(
        self, volume: Float[Array, ""], activations: dict[str, Array]
    ) -> Float[Array, ""]:
        e = activations[self.activation]
        shift = e * (self.contracted_volume - self.unstressed_volume)
        stretch = volume - self.unstressed_volume - shift
        return (self.active_elastance * e + self.passive_elastance) * stretch
