"""A system plus an extra term: how a learned part joins a mechanistic one.

``augment`` wraps; it needs nothing from the model. Names look through to the base, so
an intervention or a fit written for the base applies to the sum. What is known here
are the protocols of ``physio.system``; a branch whose models offer more (a cell its
gates and currents) keeps its own sum beside them and registers it with ``augment``.
"""

import abc
import dataclasses
from collections.abc import Callable
from functools import singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from physio.parameters import TRANSPARENT
from physio.system import AbstractRegulated, AbstractSystem, Inputs, State


class AbstractCorrection(eqx.Module):
    """A correction that sees the model it corrects and knows where it was learned.

    A fixed-step run evaluates it once per step, where a plain function of
    (t, y, inputs) is evaluated at every stage of the step.
    """

    @abc.abstractmethod
    def value(self, base: Any, t: Float[Array, ""], y: State, inputs: Inputs) -> PyTree:
        """What ``into`` turns into a tangent of the base's state."""

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
    return mechanistic(model.base) if isinstance(model, AbstractAugmented) else model


def through(model: Any, change: Callable[[Any], Any]) -> Any:
    """The model with its innermost base changed."""
    if not isinstance(model, AbstractAugmented):
        return change(model)
    return augment(through(model.base, change), model.correction, model.into)


class AbstractAugmented(AbstractSystem):
    """dy/dt = base(t, y, inputs) + into(correction(t, y, inputs)).

    ``into`` maps what the correction returns to a tangent of the base's state, or to a
    dict of the states it reaches alone; a correction that returns zeros leaves the base
    as it is.
    """

    base: eqx.AbstractVar[Any]
    correction: eqx.AbstractVar[Any]
    into: eqx.AbstractVar[Any]

    def initial_state(self) -> State:
        return self.base.initial_state()

    def forcing(self, t: Float[Array, ""], inputs: Inputs) -> PyTree:
        return self.base.forcing(t, inputs)

    def rate(
        self, forcing: PyTree, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> State:
        rate = self.base.rate(forcing, t, y, inputs)
        return _added(rate, self.tangent(t, y, inputs))

    def observe(self, t: Float[Array, ""], y: State, inputs: Inputs) -> PyTree:
        return self.base.observe(t, y, inputs)

    def tangent(self, t: Float[Array, ""], y: State, inputs: Inputs) -> PyTree:
        """What the correction adds to dy/dt."""
        if isinstance(self.correction, AbstractCorrection):
            return self.into(self.correction.value(self.base, t, y, inputs))
        return self.into(self.correction(t, y, inputs))

    def held(self, t: Float[Array, ""], y: State, inputs: Inputs) -> Any:
        """The system with learned corrections as they are at the start of a step."""
        base = self.base
        if isinstance(base, AbstractAugmented):
            base = base.held(t, y, inputs)
        if not isinstance(self.correction, AbstractCorrection):
            return augment(base, self.correction, self.into)
        return augment(base, _Held(self.tangent(t, y, inputs)), _same)

    def within(
        self, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> Float[Array, "*node"] | None:
        """The least of what learned corrections say of their ranges; None without."""
        inner = None
        if isinstance(self.base, AbstractAugmented):
            inner = self.base.within(t, y, inputs)
        if not isinstance(self.correction, AbstractCorrection):
            return inner
        own = self.correction.within(self.base, t, y, inputs)
        return own if inner is None else jnp.minimum(own, inner)


class Augmented(AbstractAugmented, AbstractRegulated):
    """The sum of a system and a correction; regulated and beating as its base is.

    Where the base does not beat or is not regulated, the methods that need it raise as
    the base does.
    """

    base: Any = eqx.field(metadata=TRANSPARENT)
    correction: Any
    into: Any

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


@singledispatch
def augment(base: Any, correction: Any, into: Callable[[Any], PyTree]) -> Any:
    """The sum of a model and a correction, which stays what the model is.

    A branch says with ``@augment.register(AbstractCell)`` what a sum of its models is;
    of any other system it is :class:`Augmented`.
    """
    return Augmented(base, correction, into)
