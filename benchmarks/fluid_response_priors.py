"""Derive the frozen priors of `cordax bench fluid-response`, leave-one-out.

    python benchmarks/fluid_response_priors.py FILE [--write]

FILE is the table of the odd-numbered patients. Three numbers are tuned to responses:
the gain between a held breath and the monitor's SVV, the share of the bolus that
fills the veins, and the exponent of autoregulation. The physics is run at the present
values and one step to either side of each; along each the patients' predicted changes
are a parabola in the logarithm. On these tables

- each patient is predicted with the three numbers, the discrepancy and the mean change
  fitted to the *others*: the honest scores, printed;
- all patients give the frozen numbers, written with --write.

Repeat until the numbers stay (two rounds).
"""

import re
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

import cordax
from calibration.assessment import scores
from cordax.bench import fluid_response as bench
from cordax.cohorts import fluid_challenge, fluid_table
from cordax.cohorts import fluid_challenge as fluid_twin

TUNED = ("breathing_gain", "retained_share", "autoregulation")
REFITS = TUNED[:1]  # what the calibration sees; the others act with the fluid
STEP = np.log([1.25, 1.25, 1.4])
SPREAD = np.array([0.5, 0.5, 0.3])  # of the logs: how far a prior lets them go
WEIGHT = {"map": 6.5, "sv": 4.0, "cvp": 1.0}  # sd of a change, about
DRAWS = fluid_twin.DRAWS


def at(priors, move):
    """The priors with the tuned numbers moved by so many steps."""
    factors = np.exp(move * STEP)
    tuned = {n: priors["tuned"][n] * f for n, f in zip(TUNED, factors, strict=True)}
    return {**priors, "tuned": tuned}


def predicted(patients, priors, move, fits):
    """Mean changes (quantity, patient) and their spread over the draws."""
    moved = at(priors, move)
    if fits is None:
        fits = bench.calibrate(patients, moved)
    found = bench.changes(
        fits, fluid_challenge.BOLUS, moved, seed=bench.DEFAULT_SEED, draws=DRAWS
    )
    mean = np.array([found[q].mean(1) for q in WEIGHT])
    return mean, np.array([found[q].std(1) for q in WEIGHT]), fits


def tabulate(patients, priors):
    """Centre, and slope and curvature of every change along every tuned number."""
    centre, spread, fits = predicted(patients, priors, np.zeros(len(TUNED)), None)
    slope, curve = [], []
    for k in range(len(TUNED)):
        one = np.eye(len(TUNED))[k]
        own = None if TUNED[k] in REFITS else fits
        up, _, _ = predicted(patients, priors, one, own)
        down, _, _ = predicted(patients, priors, -one, own)
        slope.append(0.5 * (up - down))
        curve.append(0.5 * (up + down) - centre)
        print(f"tabulated {TUNED[k]}", slope[-1].mean(1).round(2), flush=True)
    return centre, np.array(slope), np.array(curve), spread


def changes_at(table, move):
    centre, slope, curve, _ = table
    return centre + np.tensordot(move, slope, 1) + np.tensordot(move**2, curve, 1)


def tune(table, seen, which, centre):
    """The steps that fit the chosen patients best, under the prior of the logs."""
    weight = 1.0 / np.array(list(WEIGHT.values()))[:, None]

    def misfit(move):
        error = (changes_at(table, move) - seen)[:, which] * weight
        prior = (centre + move * STEP) / SPREAD
        return np.concatenate([error[np.isfinite(error)], prior])

    return least_squares(misfit, np.zeros(len(TUNED)), bounds=(-2.5, 2.5)).x


def discrepancy(error, spread):
    """Sd that remains of errors when the draws' own spread is taken out."""
    has = np.isfinite(error)
    left = np.mean(error[has] ** 2) - np.mean(spread[has] ** 2)
    return float(np.sqrt(max(left, 0.2 * np.mean(error[has] ** 2))))


def left_out(table, seen, prior_centre):
    """Predicted change and sd of every patient from all the others."""
    n = seen.shape[1]
    mean, sd = np.empty_like(seen), np.empty_like(seen)
    moves = np.empty((n, len(TUNED)))
    for k in range(n):
        others = np.arange(n) != k
        moves[k] = tune(table, seen, others, prior_centre)
        now = changes_at(table, moves[k])
        mean[:, k] = now[:, k]
        for q in range(len(seen)):
            own = discrepancy((now - seen)[q, others], table[3][q, others])
            sd[q, k] = np.hypot(own, table[3][q, k])
    return mean, sd, moves


