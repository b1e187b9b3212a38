"""A twin whose posterior is known: predictions linear in what is free, normal errors.

Everything after the fit is cordax's own: sampling, what-if, report, tables. What they
should show is computed here from the two matrices alone.

    x = m0 + s0 z,  y = A x + error:  cov z = (I + G' S^-1 G)^-1 with G = A s0
"""

import dataclasses
from statistics import NormalDist
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from calibration import Free, Normal, Space, fit
from calibration.problems.problem import AbstractExperiment, Prediction
from calibration.sampling.posterior import Posterior, sample_fit
from cordax.records import examine
from cordax.twins import prepare
from cordax.twins.calibrate import _made
from cordax.twins.features import SENSED, WAVE
from cordax.twins.twin import Twin
from physio.parameters import param

RECORD = """
[patient]
id = "linear"

[measurements]
arterial_pressure_site = "aortic"
heart_rate_bpm = 75
mean_pressure_mmhg = 80
mean_pressure_sd_mmhg = 2.5
central_venous_pressure_mmhg = 9.2
central_venous_pressure_sd_mmhg = 1.0
cardiac_output_l_min = 5.4
cardiac_output_sd_l_min = 0.4
stroke_volume_ml = 70
stroke_volume_sd_ml = 8
"""
FREE = {"systemic.resistance": (1.0, 0.25), "blood_volume": (5000.0, 600.0)}
#: What an index gains by 1 mmHg s/mL of resistance, and by 1 mL of blood.
SLOPES = {
    "mean_pressure": (60.0, 0.006),
    "central_venous_pressure": (0.0, 0.0016),
    "cardiac_output": (-1.0, 0.0012),
    "stroke_volume": (-1000.0 / 75.0, 1.2 / 75.0),
}
FITTED = ("mean_pressure", "central_venous_pressure", "cardiac_output")
RATE, RATE_BY_GAIN = 75.0, 10.0
SEED, DRAWS = 7, 4095


class Vessels(eqx.Module):
    """What resists."""

    resistance: Any = param(1.0, unit="mmHg s/mL", source="this test", doc="arterioles")


class Linear(eqx.Module):
    """Names of a circulation, none of its equations."""

    systemic: Vessels = eqx.field(default_factory=Vessels)
    blood_volume: Any = param(5000.0, unit="mL", source="this test", doc="all blood")
    reflex: Any = None

    def initial_state(self):
        return jnp.zeros(0)


class LinearExperiment(AbstractExperiment):
    """Every index as ``SLOPES`` say; the reflex adds its gain to the heart rate."""

    def start(self, model):
        return ravel_pytree(model.initial_state())[0]

    def predict(self, model, observations, nuisances=None, y0=None):
        x = jnp.stack([model.systemic.resistance, model.blood_volume])
        found = {k: jnp.dot(jnp.asarray(a), x) for k, a in SLOPES.items()}
        gain = 0.0 if model.reflex is None else model.reflex.gain
        found["heart_rate"] = RATE + RATE_BY_GAIN * gain + 0.0 * x[0]
        found[SENSED] = found["mean_pressure"]
        phase = jnp.linspace(0.0, 1.0, 101)
        found[f"{WAVE}time"] = 60.0 / RATE * phase
        for chamber in ("aortic_root", "left_ventricle", "right_ventricle"):
            wave = found["mean_pressure"] * (1.0 + 0.2 * jnp.sin(2 * jnp.pi * phase))
            found[f"{WAVE}pressure.{chamber}"] = wave
            wave = found["stroke_volume"] * (1.0 + 0.5 * jnp.cos(2 * jnp.pi * phase))
            found[f"{WAVE}volume.{chamber}"] = wave
        venous = found["central_venous_pressure"] * (1.0 + 0.0 * phase)
        found[f"{WAVE}pressure.right_atrium"] = venous
        values = tuple(found[o.kind] for o in observations)
        return Prediction(values, found, jnp.zeros(0), jnp.asarray(True))

    def check(self, model, observations):
        pass


class Known(NamedTuple):
    """A normal quantity: mean and sd."""

    mean: float
    sd: float

    def interval(self, level: float = 0.9) -> tuple[float, float, float]:
        """Median and ends of the central interval."""
        half = self.sd * NormalDist().inv_cdf(0.5 + 0.5 * level)
        return self.mean, self.mean - half, self.mean + half


@dataclasses.dataclass(frozen=True)
class Answer:
    """The exact posterior of x, from the record's numbers and ``SLOPES`` alone."""

    mean: np.ndarray
    covariance: np.ndarray
    sd_z: np.ndarray

    @classmethod
    def of(cls, measured: dict[str, tuple[float, float]]) -> "Answer":
        """``measured``: value and whole sd of every index in ``FITTED``."""
        m0, s0 = np.array(list(FREE.values())).T
        a = np.array([SLOPES[k] for k in FITTED])
        y, sd = np.array([measured[k] for k in FITTED]).T
        g = a * s0 / sd[:, None]
        covariance = np.linalg.inv(np.eye(2) + g.T @ g)
        z = covariance @ g.T @ ((y - a @ m0) / sd)
        scale = np.diag(s0)
        sd_z = np.sqrt(np.diag(covariance))
        return cls(m0 + s0 * z, scale @ covariance @ scale, sd_z)

    def of_index(self, name: str) -> Known:
        """An index of the beat at rest."""
        return self.along(np.array(SLOPES[name]))

    def along(self, row: np.ndarray, shift: float = 0.0, noise: float = 0.0) -> Known:
        """row . x + shift, with an independent error of sd ``noise``."""
        variance = row @ self.covariance @ row + noise**2
        return Known(float(row @ self.mean) + shift, float(np.sqrt(variance)))


def made(path) -> tuple[Posterior, Twin]:
    """The posterior and the twin of ``RECORD``, written at a path."""
    path.write_text(RECORD)
    record = examine.read(path)
    space = Space(tuple(Free(k, Normal(*v), unit=u) for (k, v), u in zip(
        FREE.items(), ("mmHg s/mL", "mL"), strict=True)))  # fmt: skip
    start = dataclasses.replace(
        prepare.start(record), model=Linear(), space=space,
        experiment=LinearExperiment(),
    )  # fmt: skip
    key = jax.random.key(SEED)
    found = fit(
        start.model, start.space, start.observations, start.experiment, starts=2,
        key=key,
    )  # fmt: skip
    posterior = sample_fit(found, key=key, draws=DRAWS, ess=4000.0)
    return posterior, _made(record, start, found, posterior, SEED, None, None)
