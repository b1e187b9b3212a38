"""A problem: a model, free parameters, observations and an experiment.

What a measurement is of (a periodic beat, an activation, days of a pressure) is the
experiment's; nothing here, nor in the fit and the samplers, knows an organ.
"""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calibration.observations.independence import Observations, require_independent
from calibration.parameters.space import Space


class Prediction(eqx.Module):
    """What a model predicts: one array per observation, all features it shows, the
    state that a nearby search starts from, and whether all of it is sound."""

    values: tuple[Array, ...]
    features: dict[str, Array]
    state: Float[Array, " n_y"]
    ok: Array


class AbstractExperiment(eqx.Module):
    """The conditions of a measurement, and how a model answers an observation.

    Differentiable, jit- and vmap-able; its own scalars may be free parameters
    (``Free(..., of="experiment")``).
    """

    #: What a sound prediction rests on, for messages: "No start reached a ...".
    answer: ClassVar[str] = "sound prediction"
    #: What to type where a search ended too early, and where its steps are too long.
    remedies: ClassVar[tuple[str, str]] = ("", "")

    @abc.abstractmethod
    def start(self, model: Any) -> Float[Array, " n_y"]:
        """Where a search for the model's answer begins; empty where none is made."""

    @abc.abstractmethod
    def predict(
        self,
        model: Any,
        observations: Observations,
        nuisances: dict[str, Array] | None = None,
        y0: Float[Array, " n_y"] | None = None,
    ) -> Prediction:
        """Every observation as the model has it, and all features.

        ``nuisances`` are the values of the names that observations leave free; ``y0``
        is where the search begins, :meth:`start` if not given.
        """

    @abc.abstractmethod
    def check(self, model: Any, observations: Observations) -> None:
        """Raise ``ValueError`` for an observation that cannot be predicted."""


def residuals(
    observations: Observations, values: tuple[Array, ...], role: str = "likelihood"
) -> Float[Array, " n_r"]:
    """(predicted - measured) / sd of one role, waveforms weighted, in their order."""
    parts = [
        jnp.ravel((value - o.values) / o.total_sd * o.weight)
        for o, value in zip(observations, values, strict=True)
        if o.role == role
    ]
    return jnp.concatenate(parts) if parts else jnp.zeros(0)


class Problem(eqx.Module):
    """What a fit is about: a model, what is free in it, and what was measured."""

    model: Any
    space: Space
    observations: Observations
    experiment: AbstractExperiment

    def start(self) -> Float[Array, " n_y"]:
        """Where the experiment's search begins for the model as it is."""
        return self.experiment.start(self.model)

    def model_at(self, z: Float[Array, " n_z"]) -> tuple[Any, Any, dict[str, Array]]:
        """Model, experiment and nuisances at z."""
        values = self.space.physical(z)
        model = self.space.put(self.model, values)
        experiment = self.space.put(self.experiment, values, owner="experiment")
        return model, experiment, self.space.nuisances(values)

    def predict(
        self, z: Float[Array, " n_z"], start: Float[Array, " n_y"]
    ) -> Prediction:
        """The prediction at z; ``start`` is where its search begins."""
        model, experiment, nuisances = self.model_at(z)
        return experiment.predict(model, self.observations, nuisances, start)

    def residuals(self, prediction: Prediction) -> Float[Array, " n_r"]:
        """The likelihood's residuals of a prediction, in sd."""
        return residuals(self.observations, prediction.values)

    def log_likelihood(self, prediction: Prediction) -> Float[Array, ""]:
        """-|residuals|^2 / 2; -inf where the prediction is not sound."""
        misfit = self.residuals(prediction)
        value = -0.5 * jnp.sum(misfit**2)
        return jnp.where(prediction.ok & jnp.isfinite(value), value, -jnp.inf)

    def check(self) -> None:
        """Raise where a name of the space, an observation or a nuisance does not
        exist."""
        require_independent(self.observations)
        self.space.check(self.model, self.experiment)
        nuisances = {free.name for free in self.space.free if free.of == "nuisance"}
        wanted = {name: o.label for o in self.observations for name in o.nuisances}
        if set(wanted) - nuisances:
            name = sorted(set(wanted) - nuisances)[0]
            raise ValueError(
                f"{wanted[name]} leaves {name!r} free; the Space has no such nuisance. "
                f'Add Free({name!r}, prior, of="nuisance").'
            )
        if nuisances - set(wanted):
            name = sorted(nuisances - set(wanted))[0]
            raise ValueError(f"None of these observations uses {name!r}.")
        self.experiment.check(self.model, self.observations)


class Linearised(eqx.Module):
    """A prediction with the derivative of residuals and state with respect to z."""

    residuals: Float[Array, " n_r"]
    jacobian: Float[Array, "n_r n_z"]
    state_jacobian: Float[Array, "n_y n_z"]
    prediction: Prediction


def linearise(
    problem: Problem, z: Float[Array, " n_z"], start: Float[Array, " n_y"]
) -> Linearised:
    """Residuals and their Jacobian by forward mode through the prediction."""

    def both(z: Array) -> tuple[tuple[Array, Array], Prediction]:
        prediction = problem.predict(z, start)
        return (problem.residuals(prediction), prediction.state), prediction

    def along(direction: Array) -> Any:
        return jax.jvp(both, (z,), (direction,), has_aux=True)

    # The primal part does not depend on the direction: it is computed once.
    (value, _), (jacobian, state_jacobian), prediction = jax.vmap(
        along, out_axes=((None, None), (-1, -1), None)
    )(jnp.eye(z.size, dtype=z.dtype))
    return Linearised(value, jacobian, state_jacobian, prediction)
