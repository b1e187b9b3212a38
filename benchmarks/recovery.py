"""Does calibration find what it should? 200 synthetic patients of known parameters.

Each patient is a draw from the fit's own prior, measured once with the stated errors;
each is fitted from the prior median and sampled. Fixed beforehand: the seed, what
counts as identifiable (Laplace sd below half of the prior's) and the bands.
"""

import sys
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import cordax
from calibration import Experiment, Fit, Free, LogNormal, Observation, Space, fit_many
from calibration.assessment import scores as scoring
from calibration.optimise.batches import predict_many
from calibration.parameters import patient_priors as application
from calibration.problems.problem import Problem
from calibration.sampling.posterior import Posterior, sample_fit
from physio.hemodynamics.elements.valves import Diode
from physio.hemodynamics.loops.states import named_state
from physio.parameters import get

SEED = 20260101
PATIENTS = 200
LEVELS = (0.5, 0.8, 0.9)
PROBABILITY = 0.99  # with which an exact sampler passes all bands together
DRAWS = 99  # independent draws a rank is taken among
IDENTIFIABLE = 0.5

#: sd of the logarithm of each prior: the application's own, and one it does not free
FREE = {name: application.FREE[name] for name in (
    "systemic.resistance",
    "systemic_arteries.compliance",
    "left_ventricle.active_elastance",
    "left_ventricle.passive_elastance",
    "right_ventricle.active_elastance",
    "pulmonary.resistance",
    "systemic_veins.unstressed_volume",
)} | {"pulmonary_arteries.compliance": 0.3}  # fmt: skip
#: An arterial line, a pulmonary artery catheter, an echocardiogram and, of the right
#: ventricle, a magnetic resonance image: sd and unit. Without the image 3 of 8 were
#: identifiable, as in a first design with priors of 0.3; both before this one.
MEASURED = {
    "systolic_pressure": (3.0, "mmHg"),
    "diastolic_pressure": (3.0, "mmHg"),
    "central_venous_pressure": (1.0, "mmHg"),
    "pulmonary_systolic_pressure": (2.0, "mmHg"),
    "pulmonary_mean_pressure": (1.5, "mmHg"),
    "wedge_pressure": (1.5, "mmHg"),
    "cardiac_output": (0.4, "L/min"),
    "lv_end_diastolic_volume": (10.0, "mL"),
    "lv_ejection_fraction": (4.0, "%"),
    "rv_end_diastolic_volume": (12.0, "mL"),
    "rv_ejection_fraction": (4.0, "%"),
}


def heart() -> Any:
    """The circulation whose parameters are free."""
    return named_state("healthy_man", reflex=False)


def with_plain_diodes(model: Any) -> Any:
    """The same heart with another valve law: a resistance, closed when reversed."""
    links = {
        name: Diode(link.source, link.target) if name.endswith("_valve") else link
        for name, link in model.connections.items()
    }
    return eqx.tree_at(lambda m: m.connections, model, links)


def problem(model: Any, values: dict[str, float]) -> Problem:
    """One patient's calibration."""
    base = heart()
    space = Space(tuple(Free(k, LogNormal(get(base, k), sd)) for k, sd in FREE.items()))
    seen = tuple(
        Observation(kind, values[kind], sd, unit, discrepancy_sd=0.0)
        for kind, (sd, unit) in MEASURED.items()
    )
    return Problem(model, space, seen, Experiment(steps_per_beat=200))


def patients(
    n: int, model: Any, rng: np.random.Generator
) -> tuple[np.ndarray, list[Problem]]:
    """True z (n, n_z) and what was measured in each patient, made by ``model``."""
    blank = problem(model, dict.fromkeys(MEASURED, 50.0))
    truth, data = [], []
    while len(truth) < n:
        z = rng.standard_normal((n, len(FREE)))
        start = np.tile(np.asarray(blank.start()), (n, 1))
        _, seen = predict_many(blank, z, start)
        for k in np.flatnonzero(np.asarray(seen.ok)):
            values = {
                kind: float(seen.values[j][k]) + sd * rng.standard_normal()
                for j, (kind, (sd, _)) in enumerate(MEASURED.items())
            }
            truth.append(z[k])
            data.append(problem(heart(), values))
    return np.stack(truth[:n]), data[:n]


