"""A twin: a circulation, what is free in it, and posterior draws for one patient.

``calibrate(record)`` makes one, ``whatif`` asks it, ``save`` and ``load`` keep it. A
what-if runs every draw twice, before and after, with the reflex at rest in the
patient's own state: the gain of the reflex is a draw from its prior, because nothing
measured at rest tells it.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from calibration.fit import Fit, fit, fit_many
from calibration.lanes import features_many, predict_many
from calibration.misfit import Problem
from calibration.posterior import Posterior, sample_fit
from cordax import build, store
from cordax.hybrid import flag, hybrid_part, input_rows, moved_in_words
from cordax.record import Record, from_payload
from cordax.seen import LEARNED, SENSED, WAVE, difference
from learned import storage
from learned.residual import silenced
from learned.storage import Learned
from physio.files import note_file
from physio.hemodynamics.baroreflex import LOOP_GAIN_AT_UNIT_GAIN, Baroreflex
from physio.hemodynamics.indices import UNITS
from physio.parameters import parameters, replace

DRAWS = 255  # with the most probable one, whole chunks of lanes
STARTS = 6
_ASKED = "whatifs"  # folder of the what-ifs asked, inside the twin's
_RESIDUAL = "residual.h5"  # the learned part, inside the twin's folder
ESS = 1000.0  # effective draws of the posterior, from which DRAWS are resampled
Progress = Callable[[str, float], None]


def _silent(phase: str, share: float) -> None:
    """No progress wanted."""


@dataclass(frozen=True)
class Draw:
    """What is kept of the beats of draws: indices, predictions of the observations,
    waves by phase, how far a residual was asked, the mean pressure that the reflex
    senses; draws come first."""

    features: dict[str, np.ndarray]
    values: tuple[np.ndarray, ...]
    waves: dict[str, np.ndarray]
    learned: dict[str, np.ndarray]
    sensed: np.ndarray
    ok: np.ndarray


def _draws(features: dict[str, Any], values: tuple[Any, ...], ok: Any) -> Draw:
    waves = {k.removeprefix(WAVE): v for k, v in features.items() if k.startswith(WAVE)}
    scalars = {k: v for k, v in features.items() if k in UNITS}
    learned = {k: v for k, v in features.items() if k.startswith(LEARNED)}
    return Draw(scalars, values, waves, learned, features[SENSED], ok)


@eqx.filter_jit
def _awake(problem: Problem, z: Array, gain: Array, sensed: Array) -> tuple[Any, Any]:
    """Models and experiments of draws, stacked, with the reflex at rest in each."""

    def one(z: Array, gain: Array, sensed: Array) -> tuple[Any, Any]:
        model, experiment, _ = problem.pushed(z)
        return replace(model, "reflex", Baroreflex(gain, sensed)), experiment

    return eqx.filter_vmap(one)(z, gain, sensed)


@eqx.filter_jit
def _treated(models: Any, treatment: Any) -> tuple[Any, Array]:
    """Stacked models after a treatment, and where to begin to search for their beat:
    little to compile for each kind of treatment."""

    def one(model: Any) -> tuple[Any, Array]:
        after = treatment(model)
        return after, ravel_pytree(after.initial_state())[0]

    return eqx.filter_vmap(one)(models)


def _spread(values: Any) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return float(middle), float(low), float(high)


@dataclass(frozen=True)
class Twin:
    """One patient's circulation with its uncertainty.

    ``z`` is the most probable vector of free parameters, ``draws`` (n_draw, n_z) and
    ``gains`` (n_draw,) equally weighted samples of them and of the reflex's gain.
    ``residual`` is the learned part where there is one, ``plain_z`` the most probable
    vector without it.
    """

    record: Record
    start: build.Start
    z: Float[np.ndarray, " n_z"]
    draws: Float[np.ndarray, "n_draw n_z"]
    gains: Float[np.ndarray, " n_draw"]
    sd_ratio: Float[np.ndarray, " n_z"]
    verdict: tuple[str, ...]
    diagnostics: dict[str, Any]
    seed: int
    asked: list[dict[str, Any]] = field(default_factory=list)
    residual: Learned | None = None
    plain_z: Float[np.ndarray, " n_z"] | None = None

    @property
    def problem(self) -> Problem:
        """Model, space, observations and experiment of the calibration."""
        s = self.start
        return Problem(s.model, s.space, s.observations, s.experiment)

    @property
    def model(self) -> Any:
        """The most probable circulation."""
        return self.problem.pushed(jnp.asarray(self.z))[0]

    @cached_property
    def rest(self) -> Draw:
        """The beats at rest: the most probable first, then one per draw."""
        return self._beats(self.problem)

    @cached_property
    def mechanistic_rest(self) -> Draw:
        """The beats of the same draws without the learned part."""
        if self.residual is None:
            return self.rest
        s = self.start
        return self._beats(
            Problem(silenced(s.model), s.space, s.observations, s.experiment)
        )

    def _beats(self, problem: Problem) -> Draw:
        z = np.concatenate([self.z[None], self.draws])
        start = np.tile(np.asarray(problem.start()), (len(z), 1))
        _, seen = predict_many(problem, z, start)
        return _draws(seen.features, seen.values, seen.ok)

    @property
    def reflex(self) -> str:
        """On or blunted, with the loop gain and its 90 % interval."""
        middle, low, high = (g * LOOP_GAIN_AT_UNIT_GAIN for g in _spread(self.gains))
        return f"{self.start.reflex}, loop gain {middle:.1f} ({low:.1f} to {high:.1f})"

    def _after(self, interventions: Sequence[Any]) -> Draw:
        from physio.interventions import then

        z = np.concatenate([self.z[None], self.draws])
        gains = np.concatenate([[np.median(self.gains)], self.gains])
        arrays = (jnp.asarray(x) for x in (z, gains, self.rest.sensed))
        models, experiments = _awake(self.problem, *arrays)
        after, start = _treated(models, then(*interventions))
        features, _, ok = features_many(after, experiments, start)
        return _draws(features, (), ok)

    def whatif(self, treatments: Sequence[str]) -> dict[str, Any]:
        """Every index before and after treatments given together, and its change.

        ``treatments`` as typed, ``"fluid_bolus=500mL"``. Each entry of ``rows`` has
        median and 90 % interval; the change is taken draw by draw. Raises
        ``ValueError`` where more than a tenth of the draws find no periodic beat.
        """
        from cordax.names import TREATMENTS
        from cordax.scenario import parse

        parsed = [parse(text) for text in treatments]
        after = self._after(
            [TREATMENTS[t.name].make(jnp.asarray(t.dose, float)) for t in parsed]
        )
        good = np.asarray(self.rest.ok & after.ok)
        lost = int((~good).sum())
        if lost > 0.1 * good.size:
            raise ValueError(
                f"{lost} of {good.size} draws find no periodic beat after "
                f"{', '.join(map(str, parsed))}: the dose is beyond what this heart "
                "bears in the model. Try a smaller one."
            )
        rows = []
        for name in UNITS:
            if name not in after.features or name not in self.rest.features:
                continue
            pair = [d.features[name][1:][good[1:]] for d in (self.rest, after)]
            if not np.isfinite(pair).all() or not np.any(pair):
                continue  # a valve that does not leak has no regurgitation to show
            rows.append(
                {
                    "index": name,
                    "unit": UNITS[name],
                    "before": _spread(pair[0]),
                    "after": _spread(pair[1]),
                    "change": _spread(difference(pair[1], pair[0])),
                }
            )
        found: dict[str, Any] = {
            "rows": rows,
            "reflex": self.reflex,
            "draws": int(good[1:].sum()),
            "draws_lost": lost,
        }
        title = " and ".join(map(str, parsed))
        kept = {"title": title, **found, "waves": after.waves, "good": good}
        if self.residual is not None:
            kept["learned"] = after.learned
            inputs = input_rows(self.residual, after.learned, good)
            found["learned"] = [asdict(row) for row in inputs]
            found["flag"] = flag(inputs)
        titles = [a["title"] for a in self.asked]
        place = titles.index(title) if title in titles else len(titles)
        self.asked[place : place + 1] = [kept]
        return found

    def summary(self) -> dict[str, Any]:
        """Measurements beside predictions, parameters, the verdict: plain values."""
        from cordax.reporting import observation_rows, parameter_rows

        return {
            "patient": self.record.id,
            "seed": self.seed,
            "observations": [asdict(row) for row in observation_rows(self)],
            "parameters": [asdict(row) for row in parameter_rows(self)],
            "verdict": list(self.verdict),
            "diagnostics": self.diagnostics,
            "reflex": self.reflex,
            **self._learned_summary(),
        }

    def _learned_summary(self) -> dict[str, Any]:
        part = hybrid_part(self)
        if part is None:
            return {}
        told = [flag(part.inputs), moved_in_words(part.moved)]
        return {"learned": asdict(part) | {"said": [line for line in told if line]}}

    def report_data(self) -> Any:
        """What the report shows, what-ifs asked so far included."""
        from cordax.reporting import report_data

        return report_data(self)

    def save(self, folder: str | Path, force: bool = False) -> None:
        """Write the twin folder, whole or not at all.

        Raises ``FileExistsError`` where it exists and ``force`` is not set.
        """
        from cordax.reporting import versions

        space = self.start.space
        physical = jax.vmap(space.physical)(jnp.asarray(self.draws))
        payload = {
            "model": {
                "builder": self.start.state,
                "arguments": {"body_surface_area_m2": self.start.body_surface_area},
                "interventions": [],
                "leaves": {
                    name: float(p.value) for name, p in parameters(self.model).items()
                },
            },
            "record": self.record.payload(),
            "draws": {k: np.asarray(v) for k, v in physical.items()}
            | {"reflex.gain": self.gains},
            "z": {
                "most_probable": self.z,
                "draws": self.draws,
                "sd_ratio": self.sd_ratio,
            },
            "verdict": list(self.verdict),
            "diagnostics": self.diagnostics,
            "seed": self.seed,
            "versions": versions(),
            "residual": None if self.residual is None else _mark(self.residual),
        }
        if self.plain_z is not None:
            payload["z"]["without_residual"] = self.plain_z
        store.save(folder, payload, force=force, more=self._keep_residual)
        self.keep(folder)

    def _keep_residual(self, folder: Path) -> None:
        if self.residual is not None:
            storage.save(folder / _RESIDUAL, self.residual)

    def keep(self, folder: str | Path) -> None:
        """Add the what-ifs asked to the twin's folder, for its report."""
        for k, asked in enumerate(self.asked):
            name = f"{_ASKED}/{k + 1:03d}.h5"
            store.save_part(Path(folder) / name, asked)
            note_file(folder, name)

    @classmethod
    def load(cls, folder: str | Path, model: Any = None) -> "Twin":
        """Read a twin folder.

        The circulation is built again from the record and checked leaf by leaf
        against the stored one, so that a changed default cannot pass unseen.
        """
        payload = store.load(folder)
        record = from_payload(payload["record"])
        residual = _residual(Path(folder), payload.get("residual"))
        start = build.start(record, model=model, residual=residual)
        z = {k: np.asarray(v, float) for k, v in payload["z"].items()}
        twin = cls(
            record, start, z["most_probable"], z["draws"],
            np.asarray(payload["draws"]["reflex.gain"]), z["sd_ratio"],
            tuple(payload["verdict"]), payload["diagnostics"], payload["seed"],
            residual=residual, plain_z=z.get("without_residual"),
        )  # fmt: skip
        _same_leaves(twin.model, payload["model"]["leaves"], Path(folder))
        kept = sorted((Path(folder) / _ASKED).glob("*.h5"))
        twin.asked.extend(store.load_part(path) for path in kept)
        return twin