def _interval(first, second, **options):
    found = scores.paired_difference(first, second, **options)
    return {"value": found.value, "lower": found.lower, "upper": found.upper}


def scored(mean, sd, seen):
    """Scores of each quantity beside the leave-one-out mean change and no change."""
    rmse, told = scores.root_mean_square, {}
    for q, name in enumerate(WEIGHT):
        has = np.isfinite(seen[q])
        y, m, s = seen[q][has], mean[q][has], sd[q][has]
        others = (y.sum() - y) / (y.size - 1)
        spread = np.array([np.delete(y, k).std(ddof=1) for k in range(y.size)])
        none = np.array([rmse(np.delete(y, k)) for k in range(y.size)])
        crps = scores.crps_gaussian(m, s, y)
        crps_mean = scores.crps_gaussian(others, spread, y)
        crps_none = scores.crps_gaussian(np.zeros_like(y), none, y)
        told[name] = {
            "n": int(y.size),
            "rmse": rmse(m - y),
            "rmse_no_change": rmse(y),
            "rmse_mean_change": rmse(others - y),
            "crps": float(crps.mean()),
            "crps_no_change": float(crps_none.mean()),
            "crps_mean_change": float(crps_mean.mean()),
            "coverage90": float(np.mean(np.abs(m - y) <= 1.6449 * s)),
            "bias": float(np.mean(m - y)),
            "rmse_minus_no_change": _interval(m - y, y, statistic=rmse),
            "rmse_minus_mean_change": _interval(m - y, others - y, statistic=rmse),
            "crps_minus_no_change": _interval(crps, crps_none),
            "crps_minus_mean_change": _interval(crps, crps_mean),
        }
    return told


def report(told):
    """Prints :func:`scored`."""
    for name, figures in told.items():
        for figure, value in figures.items():
            if isinstance(value, dict):
                value = "{value:+.3f} ({lower:+.3f} to {upper:+.3f})".format(**value)
            print(name, figure, value if isinstance(value, str) else f"{value:.4g}")


def _derived(file):
    """What was seen, the present numbers, the table; each patient left out."""
    patients = fluid_table.read(file)
    seen = np.array([bench.observed_change(patients, q) for q in WEIGHT])
    priors = bench.frozen_priors()
    now = np.array([priors["tuned"][n] for n in TUNED])
    centre = np.log(now / [priors["tuned_median"][n] for n in TUNED])
    table = tabulate(patients, priors)
    return seen, now, centre, table, left_out(table, seen, centre)


def leave_one_out(file):
    """Scores of every quantity, each patient left out of the tuning."""
    seen, _, _, _, (mean, sd, _) = _derived(file)
    return scored(mean, sd, seen)


def write(values):
    """Puts numbers in their lines of the table of priors, by section and key."""
    path = Path(str(files("cordax.cohorts"))) / "fluid_response_priors.toml"
    text = path.read_text()
    for (section, key), value in values.items():
        pattern = rf"(\[{section}\][^\[]*?\n{key} = )[-0-9.]+"
        text, n = re.subn(pattern, rf"\g<1>{value:.4g}", text)
        assert n == 1, (section, key)
    path.write_text(text)
    print(f"{path} is written")


def main() -> None:
    cordax.setup()
    seen, now, centre, table, (mean, sd, moves) = _derived(sys.argv[1])
    report(scored(mean, sd, seen))
    print("leave-one-out values", np.exp(moves * STEP).min(0) * now, "to",
          np.exp(moves * STEP).max(0) * now)  # fmt: skip
    best = tune(table, seen, np.full(seen.shape[1], True), centre)
    values = {("tuned", n): v for n, v in zip(TUNED, now * np.exp(best * STEP),
                                              strict=True)}  # fmt: skip
    error = changes_at(table, best) - seen
    for q, name in enumerate(WEIGHT):
        values["discrepancy_sd", name] = discrepancy(error[q], table[3][q])
    for name, value in values.items():
        print(*name, f"{value:.4g}")
    if "--write" in sys.argv:
        write(values)


if __name__ == "__main__":
    main()
