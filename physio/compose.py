"""A system plus an extra term: how a learned part joins a mechanistic one.

``Augmented`` wraps; it needs nothing from the model. Names look through to the
base, so an intervention or a fit written for the base applies to the sum.
"""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from physio.parameters import TRANSPARENT
from physio.system import AbstractRegulated, Inputs, State


class AbstractCorrection(eqx.Module):
    """A correction that sees the model it corrects and knows where it was learned.

    A fixed-step run evaluates it once per step, where a plain function of
    (t, y, inputs) is evaluated at every stage of the step.
    """

    @abc.abstractmethod
    def value(self, base: Any, t: Float[Array, ""], y: State, inputs: Inputs) -> PyTree:
        """What ``Augmented.into`` turns into a tangent of the base's state."""

    @abc.abstractmethod
    def within(
        self, base: Any, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> Float[Array, "*node"]:
        """1 inside the range it was learned in, 0 where it no longer answers."""


class _Held(eqx.Module):
    """A tangent that does not change within a step."""

    tangent: PyTree

    def __call__(self, t: Any, y: State, inputs: Inputs) -> PyTree:
        return self.tangent


def _same(tangent: PyTree) -> PyTree:
    return tangent


def _added(rate: Any, extra: Any) -> Any:
    """A tangent with another added, of which dicts may name a part only."""
    if not isinstance(extra, dict):
        return jax.tree.map(jnp.add, rate, extra)
    if isinstance(rate, dict):
        return rate | {name: _added(rate[name], x) for name, x in extra.items()}
    changes = {name: _added(getattr(rate, name), x) for name, x in extra.items()}
    return dataclasses.replace(rate, **changes)


def mechanistic(model: Any) -> Any:
    """The innermost base: the model without what was added to it."""
    return mechanistic(model.base) if isinstance(model, Augmented) else model


def through(model: Any, change: Callable[[Any], Any]) -> Any:
    """The model with its innermost base changed."""
    if not isinstance(model, Augmented):
        return change(model)
    base = through(model.base, change)
    return Augmented(base, model.correction, model.into)


def _shifted(gate: Any, rate: Array) -> Any:
    """A gate whose rate has another added: its steady state stays within 0 and 1."""
    steady = gate.steady
    # some published gates leave 0 ... 1 on their own: a correction adds nothing there
    low, high = jnp.minimum(steady, 0.0), jnp.maximum(steady, 1.0)
    return gate._replace(steady=jnp.clip(steady + gate.tau * rate, low, high))


class Augmented(AbstractRegulated):
    """dy/dt = base(t, y, inputs) + into(correction(t, y, inputs)).

    ``into`` maps what the correction returns to a tangent of the base's state; a
    correction that returns zeros leaves the base as it is. Where the base does not
    beat, is not regulated or is not a cell, the methods that need it raise as the base
    does.

    A **cell** stays a cell, so that a learned current works in tissue: the tangent's
    voltage is minus a current (uA/uF), entered in ``currents`` as ``correction``; what
    it adds to a gate shifts that gate's steady state, the rest joins ``rates``.
    ``into`` may return a dict of the states it reaches alone. A gate's steady state
    stays within 0 and 1. A cell's methods know no time: the correction then gets
    t = NaN and inputs None, and one that uses t ends in NaN. What depends on time is a
    stimulus.
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
        rate = self.base.rate(forcing, t, y, inputs)
        return _added(rate, self._tangent(t, y, inputs))

    def _tangent(self, t: Float[Array, ""], y: State, inputs: Inputs) -> PyTree:
        if isinstance(self.correction, AbstractCorrection):
            return self.into(self.correction.value(self.base, t, y, inputs))
        return self.into(self.correction(t, y, inputs))

    def held(self, t: Float[Array, ""], y: State, inputs: Inputs) -> "Augmented":
        """The system with learned corrections as they are at the start of a step."""
        base = self.base
        if isinstance(base, Augmented):
            base = base.held(t, y, inputs)
        if not isinstance(self.correction, AbstractCorrection):
            return Augmented(base, self.correction, self.into)
        return Augmented(base, _Held(self._tangent(t, y, inputs)), _same)

    def within(
        self, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> Float[Array, "*node"] | None:
        """The least of what learned corrections say of their ranges; None without."""
        inner = None
        if isinstance(self.base, Augmented):
            inner = self.base.within(t, y, inputs)
        if not isinstance(self.correction, AbstractCorrection):
            return inner
        own = self.correction.within(self.base, t, y, inputs)
        return own if inner is None else jnp.minimum(own, inner)

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
        extra = self._tangent(jnp.asarray(jnp.nan, y.v.dtype), y, None)
        if isinstance(extra, dict):
            return extra
        return {
            field.name: getattr(extra, field.name)
            for field in dataclasses.fields(extra)
        }

    def gates(self, y: State) -> dict[str, Any]:
        gates, extra = self.base.gates(y), self._extra(y)
        return {
            name: _shifted(gate, extra[name]) if name in extra else gate
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