def _mark(residual: Learned) -> str:
    """What tells one learned part from another."""
    arrays = eqx.filter(residual.part, eqx.is_array)
    return storage.digest(*jax.tree.leaves(arrays))


def _residual(folder: Path, mark: str | None) -> Learned | None:
    """The learned part of a twin folder; ``StoreError`` where it is not its own."""
    if mark is None:
        return None
    again = f"Calibrate again: cordax fit PATIENT --residual FILE -o {folder} --force"
    try:
        found = storage.load(folder / _RESIDUAL)
    except (FileNotFoundError, storage.LearnedError) as error:
        raise store.StoreError(f"{error} {again}") from None
    if _mark(found) != mark:
        raise store.StoreError(
            f"{folder / _RESIDUAL} is not what this twin was calibrated with. {again}"
        )
    return found


def _same_leaves(model: Any, stored: dict[str, float], folder: Path) -> None:
    now = {name: float(p.value) for name, p in parameters(model).items()}
    different = [
        name
        for name in {**now, **stored}
        if name not in now
        or name not in stored
        or not np.isclose(now[name], stored[name], rtol=1e-9, atol=1e-12)
    ]
    if different:
        raise store.StoreError(
            f"{folder}: {', '.join(sorted(different)[:4])} differ from what this "
            "cordax builds from the record. Calibrate again: cordax fit PATIENT "
            f"-o {folder} --force"
        )


