"""Does the twin foresee what fluid does? Each patient from the values before it.

Every patient of a table (``fluid_table``) is calibrated, all in one batch, to mean
and pulse pressure, central venous pressure, stroke volume and its variation with the
breath, all before the fluid. Draws from the posterior then receive the bolus; what
they predict is a change, added to what was measured before. What carries it:

- the bolus widens the veins (``retained_share`` of it: the rest leaks or is taken up
  as the veins yield within minutes);
- the ventricles fill against their own and the pericardium's stiffness, and how steep
  that still is shows in the variation of stroke volume with the breath. Its quasi-
  static value, the stroke volume at end-expiration against that of a held breath, is
  compared with the monitor's through ``breathing_gain``;
- resistance follows a blunted reflex and autoregulation.

Discrepancies have mean zero and are added to changes, so no fluid means no change.
Measurements after the fluid only score; the three tuned priors and the discrepancies
were fitted to the odd-numbered patients of the study and are frozen
(fluid_response_priors.toml, benchmarks/fluid_response_priors.py).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from calibration.assessment import scores as scoring
from cordax.cohorts import fluid_table
from cordax.cohorts.fluid_challenge import (
    BOLUS,
    DRAWS,
    Priors,
    calibrate,
    changes,
    frozen_priors,
)
from cordax.cohorts.fluid_table import PREDICTED, Patient
from cordax.progress import Progress, silent

DEFAULT_SEED = 20260101
LEVEL = 0.9
_NOISE = 32  # quantiles of a discrepancy that are added to every draw


@dataclass(frozen=True)
class FluidPrediction:
    """What the twin foresees for every patient: changes as draws, (n_case, n_draw).

    ``physics`` is what the circulation does, ``predictive`` with the discrepancy.
    """

    patients: list[Patient]
    physics: dict[str, np.ndarray]
    predictive: dict[str, np.ndarray]

    def change(self, name: str) -> Float[np.ndarray, " n_case"]:
        """The predicted change of "map" (mmHg), "sv" (mL) or "cvp" (mmHg)."""
        return self.physics[name].mean(axis=1)


def _with_discrepancy(change: np.ndarray, sd: float) -> np.ndarray:
    """Every draw with the quantiles of a normal of mean zero added."""
    levels = (np.arange(_NOISE) + 0.5) / _NOISE
    noisy = change[:, :, None] + sd * norm.ppf(levels)
    return noisy.reshape(len(change), -1)


def predict(
    patients: list[Patient],
    *,
    bolus: float = BOLUS,
    seed: int = DEFAULT_SEED,
    progress: Progress = silent,
    priors: Priors | None = None,
    draws: int = DRAWS,
) -> FluidPrediction:
    """Calibrate to the values before the fluid and give it, for all patients.

    ``bolus`` in mL; ``draws`` of each patient's posterior, a power of two. Reads
    nothing that was measured after the fluid.
    """
    if not 0.0 <= bolus <= 2000.0:
        raise ValueError(f"bolus={bolus:g} mL; 0 to 2000 mL can be given.")
    priors = priors or frozen_priors()
    fits = calibrate(patients, priors, progress)
    progress("fluid", 0.0)
    physics = changes(fits, bolus, priors, seed=seed, draws=draws)
    progress("fluid", 1.0)
    sd = priors["discrepancy_sd"]
    noisy = {name: _with_discrepancy(c, sd[name]) for name, c in physics.items()}
    return FluidPrediction(patients, physics, noisy)


def _difference(first: np.ndarray, second: np.ndarray, **options: Any) -> Any:
    found = scoring.paired_difference(first, second, seed=0, **options)
    return {"value": found.value, "lower": found.lower, "upper": found.upper}


def _score(
    change: np.ndarray, draws: np.ndarray, seen: np.ndarray, training: tuple[float, ...]
) -> dict[str, Any]:
    """Scores of predicted changes beside "no change" and the training's mean change."""
    mean, sd, n = training
    zero, typical = np.zeros(seen.size), np.full(seen.size, mean)
    # new patients about a mean of n; about zero the spread is the root mean square
    spread = np.full(seen.size, sd * np.sqrt(1.0 + 1.0 / n))
    around = np.full(seen.size, np.hypot(mean, sd))
    crps = scoring.crps_sample(draws, seen)
    crps_mean = scoring.crps_gaussian(typical, spread, seen)
    crps_none = scoring.crps_gaussian(zero, around, seen)
    errors, root = change - seen, {"statistic": scoring.root_mean_square}
    return {
        "n": int(seen.size),
        "rmse": scoring.rmse(change, seen),
        "rmse_no_change": scoring.rmse(zero, seen),
        "rmse_mean_change": scoring.rmse(typical, seen),
        "crps": float(crps.mean()),
        "crps_no_change": float(crps_none.mean()),
        "crps_mean_change": float(crps_mean.mean()),
        "coverage90": scoring.coverage(draws, seen, LEVEL),
        "bias": float(errors.mean()),
        "rmse_minus_no_change": _difference(errors, -seen, **root),
        "rmse_minus_mean_change": _difference(errors, typical - seen, **root),
        "crps_minus_no_change": _difference(crps, crps_none),
        "crps_minus_mean_change": _difference(crps, crps_mean),
    }


