"""The circulation's experiment: a periodic beat, and what is measured of it.

An :class:`Experiment` says under which conditions the patient was measured. The
model is brought to its periodic beat, the features of that beat are read off, and
every observation is predicted, through a transfer element where its site asks for
one. Residuals are (predicted - measured) / sd with the sd of the measurement and of
the model in quadrature.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PyTree

from calibration.observations.independence import Observations
from calibration.observations.kinds import arterial as is_arterial
from calibration.observations.kinds import index_of
from calibration.observations.numbers import Observation
from calibration.observations.transfer import (
    Transfer,
    arterial,
    at_phase,
    harmonics,
    published,
)
from calibration.observations.waveforms import Waveform
from calibration.problems.problem import AbstractExperiment, Prediction
from physio.hemodynamics.indices.beat import aortic_site, summarize
from physio.periodic import periodic_beat, settle
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
        return summarize(beat, circulation, body_surface_area=area)


class Experiment(AbstractExperiment):
    """A periodic beat: the conditions of the measurement, and how the beat is read.

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
    answer: ClassVar[str] = "periodic beat"
    remedies: ClassVar[tuple[str, str]] = (
        "Give it more steps: Experiment(max_iterations=24)",
        "Try shorter ones first: Experiment(steps_per_beat=800)",
    )

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

    def start(self, model: AbstractRegulated) -> Float[Array, " n_y"]:
        """The model's initial state as a flat vector."""
        return ravel_pytree(model.initial_state())[0]

    def predict(
        self,
        model: AbstractRegulated,
        observations: Observations,
        nuisances: dict[str, Array] | None = None,
        y0: Float[Array, " n_y"] | None = None,
    ) -> Prediction:
        """Every observation of the periodic beat, and every feature of it.

        ``y0`` is a flat state from which the beat is searched.
        """
        state = None if y0 is None else ravel_pytree(model.initial_state())[1](y0)
        periodic, beat = self.beat(model, state)
        features = self.features(beat, periodic.system)
        at_site = {
            site: arterial(beat.t, _aorta(beat), self.transfers[site])
            for site in {o.site for o in observations if isinstance(o, Observation)}
            if site not in ("", "aortic")
        }
        values = []
        for o in observations:
            if isinstance(o, Waveform):
                values.append(_wave(o, beat, self, nuisances or {}))
            elif isinstance(o, Observation):
                here = at_site.get(o.site)
                seen = features[index_of(o.kind)] if here is None else here[o.kind]
                values.append(o.observed(seen))
        found = ravel_pytree(periodic.state)[0]
        return Prediction(tuple(values), features, found, periodic.ok & beat.ok)

    def check(self, model: AbstractRegulated, observations: Observations) -> None:
        """Raise where a site, a kind or a waveform is not this beat's."""
        for o in observations:
            if not isinstance(o, Observation | Waveform):
                raise ValueError(f"{o.label} is not measured of a periodic beat.")
        periodic, beat = eqx.filter_eval_shape(self.beat, model)
        features = eqx.filter_eval_shape(self.features, beat, periodic.system)
        for o in observations:
            if o.site not in ("", "aortic", *self.transfers):
                raise ValueError(f"The experiment has no transfer to {o.site!r}.")
            if isinstance(o, Waveform):
                quantity, element = o.kind.split(".", 1)
                known = getattr(beat.observed, quantity)
                name, where = element, f"{quantity} of this model"
            else:
                name, known = index_of(o.kind), features
                where = "features of this experiment"
            if name not in known and not (o.site and is_arterial(o.kind)):
                raise ValueError(
                    f"{name!r} is not among the {where}: {', '.join(sorted(known))}."
                )


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
