"""Which parameters are free, in which range, with which prior.

A :class:`Space` maps a flat vector z to a model and back. z is standard normal under
the prior (see ``calibration.parameters.priors``), so its origin is the prior median,
its unit the prior's spread, and log p(z) = -|z|^2 / 2 - n log(2 pi) / 2 *includes* the
Jacobian of the transform: it is the density of z, not that of the physical values.
"""

import difflib
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from calibration.parameters.priors import (
    AbstractPrior,
    bounded_normals,
    bounded_values,
    number,
)
from physio.parameters import get, parameters, replace

Model = TypeVar("Model", bound=eqx.Module)
OWNERS = ("model", "experiment", "nuisance")


class Free(eqx.Module):
    """One free parameter: a dotted name, its prior and its bounds.

    ``of`` says where the name lives: in the ``model``; in the ``experiment`` (such
    as ``transfers.radial.delay``); or nowhere but in the observations, a
    ``nuisance`` (the time shift or the offset of a waveform).
    """

    name: str = eqx.field(static=True)
    prior: AbstractPrior
    lower: Array = eqx.field(converter=number, default=-np.inf)
    upper: Array = eqx.field(converter=number, default=np.inf)
    of: str = eqx.field(static=True, default="model")
    unit: str = eqx.field(static=True, default="")

    def __check_init__(self) -> None:
        if self.of not in OWNERS:
            raise ValueError(f"{self.name}: of={self.of!r}; it is one of {OWNERS}.")
        if not isinstance(self.prior, AbstractPrior):
            raise ValueError(
                f"{self.name} wants a prior such as LogNormal(median, sd_log); "
                f"got {self.prior!r}."
            )
        least, most = self.range()
        if not bool(least < most):
            raise ValueError(
                f"{self.name}: nothing lies between its bounds {float(least):g} and "
                f"{float(most):g}."
            )

    def range(self) -> tuple[Array, Array]:
        """The bounds, the prior's support included."""
        least, most = self.prior.support()
        return jnp.maximum(self.lower, least), jnp.minimum(self.upper, most)


def _check_bounds(free: Free, value: Array) -> None:
    if isinstance(value, Tracer):
        return
    least, most = free.range()
    if not bool((value > least) & (value < most)):
        raise ValueError(
            f"{free.name} = {float(value):g} lies outside its bounds "
            f"{float(least):g} to {float(most):g}. Widen them in the Space, or "
            "correct the value."
        )


class Space(eqx.Module):
    """The free parameters of a fit, and the way between a flat vector and a model."""

    free: tuple[Free, ...]

    def __check_init__(self) -> None:
        names = self.names
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"Free twice in this Space: {', '.join(sorted(twice))}.")
        if not names:
            raise ValueError("A Space needs at least one Free parameter.")

    @property
    def names(self) -> tuple[str, ...]:
        """The dotted names, in the order of z."""
        return tuple(free.name for free in self.free)

    @property
    def size(self) -> int:
        """How many parameters are free."""
        return len(self.free)

    def index(self, name: str) -> int:
        """The place of a name in z; ``KeyError`` lists the nearest."""
        if name in self.names:
            return self.names.index(name)
        nearest = difflib.get_close_matches(name, self.names, n=4, cutoff=0.3)
        raise KeyError(
            f"{name!r} is not free in this Space. Nearest: "
            f"{', '.join(nearest or self.names)}."
        )

    @eqx.filter_jit  # a hundred small calls otherwise: a third of a fit's time
    def physical(self, z: Float[Array, " n_z"]) -> dict[str, Array]:
        """Every free parameter's value in its own unit."""
        found = bounded_values([f.prior for f in self.free], z, *self._bounds())
        return dict(zip(self.names, found, strict=True))

    def _bounds(self) -> tuple[Array, Array]:
        lower = jnp.stack([free.lower for free in self.free])
        return lower, jnp.stack([free.upper for free in self.free])

    def to_unconstrained(self, values: dict[str, Any]) -> Float[Array, " n_z"]:
        """The vector z of given values; ``ValueError`` for one outside its bounds."""
        missing = set(self.names) - set(values)
        if missing:
            raise KeyError(f"No value for {', '.join(sorted(missing))}.")
        given = [number(values[free.name]) for free in self.free]
        for free, value in zip(self.free, given, strict=True):
            _check_bounds(free, value)
        return bounded_normals([f.prior for f in self.free], given, *self._bounds())

    def _of(self, owner: str) -> tuple[str, ...]:
        return tuple(free.name for free in self.free if free.of == owner)

    def push(
        self, model: Model, z: Float[Array, " n_z"], *, owner: str = "model"
    ) -> Model:
        """The model with its free parameters set from z. Differentiable, vmappable.

        ``owner="experiment"`` sets those of an experiment instead.
        """
        return self.put(model, self.physical(z), owner=owner)

    def put(
        self, model: Model, values: dict[str, Array], *, owner: str = "model"
    ) -> Model:
        """The model with its free parameters set to values in their own units."""
        for name in self._of(owner):
            model = replace(model, name, values[name])
        return model

    def pull(self, model: Any, **nuisances: ArrayLike) -> Float[Array, " n_z"]:
        """The z of a model's present values.

        Parameters that are not the model's are at their prior median unless given,
        ``pull(model, **{"radial_shift": 0.05})``. Raises ``ValueError`` for a value
        outside its bounds, naming it.
        """
        values = dict(self.physical(jnp.zeros(self.size)))
        values |= {name: get(model, name) for name in self._of("model")}
        return self.to_unconstrained(values | nuisances)

    def nuisances(self, values: dict[str, Array]) -> dict[str, Array]:
        """Those of the values that belong to observations only."""
        return {name: values[name] for name in self._of("nuisance")}

    def log_prior(self, z: Float[Array, " n_z"]) -> Float[Array, ""]:
        """Log density of z under the prior, the Jacobian of the transform included."""
        return -0.5 * jnp.sum(z**2) - 0.5 * self.size * jnp.log(2.0 * jnp.pi)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n_draw n_z"]:
        """Draws of z from the prior; ``vmap`` of ``physical`` gives their values."""
        return jax.random.normal(key, (n, self.size))

    def quantiles(self, probability: float) -> dict[str, Array]:
        """Every parameter's prior quantile, in its own unit."""
        if not 0.0 < probability < 1.0:
            raise ValueError(f"A probability lies in (0, 1); got {probability}.")
        z = jax.scipy.special.ndtri(jnp.asarray(probability))
        return self.physical(jnp.full(self.size, z))

    def check(self, model: Any, experiment: Any = None) -> None:
        """Raise where a name is not the model's (the nearest are listed) or the
        experiment's."""
        known = {"model": model, "experiment": experiment}
        for free in self.free:
            if free.of == "nuisance" or known[free.of] is None:
                continue
            value = get(known[free.of], free.name)
            if not eqx.is_inexact_array(value) or value.ndim:
                inside = ", ".join(parameters(value)) if not np.isscalar(value) else ""
                raise ValueError(
                    f"{free.name} is not one number that can be free. {inside}"
                )
