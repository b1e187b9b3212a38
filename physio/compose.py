"""A system plus an extra term: how a learned part joins a mechanistic one.

``Augmented`` wraps; it needs nothing from the model. Names look through to the
base, so an intervention or a fit written for the base applies to the sum.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from physio.parameters import TRANSPARENT
from physio.system import AbstractRegulated, Inputs, State


class Augmented(AbstractRegulated):
    """dy/dt = base(t, y, inputs) + into(correction(t, y, inputs)).

    ``into`` maps what the correction returns to a tangent of the base's state; a
    correction that returns zeros leaves the base as it is. Where the base does not
    beat, is not regulated or is not a cell, the methods that need it raise as the base
    does.

    A **cell** stays a cell, so that a learned current works in tissue: the tangent's
    voltage is minus a current (uA/uF), entered in ``currents`` as ``correction``; what
    it adds to a gate shifts that gate's steady state, the rest joins ``rates``.
    ``into`` may return a dict of the states it reaches alone. A cell's methods know no
    time: the correction then gets t = NaN and inputs None, and one that uses t ends in
    NaN. What depends on time is a stimulus.
    """

    base: Any = eqx.field(metadata=TRANSPARENT)
    correction: Any
    into: Any

    def initial_state(self) -> State:
        return self.base.initial_state()

    def forcing(self, t: Float[Array, ""], inputs: Inputs) -> PyTree:
        return self.base.forcing(t, inputs)

    def rate(
        self, forcing: PyTree, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> State:
        extra = self.into(self.correction(t, y, inputs))
        rate = self.base.rate(forcing, t, y, inputs)
        if isinstance(extra, dict) and not isinstance(rate, dict):
            return dataclasses.replace(
                rate, **{name: getattr(rate, name) + x for name, x in extra.items()}
            )
        return jax.tree.map(jnp.add, rate, extra)

    def observe(self, t: Float[Array, ""], y: State, inputs: Inputs) -> PyTree:
        return self.base.observe(t, y, inputs)

    def beat_times(self, steps: int, beat: Int[Array, ""]) -> Float[Array, " n_t"]:
        return self.base.beat_times(steps, beat)

    def unknowns(self) -> PyTree:
        return self.base.unknowns()

    def regulated(self, unknowns: PyTree) -> "Augmented":
        base = self.base.regulated(unknowns)
        return eqx.tree_at(lambda m: m.base, self, base)

    def sensed(
        self, forcing: PyTree, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> PyTree:
        return self.base.sensed(forcing, t, y, inputs)

    def balance(self, means: PyTree, unknowns: PyTree) -> PyTree:
        return self.base.balance(means, unknowns)

    def _extra(self, y: State) -> dict[str, Array]:
        """What the correction adds to a cell's states, by name."""
        extra = self.into(self.correction(jnp.asarray(jnp.nan, y.v.dtype), y, None))
        if isinstance(extra, dict):
            return extra
        return {
            field.name: getattr(extra, field.name)
            for field in dataclasses.fields(extra)
        }

    def gates(self, y: State) -> dict[str, Any]:
        gates, extra = self.base.gates(y), self._extra(y)
        return {
            name: gate._replace(steady=gate.steady + gate.tau * extra[name])
            if name in extra
            else gate
            for name, gate in gates.items()
        }

    def currents(self, y: State) -> dict[str, Array]:
        extra = self._extra(y)
        own = {"correction": -extra["v"]} if "v" in extra else {}
        return {**self.base.currents(y), **own}

    def current(self, y: State) -> Array:
        return self.base.current(y) - self._extra(y).get("v", jnp.zeros_like(y.v))

    def fast_current(self, y: State) -> Array:
        return self.base.fast_current(y)

    def rates(self, y: State, stimulus: Array) -> dict[str, Array]:
        extra = self._extra(y)
        return {
            name: rate + extra[name] if name in extra else rate
            for name, rate in self.base.rates(y, stimulus).items()
        }

    @property
    def excitation(self) -> Any:
        return self.base.excitation

    @property
    def slow(self) -> tuple[str, ...]:
        return self.base.slow

    @property
    def threshold(self) -> float:
        return self.base.threshold

    @property
    def stimulus(self) -> tuple[float, float]:
        return self.base.stimulus
