"""A law replaced by a learned one: pressure-volume curve, reflex, activation shape.

Each closure wraps the published law it replaces and stands where that law stood; at
birth it equals it. Names look through to it, so a fit or a treatment written for the
published law applies. What is learned is monotone for every value of its weights
(``learned.blocks.curve``).
"""

# pyright: reportIncompatibleVariableOverride=false, reportCallIssue=false
# An abstract field may be a property of a subclass, and a field of a subclass has its
# place there: the type checker knows neither.

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from learned.blocks.curve import INTERVALS, MonotoneMap, hats
from learned.blocks.ranges import Range
from physio.compose import AbstractAugmented
from physio.hemodynamics.control.baroreflex import Effects
from physio.hemodynamics.elements.chambers import AbstractActivation
from physio.hemodynamics.elements.element import AbstractCompartment
from physio.parameters import TRANSPARENT
from physio.rhythm import Timing
from physio.system import Periodic, Trajectory
from physio.units import S_PER_MIN

# Steepest answer of a learned reflex per mmHg, about four times Ursino's at gain 1:
# logarithms of rate, resistance, left and right elastance; unstressed volume (mL).
_STEEPEST = np.array([-0.08, -0.08, -0.04, -0.04, 90.0])


def _one_input(range_: Range, name: str, unit: str, law: str) -> None:
    """Raise where a range is not that of one input in the unit wanted."""
    if range_.units != (unit,):
        raise ValueError(
            f"{law} has one input, {name} in {unit}; the range is of "
            f"{', '.join(range_.names)} in {', '.join(range_.units)}. Type: "
            f"Range(({name!r},), ({unit!r},), [lower], [upper])"
        )
    range_.check()


class LearnedVessel(AbstractCompartment):
    """A vessel whose pressure-volume curve is learned and rises for any weights.

    p = base(V0 + C w((V - V0) / C)): the published law at a warped filling pressure,
    V0 and C its unstressed volume and compliance. ``range`` holds (V - V0) / C (mmHg);
    w maps it onto itself, so that outside the published law answers. Pressure is a
    function of volume alone: the vessel stores work and makes none.
    """

    stored_as: ClassVar[str] = "LearnedVessel"

    base: AbstractCompartment = eqx.field(metadata=TRANSPARENT)
    curve: MonotoneMap
    range: Range

    @classmethod
    def of(
        cls,
        base: AbstractCompartment,
        range_: Range,
        *,
        intervals: int = INTERVALS,
        convex: bool = False,
    ) -> "LearnedVessel":
        """The closure of a published vessel, equal to it.

        ``convex``: inside the range the curve bends upwards wherever the base does
        not bend downwards. Raises ``ValueError`` for a base without a compliance and
        for a range that is not one of a filling pressure in mmHg.
        """
        for wanted in ("compliance", "unstressed_volume"):
            if getattr(base, wanted, None) is None:
                raise ValueError(
                    f"A learned curve warps (V - V0) / C; {type(base).__name__} has no "
                    f"{wanted}. Wrap an ElasticVessel or a Vein."
                )
        _one_input(range_, "filling_pressure", "mmHg", "A vessel's curve")
        return cls(base, MonotoneMap.identity(intervals, convex=convex), range_)

    @property
    def start_volume(self) -> Array:
        return self.base.start_volume

    @property
    def pleural_share(self) -> Array:
        return self.base.pleural_share

    @property
    def lung_share(self) -> Array:
        return self.base.lung_share

    @property
    def squeezed_by(self) -> str | None:
        return getattr(self.base, "squeezed_by", None)

    @property
    def squeeze_share(self) -> Array:
        return _of(self.base, "squeeze_share")

    def filling_pressure(self, volume: Float[Array, ""]) -> Float[Array, ""]:
        """(V - V0) / C (mmHg): what the curve is a function of."""
        rest = _of(self.base, "unstressed_volume")
        return (volume - rest) / _of(self.base, "compliance")

    def excess(self, volume: Float[Array, ""]) -> Float[Array, ""]:
        """How far outside its range a volume (mL) lies, in widths; 0 inside."""
        return self.range.excess(self.filling_pressure(volume)[None])[0]

    def transmural_pressure(
        self, volume: Float[Array, ""], activations: dict[str, Array]
    ) -> Float[Array, ""]:
        filling = self.filling_pressure(volume)
        width = self.range.width[0]
        moved = self.curve.displacement((filling - self.range.lower[0]) / width) * width
        warped = volume + _of(self.base, "compliance") * moved
        return self.base.transmural_pressure(warped, activations)

    def projected(self) -> "LearnedVessel":
        """The vessel with weights that have no effect brought back to 0."""
        return eqx.tree_at(lambda m: m.curve, self, self.curve.projected())


def _of(base: Any, name: str) -> Any:
    """A field of a base law that its abstract class does not promise."""
    return getattr(base, name)


