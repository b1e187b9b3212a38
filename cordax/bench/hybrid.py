"""Does a hybrid foresee pulse-pressure variation better than either of its parents?

Each setting of each patient is predicted from the patient's other settings, with the
heart rate of the baseline row (6 mL/kg at 17 breaths, or the patient's line nearest to
it); nothing measured on the predicted line is seen. What patients share is learned
from the file's other patients. Hyper-parameters are those of the ventilator study's
odd-numbered patients (hybrid_training.toml, benchmarks/validate_hybrid.py); where the
file holds one of those, they too are learned from the file's other patients.
"""

import hashlib
import tomllib
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from calibration.assessment import scores
from cordax.bench import ventilation, ventilation_table
from cordax.bench.hybrid_models import TRAINERS, Forecast, Known, Lines, require_learn
from cordax.bench.ventilation import Population
from cordax.bench.ventilation_table import VentilatorSettings
from cordax.progress import Progress, silent

BASELINE = (6.0, 17.0)  # mL/kg, 1/min
DEFAULT_SEED = 20260101
LEVEL = 0.9
REPORTED = ("mechanistic", "gp", "log_gp", "hybrid")
FEWEST_TO_LEARN = 3  # a model of each learns from two others or more
_BETWEEN = 3.5  # breaths per minute that count as 1 mL/kg: half of the study's steps


def shipped() -> dict[str, Any]:
    """Hyper-parameters by model, and marks of the patients they are of."""
    text = files("cordax.bench").joinpath("hybrid_training.toml").read_text()
    return tomllib.loads(text)


# --- what is predicted from ---------------------------------------------------------
def baseline_heart_rate(settings: VentilatorSettings) -> Float[np.ndarray, " n_case"]:
    """Heart rate (1/min) of the patient's line nearest to the baseline setting."""
    volume, rate = BASELINE
    far = (settings.tidal_volume - volume) ** 2
    far = far + ((settings.rate - rate) / _BETWEEN) ** 2
    found = np.empty_like(settings.heart_rate)
    for name in np.unique(settings.patient):
        own = np.flatnonzero(settings.patient == name)
        found[own] = settings.heart_rate[own[np.argmin(far[own])]]
    return found


def lines_of(
    settings: VentilatorSettings, *, population: Population | None = None,
    heart_rate: Float[np.ndarray, " n_case"] | None = None,
    progress: Progress = silent,
) -> Lines:  # fmt: skip
    """The lines that can be scored, with the circulation's variation before any gain.

    ``heart_rate``: at which the circulation beats, if not at the baseline's.
    """
    use = ventilation.scored(settings)
    population = ventilation.frozen_population() if population is None else population
    baseline = baseline_heart_rate(settings)
    beating = baseline if heart_rate is None else heart_rate
    volume = ventilation.delivered(settings, population)
    found = ventilation.predict(
        volume[use], settings.rate[use], beating[use], population=population,
        progress=progress,
    )  # fmt: skip
    inputs = np.stack([settings.tidal_volume, settings.rate], axis=1)
    shape = np.asarray(found.pulse_pressure_variation)
    return Lines(
        settings.patient[use],
        inputs[use],
        baseline[use],
        settings.variation[use],
        shape,
    )


def mark(settings: VentilatorSettings, name: str) -> str:
    """What tells that a patient is the same, and nothing else of him."""
    own = settings.patient == name
    columns = settings.tidal_volume, settings.rate, settings.variation
    rows = sorted(zip(*(column[own] for column in columns), strict=True))
    text = ";".join(f"{v:g},{r:g},{value:.5g}" for v, r, value in rows)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- each patient from the others ---------------------------------------------------
def one_by_one(lines: Lines) -> list[np.ndarray]:
    """A fold for each patient."""
    return [np.array([name]) for name in np.unique(lines.patient)]


def folds(lines: Lines, count: int, seed: int) -> list[np.ndarray]:
    """The patients in random folds of like size."""
    order = np.random.default_rng(seed).permutation(np.unique(lines.patient))
    return [part for part in np.array_split(order, count) if part.size]


def _splits(
    lines: Lines, parts: list[np.ndarray]
) -> Iterator[tuple[Lines, list[np.ndarray]]]:
    """Training lines, and where the lines of each patient left out are."""
    for part in parts:
        out = np.isin(lines.patient, part)
        yield lines.of(~out), [np.flatnonzero(lines.patient == p) for p in part]


