"""A residual learned from a cohort: what every patient has and the model lacks.

Every patient is calibrated to the mechanistic model first; then one network, shared by
all, and everyone's own parameters are trained together, on patients that are not held
out. Of a patient's records the observations at rest are used, of a table of fluid
challenges those after the fluid as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from calibration.observations.independence import Observations
from calibration.observations.numbers import Observation
from calibration.optimise.fit import Fit, fit_many
from calibration.problems.circulation import Experiment
from calibration.problems.problem import Prediction, Problem, residuals
from cordax.cohorts import fluid_challenge as fluid_twin
from cordax.cohorts import fluid_table
from cordax.cohorts.fluid_challenge import BOLUS
from cordax.cohorts.table import LeftOut
from cordax.progress import Progress
from cordax.records import examine
from cordax.records.record import Record, RecordError
from cordax.twins import prepare as build
from learned.blocks.ranges import Range
from learned.storage import file as learned_file
from learned.storage.hybrid import Learned
from learned.terms.residual import NeuralResidual, look_up, neural_residual
from learned.training.loop import Stage, Trained, TrainingFigures, train
from learned.training.penalties import orthogonality
from learned.training.split import FEWEST
from physio.compose import augment
from physio.hemodynamics.exchange import exchange
from physio.periodic import periodic_beat, settle

#: What the residual is asked with, and the flows it adds.
INPUTS = {"pressure.systemic_veins": "mmHg", "pressure.systemic_arteries": "mmHg"}
PATHS = (("systemic_veins", "right_atrium"), ("systemic_arteries", "systemic_veins"))
MOST = 10.0  # mL/s that it may add; a resting output is about 80
HIDDEN = (8, 8)
STEPS = 150  # of a beat in training
_WIDER = 0.1  # of the range seen at rest, added on both sides
_UNKNOWN = 1e6  # sd that takes a value not measured out of the likelihood
_NORM, _ORTHOGONAL = 0.3, 0.3  # penalties: of the mean square flow, of what z explains


class Response(eqx.Module):
    """What a fluid challenge changed: one entry per patient on the first axis.

    ``change`` of MAP, SV and CVP with ``sd``, that of what was not measured so large
    that it does not count; ``dose`` is what each was given.
    """

    change: Array
    sd: Array
    dose: fluid_twin.FluidDose


@dataclass(frozen=True)
class Cohort:
    """Patients of one kind: fits of the mechanistic model, and what they are asked.

    ``response`` where a fluid challenge was measured too.
    """

    ids: tuple[str, ...]
    fits: list[Fit]
    response: Response | None = None
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def problems(self) -> list[Problem]:
        """One for each patient, all of one structure."""
        return [found.problem for found in self.fits]


def read(path: Path, *, seed: int, progress: Progress) -> Cohort:
    """The cohort of a folder of records or a table of fluid challenges (CSV).

    Each patient is calibrated to the mechanistic model. Raises ``FileNotFoundError``
    where there is none, ``ValueError`` for records of more than one kind or fewer
    patients than can be split, and naming file and line for what is wrong in one.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}.")
    if path.is_file():
        return _challenged(path, progress)
    files = sorted(path.glob("*.toml"))
    if not files:
        raise ValueError(
            f"{path} holds no patient record (*.toml). Make one: cordax record new "
            f"{path}/anna.toml"
        )
    records, left_out = _records(files)
    ids = tuple(r.id for r in records)
    twice = {name for name in ids if ids.count(name) > 1}
    if twice:
        raise ValueError(
            f"{path}: two records have the id {min(twice)!r}; a patient must not be "
            "both learned from and held out. Give each record its own id."
        )
    _require_enough(path, len(records), left_out)
    return Cohort(ids, _fitted(records, seed, progress), None, left_out)


def _records(files: list[Path]) -> tuple[list[Record], LeftOut]:
    """The records that can be used; the others are left out with what is wrong."""
    records, left_out = [], LeftOut(len(files), "records")
    for file in files:
        try:
            records.append(examine.read(file))
        except RecordError as error:
            left_out.add(error.problems[0].message, file.name)
    return records, left_out


def _require_enough(path: Path, patients: int, left_out: LeftOut) -> None:
    if patients < FEWEST:
        raise ValueError(
            " ".join(
                [
                    f"{path} holds {patients} patients: {FEWEST} or more are wanted, "
                    "to learn from some and be judged on others.",
                    *left_out.words(),
                ]
            )
        )


