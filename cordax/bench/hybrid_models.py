# pyright: reportArgumentType=false
# (scikit-learn has no types: pyright guesses them from defaults)
"""The models that `cordax bench hybrid` compares: each learns from other patients.

Then it foresees every setting of a patient from the patient's other settings. What it
sees of the line it predicts is the setting (tidal volume and rate); of the patient,
the heart rate of the baseline row and the other lines.

- ``mechanistic``: the circulation's variation times the patient's gain, and an sd.
- ``hybrid``: a discrepancy (learned/terms/discrepancy.py) on the mechanistic
  prediction: the log of the ratio, each with 1 % added.
- ``gp``, ``log_gp``: scikit-learn's Gaussian process over setting, heart rate and the
  patient's mean of the other lines, Matern 5/2 with a length each; as it is, and of
  log(1 + variation).
- ``two_level_gp``, ``two_level_log_gp``: the hybrid's own discrepancy on a constant:
  the hybrid without its physics.
- ``boosting``: scikit-learn's gradient boosting over what ``gp`` sees.

1 % is added before logs so that what is nearly nothing, and mostly noise, is not the
largest of all deviations.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import minimize
from scipy.stats import norm

from cordax.bench.ventilation import gain
from learned.blocks.ranges import Range
from learned.terms.discrepancy import (
    Comparison,
    Discrepancy,
    Sizes,
    fit_discrepancy,
    told_by,
)

INPUTS = ("tidal_volume", "breathing_rate")
UNITS = ("mL/kg", "1/min")
_INSTALL = "{} is not installed. Type: pip install 'cordax[learn]'"
_LEVELS = (np.arange(400) + 0.5) / 400.0

#: Shipped numbers of one model, or None where it must learn them.
Known = dict[str, Any] | None


class Lines(NamedTuple):
    """Scored lines: setting (mL/kg, 1/min), baseline heart rate (1/min), variation
    measured and of the circulation (%)."""

    patient: np.ndarray
    inputs: Float[np.ndarray, "n_case 2"]
    heart_rate: Float[np.ndarray, " n_case"]
    measured: Float[np.ndarray, " n_case"]
    shape: Float[np.ndarray, " n_case"]

    def of(self, use: np.ndarray) -> "Lines":
        """The lines where ``use``."""
        return Lines(*(column[use] for column in self))

    def patients(self) -> list["Lines"]:
        """One entry a patient, in the order of their names."""
        return [self.of(self.patient == p) for p in np.unique(self.patient)]


class Forecast(NamedTuple):
    """Predicted mean, and even quantiles of the prediction (%)."""

    mean: Float[np.ndarray, " n_case"]
    draws: Float[np.ndarray, "n_case n_draw"]


class Model(Protocol):
    """What has learned, and foresees each line of one patient from the others."""

    def forecast(self, own: Lines) -> Forecast: ...


def require_learn() -> None:
    """Raises ``ImportError`` with the line to type where a library is absent."""
    from importlib.util import find_spec

    for module, name in (("sklearn", "scikit-learn"), ("tinygp", "tinygp")):
        if find_spec(module) is None:
            raise ImportError(_INSTALL.format(name))


def _normal(mean: np.ndarray, sd: np.ndarray, *, log: bool = False) -> Forecast:
    """The forecast of a normal prediction, of log(1 + variation) where ``log``."""
    draws = mean[:, None] + sd[:, None] * norm.ppf(_LEVELS)
    if not log:
        return Forecast(mean, draws)
    return Forecast(np.expm1(draws).mean(axis=1), np.expm1(draws))


def _others(count: int) -> np.ndarray:
    """Row k is True at all but k."""
    return ~np.eye(count, dtype=bool)


# --- the circulation alone --------------------------------------------------------
def gained(own: Lines) -> Float[np.ndarray, "n_case n_case"]:
    """Row k: the shape times the gain that the lines other than k give."""
    gains = [gain(own.shape[o], own.measured[o]) for o in _others(own.measured.size)]
    return np.array(gains)[:, None] * own.shape[None, :]


@dataclass(frozen=True)
class Mechanistic:
    """Gain times shape; sd^2 = ``sd``^2 + (``relative_sd`` x prediction)^2."""

    sd: float
    relative_sd: float

    def forecast(self, own: Lines) -> Forecast:
        mean = np.diag(gained(own)).copy()
        return _normal(mean, np.hypot(self.sd, self.relative_sd * mean))


def train_mechanistic(lines: Lines, known: Known = None) -> Mechanistic:
    """The sds under which the errors at left-out lines are most likely."""
    if known is not None:
        return Mechanistic(**known)
    every = lines.patients()
    made = np.concatenate([np.diag(gained(own)) for own in every])
    error = made - np.concatenate([own.measured for own in every])
    typical = float(np.sqrt(np.mean(error**2))) or 1.0

    def cost(logs: np.ndarray) -> float:
        sd, relative = np.exp(logs)
        variance = sd**2 + (relative * made) ** 2
        return float(np.sum(error**2 / variance + np.log(variance)))

    start = np.log([0.7 * typical, 0.1])
    bounds = [(np.log(0.05 * typical), np.log(3.0 * typical)), (-7.0, 1.0)]
    found = minimize(cost, start, method="L-BFGS-B", bounds=bounds)
    sd, relative = np.exp(found.x)
    return Mechanistic(float(sd), float(relative))


# --- a discrepancy, on the circulation or on a constant ---------------------------
@dataclass(frozen=True)
class LearnedParts:
    """A discrepancy, on the gained shape or, where there is one, on a ``centre``."""

    discrepancy: Discrepancy
    centre: float | None
    log: bool

    def forecast(self, own: Lines) -> Forecast:
        measured = np.log1p(own.measured) if self.log else own.measured
        if self.centre is None:
            simulated = np.log1p(gained(own))
        else:
            simulated = np.full((measured.size, measured.size), self.centre)
        columns = own.inputs, measured, simulated
        mean, sd = _left_out(self.discrepancy, *map(jnp.asarray, columns))
        return _normal(np.asarray(mean), np.asarray(sd), log=self.log)


@eqx.filter_jit
def _left_out(
    discrepancy: Discrepancy, inputs: Array, measured: Array, simulated: Array
) -> tuple[Array, Array]:
    """Mean and sd at each line given the others; row k of ``simulated`` is for k."""
    count = len(measured)
    rest = np.nonzero(_others(count))[1].reshape(count, count - 1)

    def one(k: Array, rest: Array, simulated: Array) -> tuple[Array, Array]:
        own = Comparison(inputs[rest], measured[rest], simulated[rest])
        mean, sd = discrepancy.predict(inputs[k][None], simulated[k][None], own)
        return mean[0], sd[0]

    return jax.vmap(one)(jnp.arange(count), jnp.asarray(rest), simulated)


def _learned(
    cohort: Comparison, patient: np.ndarray, known: Known
) -> Discrepancy:  # fmt: skip
    if known is None:
        return fit_discrepancy(INPUTS, UNITS, cohort, patient, kind="difference")
    range = Range(INPUTS, UNITS, known["lower"], known["upper"])
    sizes = Sizes(**{name: jnp.asarray(v) for name, v in known["sizes"].items()})
    return told_by(range, sizes, cohort, patient, kind="difference")


def train_hybrid(lines: Lines, known: Known = None) -> LearnedParts:
    """The log ratio of measured variation to the gained shape."""
    simulated = np.empty_like(lines.shape)
    for name in np.unique(lines.patient):
        own = lines.patient == name
        simulated[own] = lines.shape[own] * gain(lines.shape[own], lines.measured[own])
    cohort = Comparison(lines.inputs, np.log1p(lines.measured), np.log1p(simulated))
    return LearnedParts(_learned(cohort, lines.patient, known), None, True)


def train_two_level(lines: Lines, known: Known = None, *, log: bool) -> LearnedParts:
    """The same discrepancy on the mean, in place of the circulation."""
    measured = np.log1p(lines.measured) if log else lines.measured
    centre = float(measured.mean()) if known is None else known["centre"]
    cohort = Comparison(lines.inputs, measured, np.full(measured.shape, centre))
    return LearnedParts(_learned(cohort, lines.patient, known), centre, log)


# --- scikit-learn -----------------------------------------------------------------
def _features(own: Lines, measured: np.ndarray, use: np.ndarray) -> np.ndarray:
    """Setting, heart rate and the mean of the lines in use, of every line of one.

    One mean for all lines of a patient: a mean that leaves out the own line would
    tell its value.
    """
    mean = np.full(measured.shape, measured[use].mean())
    return np.column_stack([own.inputs, own.heart_rate, mean])


def _table(lines: Lines, log: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features and targets of whole patients, and whose they are."""
    rows, targets, owner = [], [], []
    for own in lines.patients():
        target = np.log1p(own.measured) if log else own.measured
        rows.append(_features(own, target, np.ones(target.size, bool)))
        targets.append(target)
        owner.append(own.patient)
    return np.concatenate(rows), np.concatenate(targets), np.concatenate(owner)


