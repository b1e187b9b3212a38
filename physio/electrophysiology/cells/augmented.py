"""A cell plus a correction is a cell, so that a learned current works in tissue."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from physio.compose import AbstractAugmented, augment
from physio.electrophysiology.cells.cell import AbstractCell, Gate
from physio.parameters import TRANSPARENT
from physio.system import State


def _shifted(gate: Gate, rate: Array) -> Gate:
    """A gate whose rate has another added: its steady state stays within 0 and 1."""
    steady = gate.steady
    # some published gates leave 0 ... 1 on their own: a correction adds nothing there
    low, high = jnp.minimum(steady, 0.0), jnp.maximum(steady, 1.0)
    return gate._replace(steady=jnp.clip(steady + gate.tau * rate, low, high))


class AbstractOfCell(eqx.Module):
    """What a cell made of another takes over from it unchanged."""

    base: eqx.AbstractVar[Any]

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


class AugmentedCell(AbstractOfCell, AbstractAugmented):
    """The sum of a cell and a correction: pacing and tissue work on it as on the cell.

    The tangent's voltage is minus a current (uA/uF), entered in ``currents`` as
    ``correction``; what it adds to a gate shifts that gate's steady state, which stays
    within 0 and 1; the rest joins ``rates``. A cell's methods know no time: the
    correction then gets t = NaN and inputs None, and one that uses t ends in NaN. What
    depends on time is a stimulus.
    """

    base: Any = eqx.field(metadata=TRANSPARENT)
    correction: Any
    into: Any

    def _extra(self, y: State) -> dict[str, Array]:
        """What the correction adds to the cell's states, by name."""
        extra = self.tangent(jnp.asarray(jnp.nan, y.v.dtype), y, None)
        if isinstance(extra, dict):
            return extra
        return {
            field.name: getattr(extra, field.name)
            for field in dataclasses.fields(extra)
        }

    def gates(self, y: State) -> dict[str, Gate]:
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


@augment.register(AbstractCell)
@augment.register(AugmentedCell)
def _(base: Any, correction: Any, into: Any) -> AugmentedCell:
    return AugmentedCell(base, correction, into)