def _challenged(path: Path, progress: Progress) -> Cohort:
    """A table of fluid challenges, as ``cordax bench fluid-response`` reads it."""
    if path.suffix.lower() != ".csv":
        raise ValueError(
            f"{path} is neither a folder of patient records (*.toml) nor a table of "
            "fluid challenges (*.csv). A record is made by: cordax record new anna.toml"
        )
    patients, left_out = fluid_table.cohort(path)
    _require_enough(path, len(patients), left_out)
    priors = fluid_twin.frozen_priors()
    fits = fluid_twin.calibrate(patients, priors, progress)
    change, sd = [], []
    for p in patients:
        pairs = [(p.after[n], p.before[n]) for n in fluid_table.PREDICTED.values()]
        known = [a is not None and b is not None for a, b in pairs]
        change.append([0.0 if a is None or b is None else a - b for a, b in pairs])
        errors = [priors["discrepancy_sd"][name] for name in fluid_twin.VITAL]
        sd.append([e if k else _UNKNOWN for e, k in zip(errors, known, strict=True)])
    dose = fluid_twin.usual_dose(BOLUS, priors)
    n = len(patients)
    doses = jax.tree.map(lambda x: jnp.broadcast_to(x, (n,)), dose)
    response = Response(jnp.asarray(change), jnp.asarray(sd), doses)
    return Cohort(tuple(p.id for p in patients), fits, response, left_out)


def _fitted(records: list[Record], seed: int, progress: Progress) -> list[Fit]:
    starts = [build.start(r) for r in records]
    kinds = {jax.tree.structure((s.model, s.space)) for s in starts}
    if len(kinds) > 1:
        states = ", ".join(sorted({s.state for s in starts}))
        raise ValueError(
            f"These patients are not of one kind ({states}, or other waveforms): one "
            "residual is learned for one structure of the circulation. Make a folder "
            "for each."
        )
    asked = _same_kinds([s.observations for s in starts])
    return fit_many(
        [s.model for s in starts],
        [s.space for s in starts],
        asked,
        [eqx.tree_at(lambda e: e.transfers, _experiment(s), s.experiment.transfers)
         for s in starts],
        starts=2,
        key=jax.random.key(seed),
        progress=lambda n, _: progress("physics", min(1.0, n / 15)),
    )  # fmt: skip


def _experiment(start: build.Start) -> Experiment:
    return Experiment(start.experiment.features, steps_per_beat=STEPS)


def _same_kinds(each: list[Observations]) -> list[Observations]:
    """The same list of numbers for all; what one lacks does not count in him.

    Whole waveforms are left out: their clocks are each recording's own.
    """
    typical: dict[tuple[str, str], Observation] = {}
    for observations in each:
        for o in observations:
            if isinstance(o, Observation) and o.role == "likelihood":
                typical.setdefault((o.kind, o.site), o)
    found = []
    for observations in each:
        own = {(o.kind, o.site): o for o in observations if isinstance(o, Observation)}
        row = []
        for key, usual in typical.items():
            source, sd = own.get(key, usual), _UNKNOWN
            if key in own and source.role == "likelihood":
                sd = float(source.sd)
            row.append(
                Observation(
                    key[0], float(source.value), sd, source.unit, key[1],
                    discrepancy_sd=float(source.discrepancy_sd),
                )
            )  # fmt: skip
        found.append(tuple(row))
    return found


def stages(steps: int = 150) -> tuple[Stage, ...]:
    """The residual and everyone's own parameters, from where the physics was fitted."""
    return (Stage(steps, 1e-2, "both"),)


class _Patient(eqx.Module):
    """What the loss needs of one patient: model, data, and the fit's linearisation."""

    problem: Any
    start: Array
    z: Array
    values: Array
    jacobian: Array
    response: Response | None


def _patients(cohort: Cohort) -> tuple[Any, Any]:
    """All patients stacked, and what they share (names, structure)."""
    rows, static = [], None
    for found in cohort.fits:
        arrays, static = eqx.partition(found.problem, eqx.is_array)
        values = [found.predictions[o.label] for o in found.problem.observations]
        flat = residuals(found.problem.observations, tuple(values))
        rows.append(
            _Patient(
                arrays, found.state, found.z, flat, jnp.asarray(found.jacobian), None
            )
        )
    stacked = jax.tree.map(lambda *x: jnp.stack([jnp.asarray(v) for v in x]), *rows)
    stacked = eqx.tree_at(
        lambda p: p.response, stacked, cohort.response, is_leaf=lambda x: x is None
    )
    return stacked, static


