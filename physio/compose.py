"""A system plus an extra term: how a learned part joins a mechanistic one.

``Augmented`` wraps; it needs nothing from the model. Names look through to the
base, so an intervention or a fit written for the base applies to the sum.
"""

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
    beat or is not regulated, the methods that need it raise as the base does.
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
        return jax.tree.map(jnp.add, self.base.rate(forcing, t, y, inputs), extra)

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