def posteriors(fits: list[Fit], progress: Callable[[float], None]) -> list[Posterior]:
    """The posterior of each, as the application draws it: DRAWS independent draws."""
    found = []
    for k, made in enumerate(fits):
        key = jax.random.fold_in(jax.random.key(SEED), k)
        few = {"draws": DRAWS, "ess": 2.0 * DRAWS, "most": 2048}
        found.append(sample_fit(made, key=key, **few))
        progress((k + 1) / len(fits))
    return found


def _calibrated(
    n: int, model: Any, progress: Callable[[float], None]
) -> tuple[np.ndarray, list[Posterior]]:
    rng = np.random.default_rng(SEED)
    truth, data = patients(n, model, rng)
    fits = fit_many(
        [p.model for p in data], [p.space for p in data],
        [p.observations for p in data], [p.experiment for p in data],
    )  # fmt: skip
    return truth, posteriors(fits, progress)


def covered(found: list[Posterior], truth: np.ndarray, level: float) -> np.ndarray:
    """The share of patients whose true value lies in the interval that is shown of
    them, by parameter; ``truth`` is z (n_case, n_z)."""
    inside = []
    for posterior, z in zip(found, truth, strict=True):
        values = posterior.space.physical(jnp.asarray(z))
        shown = posterior.intervals(level)
        inside.append(
            [shown[k].lower <= float(v) <= shown[k].upper for k, v in values.items()]
        )
    return np.mean(inside, axis=0)


def _draws(found: list[Posterior]) -> np.ndarray:
    return np.stack([np.asarray(posterior.z) for posterior in found])


def recovery(
    n: int = PATIENTS, progress: Callable[[float], None] = lambda share: None
) -> dict[str, Any]:
    """Identifiable parameters, coverage and ranks with how many leave their bands."""
    truth, found = _calibrated(n, heart(), progress)
    draws = _draws(found)
    shrinkage = np.asarray(
        [[float(v) for v in one.fit.shrinkage.values()] for one in found]
    )
    typical = np.median(shrinkage, axis=0)
    outside, coverage = 0, {}
    for level in LEVELS:
        share = 1.0 - (1.0 - PROBABILITY) / (len(FREE) * len(LEVELS))
        low, high = scoring.coverage_band(n, level, share)
        coverage[level] = covered(found, truth, level)
        outside += int(((coverage[level] < low) | (coverage[level] > high)).sum())
    ranks = np.stack(
        [scoring.ranks(draws[:, :, k], truth[:, k]) for k in range(len(FREE))]
    )
    test = scoring.rank_test(ranks, DRAWS, probability=PROBABILITY)
    beyond = int(((test.ecdf < test.lower) | (test.ecdf > test.upper)).sum())
    return {
        "patients": n,
        "parameters": len(FREE),
        "identifiable": int((typical < IDENTIFIABLE).sum()),
        "shrinkage": dict(zip(FREE, typical, strict=True)),
        "coverage": {level: dict(zip(FREE, c, strict=True))
                     for level, c in coverage.items()},
        "outside_coverage": outside,
        "outside_rank": beyond,
    }  # fmt: skip


def misspecified(
    n: int = 40, progress: Callable[[float], None] = lambda share: None
) -> dict[str, Any]:
    """What breaks where the data come from another valve law than the model's."""
    truth, found = _calibrated(n, with_plain_diodes(heart()), progress)
    bias = (_draws(found).mean(axis=1) - truth).mean(axis=0)
    shares = covered(found, truth, 0.9)
    return {
        "patients": n,
        "coverage90": float(shares.min()),
        "coverage": dict(zip(FREE, shares, strict=True)),
        "bias": dict(zip(FREE, bias, strict=True)),
        "chi2": float(np.median([float(one.fit.chi2[0]) for one in found])),
    }


if __name__ == "__main__":
    cordax.setup()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PATIENTS
    for name, value in recovery(count).items():
        print(name, value)
    for name, value in misspecified(max(20, count // 5)).items():
        print(name, value)
