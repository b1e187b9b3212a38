"""From a model to its misfit with the observations, in standard deviations.

An :class:`Experiment` says under which conditions the patient was measured. The
model is brought to its periodic beat, the features of that beat are read off, and
every observation is predicted, through a transfer element where its site asks for
one. Residuals are (predicted - measured) / sd with the sd of the measurement and of
the model in quadrature.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PyTree

from calibration.observations import ARTERIAL, Observation, Observations, Waveform
from calibration.space import Space
from calibration.transfer import Transfer, arterial, at_phase, harmonics, published
from physio.hemodynamics.indices import aortic_site, summarize
from physio.simulate import periodic_beat, settle
from physio.system import AbstractRegulated, Periodic, State, Trajectory


class Indices(eqx.Module):
    """The clinic's indices of a beat, with those per m^2 where the body is known."""

    body_surface_area: Array | None = None

    def __init__(self, body_surface_area: ArrayLike | None = None):
        given = body_surface_area is not None
        self.body_surface_area = (
            jnp.asarray(body_surface_area, float) if given else None
        )

    def __call__(self, beat: Trajectory, circulation: Any) -> dict[str, Array]:
        area = self.body_surface_area
        values = summarize(beat, circulation, body_surface_area=area)
        if area is not None:
            values["stroke_volume_index"] = values["stroke_volume"] / area
        return values


class Experiment(eqx.Module):
    """The conditions of the measurement, and how a beat is read.

    ``features(beat, circulation)`` gives a dict of scalars by kind of observation;
    ``transfers`` the transfer element of each site away from the aorta. Steps per
    beat and tolerance are those of ``physio.settle``.
    """

    features: Callable[..., dict[str, Array]] = eqx.field(default_factory=Indices)
    inputs: PyTree = None
    transfers: dict[str, Transfer] = eqx.field(default_factory=published)
    steps_per_beat: int = eqx.field(static=True, default=400)
    tol: float = eqx.field(static=True, default=1e-8)
    max_iterations: int = eqx.field(static=True, default=12)

    def beat(
        self, model: AbstractRegulated, y0: State | None = None
    ) -> tuple[Periodic, Trajectory]:
        """The periodic state and its beat."""
        periodic = settle(
            model, self.inputs, y0=y0, tol=self.tol,
            max_iterations=self.max_iterations, steps_per_beat=self.steps_per_beat,
        )  # fmt: skip
        beat = periodic_beat(periodic, self.inputs, steps_per_beat=self.steps_per_beat)
        return periodic, beat


class Prediction(eqx.Module):
    """What a model predicts: one array per observation, all features of its beat, the
    periodic state as a flat vector, and whether all of it is sound."""

    values: tuple[Array, ...]
    features: dict[str, Array]
    state: Float[Array, " n_y"]
    ok: Array


def _aorta(beat: Trajectory) -> Array:
    pressure = beat.observed.pressure
    return pressure[aortic_site(pressure)]


def _named(value: Array | str, nuisances: dict[str, Array]) -> Array:
    return nuisances[value] if isinstance(value, str) else value


def _wave(
    o: Waveform, beat: Trajectory, experiment: Experiment, nuisances: dict[str, Array]
) -> Array:
    quantity, element = o.kind.split(".", 1)
    away = o.site not in ("", "aortic")
    samples = _aorta(beat) if o.site else getattr(beat.observed, quantity)[element]
    transfer = experiment.transfers[o.site] if away else None
    series = harmonics(beat.t, samples, transfer)
    shift = _named(o.shift, nuisances) / (beat.t[-1] - beat.t[0])
    return at_phase(series, o.t / o.period - shift) + _named(o.offset, nuisances)