def load(folder: str | Path, *, model: Any = None) -> Twin:
    """Read a twin folder; ``model`` where it is a circulation of your own."""
    return Twin.load(folder, model)


def _diagnostics(found: Fit, posterior: Posterior) -> dict[str, Any]:
    numbers = {k: float(v) for k, v in posterior.diagnostics.items()}
    return {
        "method": posterior.method,
        "chi2": float(found.chi2[0]),
        "starts": STARTS,
        "starts_converged": int(found.converged.sum()),
        **{k: v for k, v in numbers.items() if np.isfinite(v)},
    }


def _made(
    record: Record, start: build.Start, found: Fit, posterior: Posterior, seed: int,
    plain: Fit | None, residual: Learned | None,
) -> Twin:  # fmt: skip
    key = jax.random.fold_in(jax.random.key(seed), 2)
    normal = jax.random.normal(key, (posterior.z.shape[0],))
    return Twin(
        record=record,
        start=start,
        z=np.asarray(found.z),
        draws=np.asarray(posterior.z),
        gains=np.asarray(jax.vmap(start.reflex_gain.value)(normal)),
        sd_ratio=np.asarray([posterior.shrinkage[n] for n in start.space.names]),
        verdict=(*found.verdict, *posterior.verdict),
        diagnostics=_diagnostics(found, posterior),
        seed=seed,
        residual=residual,
        plain_z=None if plain is None else np.asarray(plain.z),
    )


