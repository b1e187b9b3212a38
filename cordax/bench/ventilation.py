"""Does the model know how pulse-pressure variation changes with the ventilator?

Each setting of each patient is predicted from the patient's other settings: the model
gives the shape, a circulation of the anaesthetised population under the setting's
ventilation at the heart rate measured there; one gain per patient, by least squares
on the other settings, gives the size. The population's parameters were fitted to the
odd-numbered patients of the study and are frozen (ventilation_population.toml,
benchmarks/ventilation_population.py). Scored beside what needs no model:

- gain x tidal volume;
- a power law, gain x Vt RR^-0.2, and the same with Vt + 2 mL/kg, whose constants were
  chosen with the odd-numbered patients in sight;
- the median shape of the other patients.
"""

import math
import tomllib
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from calibration.assessment import scores
from calibration.optimise.batches import in_chunks
from cordax.bench import ventilation_table
from cordax.bench.ventilation_table import VentilatorSettings
from cordax.cohorts.table import LeftOut
from cordax.progress import Progress, silent
from physio.hemodynamics.circulation import Circulation
from physio.hemodynamics.indices.respiratory_variation import Variation, variation
from physio.hemodynamics.loops.states import named_state
from physio.hemodynamics.ventilation import Ventilation
from physio.parameters import replace
from physio.units import S_PER_MIN

DEFAULT_SEED = 20260101
STEPS_PER_BEAT = 300
_LANES = 20
_DISCARD = 24  # beats; from the mean-held state PPV is then within 0.3 % of 96 beats
_BEATS = 40
_WHOLE_BREATHS = 3
_REPORTED = (
    "n",
    "rmse",
    "rmse_gain_vt",
    "rmse_median_shape",
    "ratio_31_10_vt8",
    "ratio_31_10_vt6",
)

Cases = Float[np.ndarray, " n_case"]
Population = dict[str, dict[str, float]]
Scores = dict[str, float | int | None]


# --- the model ------------------------------------------------------------------
def frozen_population() -> Population:
    """The population's parameters that every run uses."""
    text = files("cordax.bench").joinpath("ventilation_population.toml").read_text()
    return tomllib.loads(text)


def ventilated(population: Population) -> tuple[Circulation, Ventilation]:
    """The anaesthetised circulation and its ventilation; tidal volume not yet set."""
    model, breath = named_state("healthy_man", reflex=False), Ventilation()
    for name, value in population["circulation"].items():
        model = replace(model, name, value)
    for name, value in population["ventilation"].items():
        breath = replace(breath, name, value)
    return model, breath


@eqx.filter_jit
def _variations(
    model: tuple[Circulation, Ventilation], beats: int, volume: Array, rate: Array,
    heart_rate: Array,
) -> Variation:  # fmt: skip
    circulation, breath = model

    def one(volume: Array, rate: Array, heart_rate: Array) -> Variation:
        return variation(
            replace(circulation, "rhythm.rate", heart_rate),
            replace(replace(breath, "tidal_volume", volume), "rate", rate),
            discard=_DISCARD,
            beats=beats,
            steps_per_beat=STEPS_PER_BEAT,
        )

    return jax.vmap(one)(volume, rate, heart_rate)


def delivered(settings: VentilatorSettings, population: Population) -> Cases:
    """Volume of a breath (mL): the ventilator's least volume holds below it."""
    body = population["body"]
    least = body["least_tidal_volume"]
    return body["mass"] * np.maximum(settings.tidal_volume, least)


def predict(
    volume: Cases,
    rate: Cases,
    heart_rate: Cases,
    *,
    population: Population | None = None,
    progress: Progress = silent,
) -> Variation:
    """The model's variation for breaths of ``volume`` (mL) at ``rate`` (1/min).

    One entry per case, before any gain. Raises ``ValueError`` where a run failed.
    """
    model = ventilated(frozen_population() if population is None else population)
    needed = (_WHOLE_BREATHS + 1.0) * np.max(heart_rate / rate) + 1.0
    beats = max(_BEATS, 8 * math.ceil(needed / 8.0))
    chunks, done, lock = math.ceil(volume.size / _LANES), [0], Lock()
    progress("variation", 0.0)

    def program(*row: Array) -> Variation:
        found = jax.block_until_ready(_variations(model, beats, *row))
        with lock:
            done[0] += 1
            progress("variation", done[0] / chunks)
        return found

    columns = [jnp.asarray(x, float) for x in (volume, rate, heart_rate)]
    found = in_chunks(program, _LANES, *columns)
    failed = np.flatnonzero(~found.ok)
    if failed.size:
        k = failed[0]
        raise ValueError(
            f"The circulation found no steady state at {volume[k]:.0f} mL, "
            f"{rate[k]:g} breaths and {heart_rate[k]:g} beats per minute."
        )
    return found


