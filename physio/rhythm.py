"""When the heart's chambers are activated.

A rhythm is a sub-module of a system, so ``rhythm.rate`` is changed like any other
parameter. It gives the time since the atria's and the ventricles' last activation
and the length of the cycle they are in; chambers never see t.
"""

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from physio.parameters import param
from physio.units import S_PER_MIN

_RATE: dict[str, Any] = dict(
    unit="1/min", source="typical adult at rest", doc="heart rate"
)
_DELAY: dict[str, Any] = dict(
    unit="s",
    source="Regazzoni 2022, 10.1016/j.jcp.2022.111083: atria 0.2 beats ahead at 72/min",
    doc="from the activation of the atria to that of the ventricles",
)


class Timing(NamedTuple):
    """Time since the last activation, and the length of the present cycle (s)."""

    since: Array
    cycle: Array


class AbstractRhythm(eqx.Module):
    """Gives each group of chambers, ``atria`` and ``ventricles``, its phase.

    Time zero is an activation of the ventricles.
    """

    rate: eqx.AbstractVar[Array]
    atrioventricular_delay: eqx.AbstractVar[Array]
    carries_state: eqx.AbstractClassVar[bool]

    @abc.abstractmethod
    def initial_state(self) -> PyTree:
        """The rhythm's own state, ``()`` where it has none."""

    @abc.abstractmethod
    def derivative(self, state: PyTree) -> PyTree:
        """The rate of change of the rhythm's own state."""

    @abc.abstractmethod
    def timing(self, t: Float[Array, ""], state: PyTree) -> dict[str, Timing]:
        """The phase of ``atria`` and ``ventricles``."""

    @abc.abstractmethod
    def span(self, beat: Int[Array, ""]) -> tuple[Array, Array]:
        """Start and length of a beat by its number (s)."""


def _wrapped(since: Array, cycle: Array) -> Array:
    return since - jnp.floor(since / cycle) * cycle


class RegularRhythm(AbstractRhythm):
    """Beats of one length."""

    rate: Array = param(72.0, **_RATE)
    atrioventricular_delay: Array = param(1.0 / 6.0, **_DELAY)
    carries_state = False

    def initial_state(self) -> PyTree:
        return ()

    def derivative(self, state: PyTree) -> PyTree:
        return ()

    def timing(self, t: Float[Array, ""], state: PyTree) -> dict[str, Timing]:
        cycle = S_PER_MIN / self.rate
        atrial = _wrapped(t + self.atrioventricular_delay, cycle)
        return {
            "atria": Timing(atrial, cycle),
            "ventricles": Timing(_wrapped(t, cycle), cycle),
        }

    def span(self, beat: Int[Array, ""]) -> tuple[Array, Array]:
        cycle = S_PER_MIN / self.rate
        return beat * cycle, cycle


class PrescribedBeats(AbstractRhythm):
    """Beats of given relative lengths, repeated: ectopy, bigeminy, fibrillation.

    ``pattern`` holds each cycle's length over the mean; ``rate`` is the mean rate.
    """

    pattern: Float[Array, " n_beat"]
    rate: Array = param(72.0, **_RATE)
    atrioventricular_delay: Array = param(1.0 / 6.0, **_DELAY)
    carries_state = False

    def __check_init__(self) -> None:
        if self.pattern.ndim != 1 or self.pattern.size == 0:
            raise ValueError("PrescribedBeats wants a list of relative beat lengths.")

    def initial_state(self) -> PyTree:
        return ()

    def derivative(self, state: PyTree) -> PyTree:
        return ()

    def _cycles(self) -> tuple[Array, Array]:
        cycles = self.pattern / jnp.mean(self.pattern) * S_PER_MIN / self.rate
        return cycles, jnp.append(0.0, jnp.cumsum(cycles))

    def _present(self, t: Array) -> Timing:
        cycles, starts = self._cycles()
        since = _wrapped(t, starts[-1])
        last = self.pattern.size - 1
        index = jnp.clip(jnp.searchsorted(starts, since, side="right") - 1, 0, last)
        return Timing(since - starts[index], cycles[index])

    def timing(self, t: Float[Array, ""], state: PyTree) -> dict[str, Timing]:
        return {
            "atria": self._present(t + self.atrioventricular_delay),
            "ventricles": self._present(t),
        }

    def span(self, beat: Int[Array, ""]) -> tuple[Array, Array]:
        cycles, starts = self._cycles()
        rounds, index = jnp.divmod(beat, self.pattern.size)
        return rounds * starts[-1] + starts[index], cycles[index]