@dataclass(frozen=True)
class Process:
    """scikit-learn's Gaussian process, conditioned anew on a patient's other lines.

    Features and targets are standardised with the training's means and sds.
    """

    kernel: Any
    scaling: dict[str, Any]
    rows: np.ndarray
    targets: np.ndarray
    log: bool

    def standard(self, rows: np.ndarray) -> np.ndarray:
        """Standardised features."""
        return (rows - self.scaling["input_mean"]) / self.scaling["input_sd"]

    def forecast(self, own: Lines) -> Forecast:
        measured = np.log1p(own.measured) if self.log else own.measured
        middle, size = self.scaling["target_mean"], self.scaling["target_sd"]
        found = []
        for k, use in enumerate(_others(measured.size)):
            mine = _features(own, measured, use)
            known = np.concatenate([self.rows, mine[use]])
            targets = np.concatenate([self.targets, measured[use]])
            process = _process(self.kernel, fixed=True)
            process.fit(self.standard(known), (targets - middle) / size)
            mean, sd = process.predict(self.standard(mine[k : k + 1]), return_std=True)
            found.append((middle + size * mean[0], size * sd[0]))
        return _normal(*np.array(found).T, log=self.log)


def _process(kernel: Any, *, fixed: bool) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor

    optimizer = None if fixed else "fmin_l_bfgs_b"
    return GaussianProcessRegressor(kernel, optimizer=optimizer)


