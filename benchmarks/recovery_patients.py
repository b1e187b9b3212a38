"""Virtual patients of the recovery: who is learned from, and who is tested."""

from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.cohort_fit import ERROR, VEINS, Runner, Runs
from benchmarks.recovery_methods import FREE
from physio import get
from physio.hemodynamics.loops.states import named_state

POSTURES = (-700.0, -450.0, -200.0, 0.0, 250.0, 500.0, 750.0, 1000.0)  # mL
OWN = (-400.0, -200.0, 0.0, 200.0, 400.0, 600.0, 800.0)  # of a new patient
LOSSES = (300.0, 600.0, 900.0)
BEYOND = (-1300.0,)  # an infusion far above what was learned
#: mmHg: who falls below is drawn again; lower where learned from than where tested
VIABLE, VIABLE_LEARNED = 20.0, 15.0
#: sd of the logarithm of a patient's parameter before his data: one of the cohort
#: learned from (about its spread), and a new one, who may lie outside of it
PRIOR_LEARNED, PRIOR = 0.15, 0.5
SET_POINT_AT = 91.55  # mmHg, the named state's
#: sd of the logarithms; the filling is the veins' (V - V0) / C at rest (mmHg)
SPREAD = {
    "systemic.resistance": 0.15,
    "right_ventricle.passive_elastance": 0.15,
    f"{VEINS}.compliance": 0.12,
    "filling": 0.06,
}
OUTSIDE = np.log(1.25)
FILLING = 6.8  # mmHg, (V - V0) / C of the named state's veins at rest
CAROTID = 0.03145  # mmHg s/mL from the aortic root to where the reflex senses


def moves(postures: tuple[float, ...], losses: tuple[float, ...] = ()) -> np.ndarray:
    """Shifts of unstressed volume and losses of blood, (p, 2) in mL."""
    return np.array([(x, 0.0) for x in postures] + [(0.0, x) for x in losses])


def _drawn(rng: np.random.Generator, n: int) -> np.ndarray:
    """Logarithms of training patients, within two sd."""
    z = np.clip(rng.standard_normal((n, len(SPREAD))), -2.0, 2.0)
    return z * np.array(list(SPREAD.values()))


def _drawn_outside(rng: np.random.Generator, n: int, seen: np.ndarray) -> np.ndarray:
    """Up to 25 % outside what was seen, every patient so in one parameter at least;
    the filling up to a quarter of its width."""
    low, high = seen.min(0), seen.max(0)
    far = np.append(np.full(3, OUTSIDE), 0.25 * (high[3] - low[3]))
    z = rng.uniform(low - far, high + far, (n, len(SPREAD)))
    which, above = rng.integers(0, 3, n), rng.random(n) < 0.5
    beyond = rng.uniform(0.0, far[which])
    rows = np.arange(n)
    z[rows, which] = np.where(above, high[which] + beyond, low[which] - beyond)
    return z


def own_parameters(z: np.ndarray, model: Any) -> np.ndarray:
    """Logarithms of the parameters of FREE, from those drawn."""
    compliance, rest = (float(get(model, name)) for name in FREE[2:])
    stressed = FILLING * np.exp(z[:, 3]) * compliance * np.exp(z[:, 2])
    moved = np.log1p((FILLING * compliance - stressed) / rest)
    return np.column_stack([z[:, :3], moved])


class Cohort(NamedTuple):
    """True parameters (n, n_own) and indices (n, p, 3), the volumes and pressures
    the law is asked with, and what was measured."""

    own: np.ndarray
    true: Runs
    measured: np.ndarray
    drawn: np.ndarray


def cohort(
    truth: Runner, quiet: Runner, rng: np.random.Generator, n: int, acts: np.ndarray,
    error: float, seen: np.ndarray | None = None,
) -> Cohort:  # fmt: skip
    """Viable patients and their measurements; ``quiet`` is the truth without reflex."""
    model, none = named_state("healthy_man", reflex=False), np.zeros(0)
    z = _drawn(rng, 2 * n) if seen is None else _drawn_outside(rng, 3 * n, seen)
    own = own_parameters(z, model)
    runs = quiet(own, none, none, acts)
    if truth is not quiet:
        rest = int(np.flatnonzero(~acts.any(1))[0])
        own = np.column_stack([own, np.log(runs.asked[:, rest, 1] / SET_POINT_AT)])
        runs = truth(own, none, none, acts)
    least = VIABLE_LEARNED if seen is None else VIABLE
    alive = np.flatnonzero(runs.ok.all(1) & (runs.seen[..., 0].min(1) > least))[:n]
    if len(alive) < n:
        raise ValueError(f"{len(alive)} of {len(z)} patients are viable; {n} wanted.")
    runs = jax.tree.map(lambda x: x[alive], runs)
    noise = error * ERROR * rng.standard_normal(runs.seen.shape)
    return Cohort(own[alive], runs, runs.seen + noise, z[alive])


def prior(
    measured: np.ndarray, acts: np.ndarray, n_own: int, spread: float = PRIOR
) -> tuple:
    """Centre and sd of every patient's z: the set point is the pressure at rest."""
    n = len(measured)
    centre, sd = np.zeros((n, n_own)), np.full(n_own, spread)
    if n_own > len(FREE):
        rest = int(np.flatnonzero(~acts.any(1))[0])
        flow = measured[:, rest, 2] * 66.0 / 60.0
        sensed = measured[:, rest, 0] - CAROTID * flow
        centre[:, -1], sd[-1] = np.log(sensed / SET_POINT_AT), ERROR[0] / SET_POINT_AT
    return centre, sd