class IntegrateAndFire(AbstractRhythm):
    """A phase carried in the state: the heart fires when it reaches a whole number.

    d(cycles)/dt = rate / 60, so the rate may change within a beat. A periodic state
    is that of ``RegularRhythm`` at the same rate: use that for ``settle``.
    """

    rate: Array = param(72.0, **_RATE)
    atrioventricular_delay: Array = param(1.0 / 6.0, **_DELAY)
    carries_state = True

    def initial_state(self) -> PyTree:
        return {"cycles": jnp.zeros_like(self.rate)}

    def derivative(self, state: PyTree) -> PyTree:
        return {"cycles": self.rate / S_PER_MIN}

    def timing(self, t: Float[Array, ""], state: Any) -> dict[str, Timing]:
        cycle = S_PER_MIN / self.rate
        since = _wrapped(state["cycles"], jnp.ones_like(cycle)) * cycle
        atrial = _wrapped(since + self.atrioventricular_delay, cycle)
        return {"atria": Timing(atrial, cycle), "ventricles": Timing(since, cycle)}

    def span(self, beat: Int[Array, ""]) -> tuple[Array, Array]:
        cycle = S_PER_MIN / self.rate
        return beat * cycle, cycle


# Where the groups are activated in a typical beat, as a fraction of it: only the
# number of steps in each segment of a beat is read off these, so they are static.
TYPICAL_ONSET = {"ventricles": 0.0, "atria": 0.8}


def corner_grid(
    start: Float[Array, ""],
    cycle: Float[Array, ""],
    corners: Float[Array, " n_corner"],
    typical: tuple[float, ...],
    steps: int,
) -> Float[Array, " n_t"]:
    """``steps + 1`` times over a beat, piecewise uniform, a point on every corner.

    ``corners`` are times after the beat's start, any order, within the cycle;
    ``typical`` are their typical fractions of a beat, which fix the number of steps
    in each segment, so that derivatives stay clean when the period moves.
    """
    fractions = np.concatenate([[0.0], np.sort(np.asarray(typical) % 1.0), [1.0]])
    counts = np.maximum(2, np.round(np.diff(fractions) * steps)).astype(int)
    counts[np.argmax(counts)] += steps - counts.sum()
    if counts.min() < 1:
        raise ValueError(
            f"{steps} steps a beat are too few for {len(counts)} segments; "
            f"give steps_per_beat={4 * len(counts)} or more."
        )
    zero = jnp.zeros_like(cycle)
    knots = jnp.concatenate([zero[None], jnp.sort(corners), cycle[None]])
    segment = np.repeat(np.arange(counts.size), counts)
    within = np.concatenate([np.arange(n) / n for n in counts])
    width = jnp.diff(knots)
    points = knots[segment] + jnp.asarray(within) * width[segment]
    return start + jnp.append(points, cycle)


_SAME = 1e-9  # of a cycle: two corners nearer than this are one


def dealt_grid(
    start: Float[Array, ""],
    cycle: Float[Array, ""],
    corners: Float[Array, " n_corner"],
    steps: int,
) -> Float[Array, " n_t"]:
    """:func:`corner_grid` where no beat is typical: steps follow the corners.

    Dealt out as even as the corners allow, a point on every one, one step at least
    between two of them. For laws that follow one group with their own delays, whose
    corners may stand in any order. Raises ``ValueError`` for fewer steps than segments.
    """
    if steps <= corners.size:
        raise ValueError(
            f"{steps} steps a beat are too few for {corners.size + 1} segments; "
            f"give steps_per_beat={4 * (corners.size + 1)} or more."
        )
    zero = jnp.zeros_like(cycle)
    knots = jnp.concatenate([zero[None], jnp.sort(corners), cycle[None]])
    width = jnp.diff(knots)
    real = (width > _SAME * cycle).astype(int)
    before = jnp.concatenate([jnp.zeros(1, int), jnp.cumsum(real)])
    at = jnp.round(steps * knots / cycle).astype(int)
    at = jax.lax.cummax(at - before) + before
    at = jnp.minimum(at, steps - (before[-1] - before))
    index = jnp.arange(steps)
    segment = jnp.searchsorted(at[1:], index, side="right")
    share = (index - at[segment]) / (at[segment + 1] - at[segment])
    points = knots[segment] + share * width[segment]
    return start + jnp.append(points, cycle)