def fitted(
    records: Sequence[Record],
    *,
    seed: int = 20260101,
    progress: Progress = _silent,
    residual: Learned | None = None,
) -> list[Fit | None]:
    """The fits of several patients, those of one kind as one batch.

    Patients are of one kind where the same was measured in them and the same is free.
    None for one that is alone of its kind: ``calibrate`` fits it by itself.
    """
    starts = [build.start(record, residual=residual) for record in records]
    groups: dict[Any, list[int]] = {}
    for k, s in enumerate(starts):
        kind = jax.tree.structure((s.model, s.space, s.observations, s.experiment))
        groups.setdefault(kind, []).append(k)
    found: list[Fit | None] = [None] * len(records)
    for rows in groups.values():
        if len(rows) > 1:
            some = [starts[k] for k in rows]
            fits = fit_many(
                [s.model for s in some], [s.space for s in some],
                [s.observations for s in some], [s.experiment for s in some],
                starts=STARTS, key=jax.random.fold_in(jax.random.key(seed), 0),
                progress=lambda n, _: progress("fit", min(1.0, n / 15)),
            )  # fmt: skip
            for k, one in zip(rows, fits, strict=True):
                found[k] = one
    return found


def calibrate(
    record: Record,
    *,
    seed: int = 20260101,
    progress: Progress = _silent,
    found: Fit | None = None,
    residual: Learned | None = None,
    surrogate: Learned | None = None,
) -> Twin:
    """A twin of a patient record: fit (or ``found``), posterior draws, diagnostics.

    With a learned ``residual`` the circulation is a hybrid, and the fit is made once
    more without it to tell which parameters moved. A learned ``surrogate`` of this
    patient leads the posterior's chains, every draw decided by the circulation
    itself (delayed acceptance).

    Raises ``ValueError`` where no start reaches a periodic beat. A
    ``KeyboardInterrupt`` while sampling carries the twin that Laplace's
    approximation gives as ``twin``.
    """
    start = build.start(record, residual=residual)
    key = jax.random.key(seed)

    def told(iteration: int, objective: float) -> None:
        progress("fit", min(1.0, iteration / 15))

    if found is None:
        found = fit(
            start.model, start.space, start.observations, start.experiment,
            starts=STARTS, key=jax.random.fold_in(key, 0), progress=told,
        )  # fmt: skip
    if not found.ok:
        raise ValueError(f"{record.id}: {' '.join(found.verdict)}")
    plain = None
    if residual is not None:
        plain = fit(
            silenced(start.model), start.space, start.observations, start.experiment,
            starts=STARTS, key=jax.random.fold_in(key, 0),
        )  # fmt: skip
    how: dict[str, Any] = {}
    if surrogate is not None:
        from cordax.learn_surrogate import log_density

        how = {"method": "delayed", "surrogate": log_density(surrogate, found)}
    try:
        posterior = sample_fit(
            found, key=jax.random.fold_in(key, 1), draws=DRAWS, ess=ESS,
            progress=lambda n, ess: progress("posterior", min(1.0, ess / ESS)), **how,
        )  # fmt: skip
    except KeyboardInterrupt as stop:
        rough = sample_fit(
            found, key=jax.random.fold_in(key, 1), method="laplace", draws=DRAWS
        )
        interrupted: Any = stop
        interrupted.twin = _made(record, start, found, rough, seed, plain, residual)
        raise
    return _made(record, start, found, posterior, seed, plain, residual)