def predict(
    model: AbstractRegulated,
    observations: Observations,
    experiment: Experiment,
    *,
    nuisances: dict[str, Array] | None = None,
    y0: State | None = None,
) -> Prediction:
    """Every observation as the model has it. Differentiable, jit- and vmap-able.

    ``nuisances`` are the values of the names that waveforms leave free.
    """
    periodic, beat = experiment.beat(model, y0)
    features = experiment.features(beat, periodic.system)
    at_site = {
        site: arterial(beat.t, _aorta(beat), experiment.transfers[site])
        for site in {o.site for o in observations if isinstance(o, Observation)}
        if site not in ("", "aortic")
    }
    values = []
    for o in observations:
        if isinstance(o, Waveform):
            values.append(_wave(o, beat, experiment, nuisances or {}))
        else:
            values.append(o.observed(at_site.get(o.site, features)[o.kind]))
    state = ravel_pytree(periodic.state)[0]
    ok = periodic.ok & beat.ok
    return Prediction(tuple(values), features, state, ok)


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

    model: AbstractRegulated
    space: Space
    observations: Observations
    experiment: Experiment

    def start(self) -> Float[Array, " n_y"]:
        """The model's initial state as a flat vector."""
        return ravel_pytree(self.model.initial_state())[0]

    def pushed(
        self, z: Float[Array, " n_z"]
    ) -> tuple[AbstractRegulated, Experiment, dict[str, Array]]:
        """Model, experiment and nuisances at z."""
        values = self.space.physical(z)
        model = self.space.put(self.model, values)
        experiment = self.space.put(self.experiment, values, owner="experiment")
        return model, experiment, self.space.nuisances(values)

    def predict(
        self, z: Float[Array, " n_z"], start: Float[Array, " n_y"]
    ) -> Prediction:
        """The prediction at z; ``start`` is where the search for the beat begins."""
        model, experiment, nuisances = self.pushed(z)
        y0 = ravel_pytree(self.model.initial_state())[1](start)
        return predict(model, self.observations, experiment, nuisances=nuisances, y0=y0)

    def residuals(self, prediction: Prediction) -> Float[Array, " n_r"]:
        """The likelihood's residuals of a prediction, in sd."""
        return residuals(self.observations, prediction.values)

    def log_likelihood(self, prediction: Prediction) -> Float[Array, ""]:
        """-|residuals|^2 / 2; -inf where the prediction is not sound."""
        misfit = self.residuals(prediction)
        value = -0.5 * jnp.sum(misfit**2)
        return jnp.where(prediction.ok & jnp.isfinite(value), value, -jnp.inf)

    def check(self) -> None:
        """Raise where a name of the space, a feature or a nuisance does not exist."""
        from calibration.observations import require_independent

        require_independent(self.observations)
        self.space.check(self.model, self.experiment)
        nuisances = {free.name for free in self.space.free if free.of == "nuisance"}
        wanted = {
            name
            for o in self.observations
            if isinstance(o, Waveform)
            for name in (o.shift, o.offset)
            if isinstance(name, str)
        }
        if wanted - nuisances:
            name = sorted(wanted - nuisances)[0]
            raise ValueError(
                f"A waveform leaves {name!r} free; the Space has no such nuisance. "
                f'Add Free({name!r}, prior, of="nuisance").'
            )
        if nuisances - wanted:
            name = sorted(nuisances - wanted)[0]
            raise ValueError(f"No waveform of these observations uses {name!r}.")
        self._check_kinds()

    def _check_kinds(self) -> None:
        periodic, beat = eqx.filter_eval_shape(self.experiment.beat, self.model)
        seen = beat.observed
        features = eqx.filter_eval_shape(
            self.experiment.features, beat, periodic.system
        )
        for o in self.observations:
            if o.site not in ("", "aortic", *self.experiment.transfers):
                raise ValueError(f"The experiment has no transfer to {o.site!r}.")
            if isinstance(o, Waveform):
                quantity, element = o.kind.split(".", 1)
                known = getattr(seen, quantity)
                name, where = element, f"{quantity} of this model"
            else:
                name, known, where = o.kind, features, "features of this experiment"
            if name not in known and not (o.site and name in ARTERIAL):
                raise ValueError(
                    f"{name!r} is not among the {where}: {', '.join(sorted(known))}."
                )


class Linearised(eqx.Module):
    """A prediction with the derivative of residuals and state with respect to z."""

    residuals: Float[Array, " n_r"]
    jacobian: Float[Array, "n_r n_z"]
    state_jacobian: Float[Array, "n_y n_z"]
    prediction: Prediction


def linearise(
    problem: Problem, z: Float[Array, " n_z"], start: Float[Array, " n_y"]
) -> Linearised:
    """Residuals and their Jacobian by forward mode through the periodic state."""

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