_EMPTY = {"n": 0}
_REPORTED = (
    "n", "rmse", "rmse_no_change", "rmse_mean_change", "crps", "crps_mean_change",
    "coverage90",
)  # fmt: skip


def observed_change(patients: list[Patient], name: str) -> Float[np.ndarray, " n_case"]:
    """What was measured after minus before; NaN where either is missing."""
    column = PREDICTED[name]

    def values(of: list[dict[str, float | None]]) -> np.ndarray:
        found = [row[column] for row in of]
        return np.array([np.nan if value is None else value for value in found])

    return values([p.after for p in patients]) - values([p.before for p in patients])


def _rows(made: FluidPrediction) -> list[dict[str, Any]]:
    rows = []
    for k, patient in enumerate(made.patients):
        row: dict[str, Any] = {"id": patient.id, "line": patient.line}
        for name, column in PREDICTED.items():
            before = patient.before[column]
            low, high = np.quantile(made.predictive[name][k], [0.05, 0.95])
            change = float(made.change(name)[k])
            at = 0.0 if before is None else before
            row[name] = {
                "before": before,
                "change": change,
                "predicted": None if before is None else at + change,
                "lower": None if before is None else float(at + low),
                "upper": None if before is None else float(at + high),
                "measured": patient.after[column],
            }
        rows.append(row)
    return rows


def details(
    file: str | Path,
    *,
    bolus: float = BOLUS,
    seed: int = DEFAULT_SEED,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Scores with bootstrap intervals, every patient's prediction, what was assumed."""
    patients, left_out = fluid_table.cohort(file)
    priors = frozen_priors()
    made = predict(patients, bolus=bolus, seed=seed, progress=progress, priors=priors)
    training = priors["training"]
    scores: dict[str, Any] = {}
    for name in PREDICTED:
        seen = observed_change(patients, name)
        has = np.isfinite(seen)
        known = tuple(
            float(training[f"{k}_{name}"]) for k in ("mean_change", "sd_change", "n")
        )
        change, draws = made.change(name)[has], made.predictive[name][has]
        scores[name] = _score(change, draws, seen[has], known) if has.any() else _EMPTY
    return {
        "scores": scores,
        "patients": _rows(made),
        "table": left_out.plain(),
        "assumptions": [*_assumptions(bolus, priors), *left_out.words()],
        "bolus_ml": bolus,
        "seed": seed,
    }


def _assumptions(bolus: float, priors: Priors) -> list[str]:
    tuned, heart = priors["tuned"], priors["heart"]
    return [
        f"Bolus {bolus:g} mL; {tuned['retained_share']:.2f} of it fills the veins.",
        "Heart rate 1000 CI/SVI, body surface SV/SVI; age, sex and weight unknown: "
        "the healthy man's circulation, scaled.",
        f"PEEP {heart['peep_cmh2o']:g} cmH2O, breaths of {heart['breath_cmh2o']:g} "
        f"cmH2O above it; measured SVV is {tuned['breathing_gain']:.2f} times that "
        "of a held breath.",
        f"Reflex blunted (gain {priors['reflex']['gain']:g}); autoregulation "
        f"{tuned['autoregulation']:.2f}.",
        "These priors and the discrepancies (mean zero) are frozen from the study's "
        "odd-numbered patients; the mean change compared with is theirs.",
    ]


def reported(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The agreed scores of :func:`details`, by quantity."""
    return {
        name: {key: score.get(key) for key in _REPORTED}
        for name, score in found["scores"].items()
    }


def run(
    file: str | Path,
    *,
    bolus: float = BOLUS,
    seed: int = DEFAULT_SEED,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """The scores alone, by quantity; None where nothing was measured after."""
    return reported(details(file, bolus=bolus, seed=seed, progress=progress))