def _range(cohort: Cohort) -> Range:
    """The quantities that the cohort's beats visit, a little wider."""
    seen = []
    for found in cohort.fits:
        beat = periodic_beat(
            settle(found.model, steps_per_beat=STEPS), steps_per_beat=STEPS
        )
        ask = jax.vmap(
            lambda t, y, m=found.model: jnp.stack(
                [look_up(name, m, t, y, None) for name in INPUTS]
            )
        )
        seen.append(np.asarray(ask(beat.t, beat.y)))
    samples = np.concatenate(seen)
    box = Range.of(tuple(INPUTS), tuple(INPUTS.values()), samples)
    wider = _WIDER * np.asarray(box.width)
    return Range(box.names, box.units, box.lower - wider, box.upper + wider)


def _loss(static: Any, into: Any) -> Callable[..., Array]:
    """One patient's misfit, prior and what the residual takes from the physics."""

    def loss(residual: NeuralResidual, z: Array, patient: Any, horizon: int) -> Array:
        problem = eqx.combine(patient.problem, static)
        model, experiment, nuisances = problem.model_at(z)
        hybrid = augment(model, residual, into)
        seen = experiment.predict(
            hybrid, problem.observations, nuisances, patient.start
        )
        misfit = problem.residuals(seen)
        # what the residual changes in the predictions, to first order in z
        effect = misfit - patient.values - patient.jacobian @ (z - patient.z)
        taken = orthogonality(effect, patient.jacobian, ridge=1.0)
        # by its size: a share of nothing costs nothing
        cost = _ORTHOGONAL * taken * jnp.sum(effect**2)
        fluid = _fluid_misfit(hybrid, experiment, seen, patient.response)
        return 0.5 * jnp.sum(misfit**2) + 0.5 * jnp.sum(z**2) + cost + fluid

    return loss


def _fluid_misfit(
    hybrid: Any, experiment: Experiment, seen: Prediction, told: Response | None
) -> Array:
    """Half the square of what a fluid challenge changed and the hybrid did not say."""
    if told is None:
        return jnp.zeros(())
    rest = ravel_pytree(hybrid.initial_state())[1](seen.state)
    after, _ = fluid_twin.after_fluid(hybrid, experiment, rest, told.dose)
    names = fluid_twin.VITAL.values()
    change = jnp.stack([after[k] - seen.features[k] for k in names])
    return 0.5 * jnp.sum(((change - told.change) / told.sd) ** 2)


def _norm(residual: NeuralResidual, own: Array, data: Any) -> Array:
    """The mean square of the residual over its range, in units of what it may add."""
    box = residual.range
    sides = [jnp.linspace(box.lower[k], box.upper[k], 8) for k in range(len(INPUTS))]
    grid = jnp.stack([s.ravel() for s in jnp.meshgrid(*sides)], axis=-1)
    flows = jax.vmap(residual.at)(grid) / residual.network.scale[None]
    return _NORM * jnp.mean(flows**2)


def learn(
    cohort: Cohort,
    *,
    seed: int,
    most: float = MOST,
    stages: tuple[Stage, ...] = stages(),
    checkpoint: Path | None = None,
    told: Callable[[TrainingFigures], None] | None = None,
) -> tuple[Learned, Trained]:
    """Train the residual of a cohort; what is stored, and the training's curves.

    ``most`` bounds each flow it may add (mL/s). Raises ``ValueError`` as
    :func:`learned.training.loop.train`; on Ctrl-C the checkpoint is kept.
    """
    key = jax.random.key(seed)
    base: Any = cohort.problems[0].model
    into = exchange(base, *PATHS)
    outputs = {f"{a} to {b}": ("mL/s", most) for a, b in PATHS}
    initial = neural_residual(_range(cohort), outputs, key=key, hidden=HIDDEN)
    data, static = _patients(cohort)
    found = train(
        initial,
        np.asarray(data.z),
        data,
        _loss(static, into),
        ids=cohort.ids,
        stages=stages,
        key=key,
        trained=lambda r: (r.network.weights, r.network.biases),
        penalty=_norm,
        projected=_smooth,
        patience=12,
        checkpoint=checkpoint,
        progress=told,
    )
    values = [np.asarray(x) for x in jax.tree.leaves(data.values)]
    return (
        Learned(
            found.shared,
            into,
            type(base).__name__,
            {**found.figures, **_gain(found)},
            learned_file.digest(*values),
        ),
        found,
    )


def _smooth(residual: NeuralResidual) -> NeuralResidual:
    """Every layer's spectral norm is at most 2: the flows cannot jump."""
    net = residual.network.projected(2.0)
    return eqx.tree_at(lambda r: r.network, residual, net)


def _gain(found: Trained) -> dict[str, float]:
    """The held-out loss before and after: what was gained on patients not seen."""
    held = found.curve[np.isfinite(found.curve[:, 1]), 1]
    if not held.size:
        return {}
    return {
        "held_out_loss_before": float(held[0]),
        "held_out_gain": float(held[0] - held.min()),
    }