def _kernel(variance: float, lengths: list[float], noise: float) -> Any:
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    return ConstantKernel(variance, (1e-2, 1e3)) * Matern(
        lengths, (0.05, 100.0), nu=2.5
    ) + WhiteKernel(noise, (1e-4, 10.0))


def train_process(lines: Lines, known: Known = None, *, log: bool) -> Process:
    """Hyper-parameters by marginal likelihood, unless they are known."""
    rows, targets, _ = _table(lines, log)
    if known is not None:
        kernel = _kernel(known["variance"], known["lengths"], known["noise"])
        return Process(kernel, known, rows, targets, log)
    scaling = {
        "input_mean": rows.mean(axis=0),
        "input_sd": _spread(rows),
        "target_mean": float(targets.mean()),
        "target_sd": float(targets.std()) or 1.0,
    }
    found = Process(_kernel(1.0, [1.0] * rows.shape[1], 0.1), scaling, rows, targets,
                    log)  # fmt: skip
    process = _process(found.kernel, fixed=False)
    standard = (targets - scaling["target_mean"]) / scaling["target_sd"]
    with warnings.catch_warnings():
        # a length at its bound means an input that does not matter
        warnings.filterwarnings("ignore", module="sklearn")
        process.fit(found.standard(rows), standard)
    return Process(process.kernel_, scaling, rows, targets, log)


def _spread(rows: np.ndarray) -> np.ndarray:
    """Standard deviations of columns; 1 where a column is constant."""
    sd = rows.std(axis=0)
    return np.where(sd > 0.0, sd, 1.0)


@dataclass(frozen=True)
class Boosting:
    """scikit-learn's gradient boosting, its defaults; one sd."""

    trees: Any
    sd: float

    def forecast(self, own: Lines) -> Forecast:
        rows = [
            _features(own, own.measured, use)[k]
            for k, use in enumerate(_others(own.measured.size))
        ]
        mean = self.trees.predict(np.array(rows))
        return _normal(mean, np.full(mean.shape, self.sd))


def train_boosting(lines: Lines, known: Known = None) -> Boosting:
    """The sd is that of errors in five inner folds of patients."""
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.model_selection import GroupKFold, cross_val_predict

    rows, targets, owner = _table(lines, False)
    trees = GradientBoostingRegressor(random_state=0)
    folds = GroupKFold(min(5, np.unique(owner).size))
    made = cross_val_predict(trees, rows, targets, groups=owner, cv=folds)
    sd = float(np.sqrt(np.mean((made - targets) ** 2))) or 1e-6
    return Boosting(trees.fit(rows, targets), sd)


TRAINERS: dict[str, Callable[[Lines, Known], Model]] = {
    "mechanistic": train_mechanistic,
    "gp": partial(train_process, log=False),
    "log_gp": partial(train_process, log=True),
    "hybrid": train_hybrid,
    "two_level_gp": partial(train_two_level, log=False),
    "two_level_log_gp": partial(train_two_level, log=True),
    "boosting": train_boosting,
}
