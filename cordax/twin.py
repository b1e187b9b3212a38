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

from calibration.fit import Fit, fit
from calibration.lanes import in_chunks
from calibration.misfit import Problem
from calibration.posterior import Posterior, sample_fit
from cordax import build, store
from cordax.record import Record, from_payload
from physio.hemodynamics.baroreflex import LOOP_GAIN_AT_UNIT_GAIN, Baroreflex
from physio.hemodynamics.indices import UNITS, beat_mean
from physio.inputs import at_mean
from physio.parameters import parameters
from physio.simulate import march

DRAWS = 255  # with the most probable one, whole chunks of lanes
STARTS = 6
_LANES = 64
_PHASES = 100  # points of a beat that are kept for pictures
_WAVES = ("pressure", "volume")
_SHOWN = ("aortic_root", "left_ventricle", "right_ventricle", "right_atrium")

Progress = Callable[[str, float], None]


def _silent(phase: str, share: float) -> None:
    """No progress wanted."""


class Draw(eqx.Module):
    """What is kept of one draw's beat: indices, predictions, waves by phase, and the
    mean pressure that the reflex senses."""

    features: dict[str, Array]
    values: tuple[Array, ...]
    waves: dict[str, Array]
    sensed: Array
    ok: Array


def _sensed(beat: Any) -> Array:
    return beat_mean(beat.t, beat.observed.pressure["systemic_arteries"])


def _waves(beat: Any) -> dict[str, Array]:
    phase = jnp.linspace(0.0, 1.0, _PHASES + 1)
    at = beat.t[0] + phase * (beat.t[-1] - beat.t[0])
    found = {"time": at}
    for quantity in _WAVES:
        for name in _SHOWN:
            seen = getattr(beat.observed, quantity)[name]
            found[f"{quantity}.{name}"] = jnp.interp(at, beat.t, seen)
    return found


@eqx.filter_jit
def _at_rest(problem: Problem, z: Array) -> Draw:
    """The beats of draws of z, (n_draw, n_z), as they were measured."""

    def one(z: Array) -> Draw:
        model, experiment, _ = problem.pushed(z)
        seen = problem.predict(z, problem.start())
        state = ravel_pytree(model.initial_state())[1](seen.state)
        beat = march(
            model, inputs=at_mean(experiment.inputs), y0=state, beats=1,
            steps_per_beat=experiment.steps_per_beat,
        )  # fmt: skip
        return Draw(seen.features, seen.values, _waves(beat), _sensed(beat), seen.ok)

    return jax.vmap(one)(z)


@eqx.filter_jit
def _treated(
    problem: Problem, treatment: Any, z: Array, gain: Array, sensed: Array
) -> Draw:
    """The beats of draws after a treatment; before it the reflex was at rest."""

    def one(z: Array, gain: Array, sensed: Array) -> Draw:
        model, experiment, _ = problem.pushed(z)
        reflex = Baroreflex(gain, sensed)
        awake = eqx.tree_at(
            lambda m: m.reflex, model, reflex, is_leaf=lambda x: x is None
        )
        periodic, after = experiment.beat(treatment(awake))
        features = experiment.features(after, periodic.system)
        ok = periodic.ok & after.ok
        return Draw(features, (), _waves(after), _sensed(after), ok)

    return jax.vmap(one)(z, gain, sensed)


def _spread(values: Any) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return float(middle), float(low), float(high)


@dataclass(frozen=True)
class Twin:
    """One patient's circulation with its uncertainty.

    ``z`` is the most probable vector of free parameters, ``draws`` (n_draw, n_z) and
    ``gains`` (n_draw,) equally weighted samples of them and of the reflex's gain.
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
        z = np.concatenate([self.z[None], self.draws])
        return in_chunks(lambda z: _at_rest(self.problem, z), _LANES, z)

    @property
    def reflex(self) -> str:
        """On or blunted, with the loop gain and its 90 % interval."""
        middle, low, high = (g * LOOP_GAIN_AT_UNIT_GAIN for g in _spread(self.gains))
        return f"{self.start.reflex}, loop gain {middle:.1f} ({low:.1f} to {high:.1f})"

    def _after(self, interventions: Sequence[Any]) -> Draw:
        from physio.interventions import then

        treatment = then(*interventions)
        z = np.concatenate([self.z[None], self.draws])
        gains = np.concatenate([[np.median(self.gains)], self.gains])
        return in_chunks(
            lambda z, gain, sensed: _treated(self.problem, treatment, z, gain, sensed),
            _LANES, z, gains, self.rest.sensed,
        )  # fmt: skip

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
                    "change": _spread(pair[1] - pair[0]),
                }
            )
        found = {
            "rows": rows,
            "reflex": self.reflex,
            "draws": int(good[1:].sum()),
            "draws_lost": lost,
        }
        title = " and ".join(map(str, parsed))
        kept = {"title": title, **found, "waves": after.waves, "good": good}
        self.asked[:] = [a for a in self.asked if a["title"] != title] + [kept]
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
        }

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
        }
        store.save(folder, payload, force=force)

    @classmethod
    def load(cls, folder: str | Path, model: Any = None) -> "Twin":
        """Read a twin folder.

        The circulation is built again from the record and checked leaf by leaf
        against the stored one, so that a changed default cannot pass unseen.
        """
        payload = store.load(folder)
        record = from_payload(payload["record"])
        start = build.start(record, model=model)
        z = {k: np.asarray(v, float) for k, v in payload["z"].items()}
        twin = cls(
            record, start, z["most_probable"], z["draws"],
            np.asarray(payload["draws"]["reflex.gain"]), z["sd_ratio"],
            tuple(payload["verdict"]), payload["diagnostics"], payload["seed"],
        )  # fmt: skip
        _same_leaves(twin.model, payload["model"]["leaves"], Path(folder))
        return twin


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
    record: Record, start: build.Start, found: Fit, posterior: Posterior, seed: int
) -> Twin:
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
    )


def calibrate(
    record: Record, *, seed: int = 20260101, progress: Progress = _silent
) -> Twin:
    """A twin of a patient record: fit, posterior draws, diagnostics.

    Raises ``ValueError`` where no start reaches a periodic beat. A
    ``KeyboardInterrupt`` while sampling carries the twin that Laplace's
    approximation gives as ``twin``.
    """
    start = build.start(record)
    key = jax.random.key(seed)

    def told(iteration: int, objective: float) -> None:
        progress("fit", min(1.0, iteration / 15))

    found = fit(
        start.model, start.space, start.observations, start.experiment,
        starts=STARTS, key=jax.random.fold_in(key, 0), progress=told,
    )  # fmt: skip
    if not found.ok:
        raise ValueError(f"{record.id}: {' '.join(found.verdict)}")
    try:
        posterior = sample_fit(
            found,
            key=jax.random.fold_in(key, 1),
            draws=DRAWS,
            progress=lambda n, share: progress("posterior", min(1.0, float(share))),
        )
    except KeyboardInterrupt as stop:
        rough = sample_fit(
            found, key=jax.random.fold_in(key, 1), method="laplace", draws=DRAWS
        )
        interrupted: Any = stop
        interrupted.twin = _made(record, start, found, rough, seed)
        raise
    return _made(record, start, found, posterior, seed)