# --- each setting from the patient's others -------------------------------------
def gain(shape: Cases, observed: Cases) -> float:
    """What multiplies a shape to meet the observations, by least squares."""
    size = float(np.sum(shape**2))
    return float(np.sum(shape * observed)) / size if size > 0.0 else 0.0


def scored(settings: VentilatorSettings) -> np.ndarray:
    """Lines with a measured variation, of patients with at least two of them."""
    there = np.isfinite(settings.variation)
    many = [np.sum(there & (settings.patient == p)) >= 2 for p in settings.patient]
    return there & np.array(many)


def from_the_others(shape: Cases, settings: VentilatorSettings) -> Cases:
    """Predicted variation (%), NaN for a line that is not scored."""
    made = np.full(shape.shape, np.nan)
    use = scored(settings)
    for k in np.flatnonzero(use):
        other = use & (settings.patient == settings.patient[k])
        other[k] = False
        made[k] = shape[k] * gain(shape[other], settings.variation[other])
    return made


def median_shape(settings: VentilatorSettings) -> Cases:
    """The other patients' median variation at the setting, each over its own mean.

    NaN where no other patient has the setting.
    """
    use = scored(settings)
    relative = np.full(settings.variation.shape, np.nan)
    for name in np.unique(settings.patient[use]):
        own = use & (settings.patient == name)
        mean = np.mean(settings.variation[own])
        relative[own] = settings.variation[own] / mean if mean > 0.0 else np.nan
    shape = np.full(relative.shape, np.nan)
    for k in np.flatnonzero(use):
        alike = (settings.tidal_volume == settings.tidal_volume[k]) & (
            settings.rate == settings.rate[k]
        )
        alike &= np.isfinite(relative) & (settings.patient != settings.patient[k])
        if alike.any():
            shape[k] = np.median(relative[alike])
    return shape


def comparators(settings: VentilatorSettings) -> dict[str, Cases]:
    """The shapes that need no model, by name."""
    slow = settings.rate**-0.2
    return {
        "gain_vt": settings.tidal_volume,
        "power": settings.tidal_volume * slow,
        "offset_power": (settings.tidal_volume + 2.0) * slow,
        "median_shape": median_shape(settings),
    }


# --- the scores -----------------------------------------------------------------
def ratio(
    value: Cases,
    settings: VentilatorSettings,
    first: tuple[float, float],
    second: tuple[float, float],
) -> float | None:
    """Median over patients of the value at one (volume, rate) over that at another.

    None where no patient has both.
    """

    def at(setting: tuple[float, float]) -> dict[str, float]:
        here = (settings.tidal_volume == setting[0]) & (settings.rate == setting[1])
        here &= np.isfinite(value)
        return dict(zip(settings.patient[here], value[here], strict=True))

    above, below = at(first), at(second)
    found = [above[p] / below[p] for p in above if below.get(p, 0.0) > 0.0]
    return float(np.median(found)) if found else None


def _error(
    predicted: Cases, settings: VentilatorSettings
) -> Float[np.ndarray, " n_patient"] | None:
    """Root mean square error of each patient; None where a line has no prediction."""
    use = scored(settings)
    if not use.any() or not np.isfinite(predicted[use]).all():
        return None
    names = np.unique(settings.patient[use])
    square = (predicted - settings.variation) ** 2
    return np.sqrt([square[use & (settings.patient == p)].mean() for p in names])


def _rmse(predicted: Cases, settings: VentilatorSettings) -> float | None:
    use = scored(settings)
    if _error(predicted, settings) is None:
        return None
    return scores.rmse(predicted[use], settings.variation[use])


def _compared(
    made: Cases, other: Cases, name: str, settings: VentilatorSettings, seed: int
) -> Scores:
    """RMSE of a comparator, and the model's minus it with its 95 % interval.

    Patients are resampled, not lines: the lines of one patient are not independent.
    """
    found: Scores = {f"rmse_{name}": _rmse(other, settings)}
    mine, theirs = _error(made, settings), _error(other, settings)
    if mine is None or theirs is None:
        return found
    difference = scores.paired_difference(
        mine, theirs, statistic=scores.root_mean_square, seed=seed
    )
    return found | {
        f"difference_{name}": difference.value,
        f"difference_{name}_lower": difference.lower,
        f"difference_{name}_upper": difference.upper,
    }


