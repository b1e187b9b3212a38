"""The verbs of a change to a model: scale, shift, set_to, then.

An intervention is a pure function system -> system; interventions compose with
:func:`then` and apply to a batch of models under ``vmap``.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
from jaxtyping import Array, ArrayLike, Float

from physio.parameters import get, replace

S = TypeVar("S", bound=eqx.Module)
Intervention = Callable[[S], S]


class _Edit(eqx.Module):
    """Change one named parameter: ``verb(old, amount)``."""

    name: str = eqx.field(static=True)
    verb: Callable[[Array, Any], Array] = eqx.field(static=True)
    amount: Any

    def __call__(self, system: Any) -> Any:
        return replace(
            system, self.name, self.verb(get(system, self.name), self.amount)
        )


class _Then(eqx.Module):
    """Apply interventions one after the other."""

    steps: tuple[Any, ...]

    def __call__(self, system: Any) -> Any:
        for step in self.steps:
            system = step(system)
        return system


def _times(old: Array, amount: Any) -> Array:
    return old * amount


def _plus(old: Array, amount: Any) -> Array:
    return old + amount


def _new(old: Any, amount: Any) -> Any:
    return amount


def scale(name: str, factor: Float[ArrayLike, ""]) -> Intervention:
    """Multiply a parameter, e.g. ``scale("systemic.resistance", 0.8)``."""
    return _Edit(name, _times, factor)


def shift(name: str, amount: Float[ArrayLike, ""]) -> Intervention:
    """Add to a parameter, in its own unit."""
    return _Edit(name, _plus, amount)


def set_to(name: str, value: Any) -> Intervention:
    """Set a parameter, or replace a sub-model, at a dotted name."""
    return _Edit(name, _new, value)


def then(*interventions: Intervention) -> Intervention:
    """One intervention after the other."""
    return _Then(tuple(interventions))