def foreseen(
    lines: Lines, model: str, parts: list[np.ndarray], known: Known = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Forecast:  # fmt: skip
    """Every line, its patient left out of the training and its own value out of all."""
    mean, draws = np.empty(lines.measured.size), None
    for k, (training, left_out) in enumerate(_splits(lines, parts)):
        trained = TRAINERS[model](training, known)
        for own in left_out:
            made = trained.forecast(lines.of(own))
            if draws is None:
                draws = np.empty((mean.size, made.draws.shape[1]))
            mean[own], draws[own] = made.mean, made.draws
        progress((k + 1) / len(parts))
    if draws is None:
        raise ValueError("There is no line to predict.")
    return Forecast(mean, draws)


# --- the scores -----------------------------------------------------------------------
def score(lines: Lines, made: Forecast) -> dict[str, float]:
    """RMSE, CRPS (%) and coverage of the 90 % interval."""
    return {
        "rmse": scores.rmse(made.mean, lines.measured),
        "crps": float(scores.crps_sample(made.draws, lines.measured).mean()),
        "coverage90": scores.coverage(made.draws, lines.measured, LEVEL),
    }


def _of_patients(lines: Lines, made: Forecast) -> Float[np.ndarray, " n_patient"]:
    """One number a patient whose root mean square is the RMSE of all lines."""
    square = (made.mean - lines.measured) ** 2
    sums = [square[lines.patient == p].sum() for p in np.unique(lines.patient)]
    return np.sqrt(np.array(sums) * len(sums) / square.size)


def difference(
    lines: Lines, first: Forecast, second: Forecast, *, seed: int
) -> dict[str, Any]:
    """RMSE of the first less that of the second; patients are resampled, not lines."""
    found = scores.paired_difference(
        _of_patients(lines, first), _of_patients(lines, second),
        statistic=scores.root_mean_square, level=LEVEL, seed=seed,
    )  # fmt: skip
    return {"mean": found.value, "interval90": [found.lower, found.upper]}


def _check(settings: VentilatorSettings, file: str | Path, learns: bool) -> None:
    """Refuses a table from whose other patients nothing can be learned."""
    use = ventilation.scored(settings)
    if not use.any():
        raise ValueError(
            f"{file}: no patient has PPV_gam at two settings or more; nothing can be "
            "predicted from the others."
        )
    count, needed = np.unique(settings.patient[use]).size, 2
    if learns:
        needed = FEWEST_TO_LEARN
    if count < needed:
        raise ValueError(
            f"{file}: {needed} patients with PPV_gam at two settings or more are "
            f"wanted, so that each is predicted from the others; there "
            f"{'is 1' if count == 1 else f'are {count}'}."
        )


def details(
    file: str | Path,
    *,
    seed: int = DEFAULT_SEED,
    models: tuple[str, ...] = tuple(TRAINERS),
    population: Population | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Scores of every model, the hybrid's differences, and who trained them.

    ``population``: another circulation than the frozen one; hyper-parameters are
    then learned from the file. Raises ``ValueError`` naming file, line and column for
    what is wrong in the table, ``ImportError`` without the extra ``learn``.
    """
    require_learn()
    settings = ventilation_table.read(file)
    known = shipped()
    marks = {mark(settings, name) for name in np.unique(settings.patient)}
    learns = population is not None or bool(marks & set(known["marks"]["patients"]))
    _check(settings, file, learns)
    lines = lines_of(settings, population=population, progress=progress)
    made: dict[str, Forecast] = {}
    for name in models:
        progress(name, 0.0)
        made[name] = foreseen(
            lines, name, one_by_one(lines), None if learns else known.get(name),
            lambda share, name=name: progress(name, share),
        )  # fmt: skip
    return {
        "table": settings.not_scored(ventilation.scored(settings)),
        "n": int(lines.measured.size),
        "patients": int(np.unique(lines.patient).size),
        "learned": "from the file's other patients" if learns else "shipped",
        "scores": {name: score(lines, found) for name, found in made.items()},
        "hybrid_minus": {
            name: difference(lines, made["hybrid"], found, seed=seed)
            for name, found in made.items()
            if name != "hybrid"
        },
    }


def reported(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What ``cordax bench hybrid --json`` prints of :func:`details`."""
    minus = {k: found["hybrid_minus"][k] for k in REPORTED if k != "hybrid"}
    scored = {name: found["scores"][name] for name in REPORTED}
    return {"ppv": {"n": found["n"], **scored, "hybrid_minus": minus}}


def run(
    file: str | Path,
    *,
    seed: int = DEFAULT_SEED,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """The agreed scores alone."""
    return reported(details(file, seed=seed, models=REPORTED, progress=progress))