def _ratios(found: Variation, settings: VentilatorSettings) -> Scores:
    smooth, classic = (
        np.asarray(found.pulse_pressure_variation),
        np.asarray(found.classic_pulse_pressure_variation),
    )
    ratios: Scores = {}
    for start, value, coarse in (
        ("", smooth, classic),
        ("observed_", settings.variation, settings.classic),
    ):
        pairs = {
            "ratio_31_10_vt8": (value, (8.0, 31.0), (8.0, 10.0)),
            "ratio_31_10_vt6": (value, (6.0, 31.0), (6.0, 10.0)),
            "ratio_classic_31_10_vt8": (coarse, (8.0, 31.0), (8.0, 10.0)),
            "ratio_vt4_vt8": (value, (4.0, 10.0), (8.0, 10.0)),
            "ratio_vt10_vt8": (value, (10.0, 10.0), (8.0, 10.0)),
        }
        for name, (of, above, below) in pairs.items():
            ratios[start + name] = ratio(of, settings, above, below)
    return ratios


def median_gain(shape: Cases, settings: VentilatorSettings) -> float | None:
    """Median over patients of observed over unscaled model, by least squares."""
    use = scored(settings)
    own = [use & (settings.patient == p) for p in np.unique(settings.patient[use])]
    found = [gain(shape[o], settings.variation[o]) for o in own]
    return float(np.median(found)) if found else None


def details(
    file: str | Path,
    *,
    seed: int = DEFAULT_SEED,
    progress: Progress = silent,
) -> Scores:
    """Every score: those of :func:`run`, the comparators with intervals, ratios, gain.

    ``difference_*`` is the model's RMSE minus the comparator's over patients, with
    its 95 % interval; ``observed_*`` is the same of the measurements. None where the
    table lacks what a score needs. Raises ``ValueError`` naming file, line and column
    for what is wrong in the table.
    """
    return _details(ventilation_table.read(file), file, seed, progress)


def _details(
    settings: VentilatorSettings, file: str | Path, seed: int, progress: Progress
) -> Scores:
    if not scored(settings).any():
        raise ValueError(
            f"{file}: no patient has PPV_gam at two settings or more; nothing can be "
            "predicted from the others."
        )
    population = frozen_population()
    model = predict(
        delivered(settings, population), settings.rate, settings.heart_rate,
        population=population, progress=progress,
    )  # fmt: skip
    shape = np.asarray(model.pulse_pressure_variation)
    made = from_the_others(shape, settings)
    found: Scores = {
        "n": int(scored(settings).sum()),
        "patients": int(np.unique(settings.patient[scored(settings)]).size),
        "rmse": _rmse(made, settings),
        "median_gain": median_gain(shape, settings),
        **_ratios(model, settings),
    }
    for name, other in comparators(settings).items():
        theirs = from_the_others(other, settings)
        found |= _compared(made, theirs, name, settings, seed)
    return found


def run(
    file: str | Path,
    *,
    seed: int = DEFAULT_SEED,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """The agreed scores alone; ``ratio_*`` are the model's."""
    return scores_and_table(file, seed=seed, progress=progress)[0]


def scores_and_table(
    file: str | Path, *, seed: int = DEFAULT_SEED, progress: Progress = silent
) -> tuple[dict[str, dict[str, Any]], LeftOut]:
    """The agreed scores, and which rows of the table they are not made of."""
    settings = ventilation_table.read(file)
    found = _details(settings, file, seed, progress)
    kept = {name: found[name] for name in _REPORTED}
    return {"ppv": kept}, settings.not_scored(scored(settings))


# --- when in the breath ---------------------------------------------------------
def phase_error(
    observed: Cases, predicted: Cases, rate: Cases, *, step: float = 0.005
) -> tuple[float, float]:
    """Root mean square difference of two phases (breaths), and the delay (s).

    The delay is one for all rates: the time by which what is observed is later than
    predicted, searched from -1 to 3 s.
    """
    delays = np.arange(-1.0, 3.0, step)
    late = predicted[None] + delays[:, None] * rate[None] / S_PER_MIN
    error = (late - observed[None] + 0.5) % 1.0 - 0.5
    size = np.sqrt(np.mean(error**2, axis=1))
    best = int(np.argmin(size))
    return float(size[best]), float(delays[best])