class LearnedReflex(eqx.Module):
    """A quasi-static reflex whose curves are learned; stands where a reflex stands.

    With d the deviation of the sensed pressure from the set point and f the logarithm
    of a factor (of unstressed volume: the shift itself),

        f_i(d) = exp(s_i) base_i(d) + g_i sum_k max(tanh w_ik, 0) (H_k(d) - H_k(0)).

    g_i has the sign of the published effect, so that each effect rises or falls with
    pressure as far as the base's does, and is none at the set point. ``range`` holds d
    (mmHg). Outside the second term keeps its last value and the base alone moves on:
    a reflex that let go would push pressure further out.
    """

    stored_as: ClassVar[str] = "LearnedReflex"

    base: Any = eqx.field(metadata=TRANSPARENT)
    log_share: Float[Array, "5"]
    weights: Float[Array, "5 n_knot"]
    range: Range

    @classmethod
    def of(
        cls, base: Any, range_: Range, *, intervals: int = INTERVALS
    ) -> "LearnedReflex":
        """The closure of a published reflex of any gain, 0 included, equal to it.

        Raises ``ValueError`` where the range is not one of a pressure about 0, in mmHg.
        """
        _one_input(range_, "deviation", "mmHg", "A reflex's curve")
        low, high = float(range_.lower[0]), float(range_.upper[0])
        if not low <= 0.0 <= high:
            raise ValueError(
                f"The deviation of pressure is 0 at rest; {low:g} to {high:g} mmHg "
                "leaves that out. Widen the range."
            )
        weights = jnp.zeros((len(Effects._fields), intervals + 1))
        return cls(base, jnp.zeros(len(Effects._fields)), weights, range_)

    @property
    def set_point(self) -> Float[Array, ""]:
        """Mean arterial pressure at which the reflex is at rest (mmHg)."""
        return self.base.set_point

    def excess(self, pressure: Float[Array, ""]) -> Float[Array, ""]:
        """How far outside its range a pressure (mmHg) lies, in widths; 0 inside."""
        return self.range.excess((pressure - self.set_point)[None])[0]

    def _grown(self, deviation: Array) -> Array:
        """The second term of every effect."""
        intervals = self.weights.shape[1] - 1
        low, width = self.range.lower[0], self.range.width[0]

        def area(d: Array) -> Array:
            return hats(jnp.clip((d - low) / width, 0.0, 1.0), intervals)

        steepness = jnp.maximum(jnp.tanh(self.weights), 0.0)
        change = area(deviation) - area(jnp.zeros_like(deviation))
        return jnp.asarray(_STEEPEST) * (steepness @ change) * width / intervals

    def effects(self, pressure: Float[Array, ""]) -> Effects:
        """The effects at a sensed mean arterial pressure (mmHg)."""
        base = self.base.effects(pressure)
        share, grown = jnp.exp(self.log_share), self._grown(pressure - self.set_point)
        factors = [base[k] ** share[k] * jnp.exp(grown[k]) for k in range(4)]
        return Effects(*factors, base.unstressed_volume * share[4] + grown[4])

    def projected(self) -> "LearnedReflex":
        """The reflex with weights that have no effect brought back to 0."""
        kept = jnp.maximum(self.weights, 0.0)
        return eqx.tree_at(lambda m: m.weights, self, kept)


class LearnedActivation(AbstractActivation):
    """A published activation behind a learned map psi of 0 ... 1 onto itself.

    e(s) = psi(base(s)): onset, peak and end stay, so do the corners. ``range`` holds
    the heart rate (1/min); outside psi fades to the identity, the published law.
    """

    stored_as: ClassVar[str] = "LearnedActivation"

    base: AbstractActivation = eqx.field(metadata=TRANSPARENT)
    curve: MonotoneMap
    range: Range

    @classmethod
    def of(
        cls, base: AbstractActivation, range_: Range, *, intervals: int = INTERVALS
    ) -> "LearnedActivation":
        """The closure of a published activation, equal to it.

        Raises ``ValueError`` where the range is not one of a heart rate in 1/min.
        """
        _one_input(range_, "heart_rate", "1/min", "An activation's shape")
        return cls(base, MonotoneMap.identity(intervals), range_)

    @property
    def follows(self) -> str:
        return self.base.follows

    @property
    def delay(self) -> Array:
        return self.base.delay

    def excess(self, rate: Float[Array, ""]) -> Float[Array, ""]:
        """How far outside its range a heart rate (1/min) lies, in widths; 0 inside."""
        return self.range.excess(rate[None])[0]

    def __call__(self, timing: Timing) -> Float[Array, ""]:
        e = self.base(timing)
        rate = S_PER_MIN / timing.cycle
        return e + self.range.gate(rate[None]) * self.curve.displacement(e)

    def corners(self, cycle: Float[Array, ""]) -> Float[Array, " n_corner"]:
        return self.base.corners(cycle)

    def typical_corners(self) -> tuple[float, ...]:
        return self.base.typical_corners()

    def projected(self) -> "LearnedActivation":
        """This closure: all its weights act."""
        return self


def outside(periodic: Periodic, beat: Trajectory) -> dict[str, Float[Array, ""]]:
    """How far each closure of a circulation was asked outside its range in a beat.

    By the law's name, in widths of the range; 0 where it stayed inside.
    """
    model: Any = periodic.system
    while isinstance(model, AbstractAugmented):
        model = model.base
    found = {
        name: jnp.max(jax.vmap(vessel.excess)(beat.observed.volume[name]))
        for name, vessel in model.compartments.items()
        if isinstance(vessel, LearnedVessel)
    }
    for name, law in model.activations.items():
        if isinstance(law, LearnedActivation):
            found[name] = law.excess(model.rhythm.rate)
    if isinstance(model.reflex, LearnedReflex):
        found["reflex"] = model.reflex.excess(periodic.unknowns["mean_pressure"])
    return found
