"""A twin of each patient of a table of fluid challenges, and the challenge itself.

The healthy man's circulation, scaled, with a pericardium and positive-pressure breaths;
what is free is fitted to values before the fluid, all patients in one batch. The bolus
is then given to draws from Laplace's posterior.
"""

import tomllib
from importlib.resources import files
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from scipy.stats import norm, qmc

from calibration import Experiment, Free, LogNormal, Observation, Problem, Space
from calibration.optimise.batches import in_chunks, together
from calibration.optimise.fit import Fit, fit_many
from calibration.parameters.patient_priors import REFERENCE_AREA
from cordax.cohorts.fluid_table import Patient
from cordax.progress import Progress, silent
from physio.hemodynamics.circulation import Circulation
from physio.hemodynamics.control.autoregulation import Autoregulated
from physio.hemodynamics.control.baroreflex import Baroreflex
from physio.hemodynamics.coupling import Pericardium
from physio.hemodynamics.elements.devices import peep_from_cmh2o
from physio.hemodynamics.indices.beat import (
    beat_mean,
    end_diastolic_pressure,
    net_volume,
    peak,
)
from physio.hemodynamics.loops.states import named_state, scaled_to_body
from physio.hemodynamics.treatments import fluid_bolus
from physio.parameters import get, replace
from physio.periodic import beat_map, periodic_beat, settle
from physio.system import Trajectory
from physio.units import MMHG_PER_CMH2O, PERCENT

DRAWS = 32
_STEPS = 200
_LANES = 16
_ITERATIONS = 12
_UNKNOWN = 1e4  # sd that takes a value not measured out of the likelihood
_SWING = "log_breathing_swing"
VITAL = {
    "map": "mean_pressure",
    "sv": "stroke_volume",
    "cvp": "central_venous_pressure",
}

#: What is free in a patient, and the sd of the logarithm of its prior about the
#: healthy man's: that of cordax.twins.prepare, kept here because the tuned priors go
#: with it. Compliance of the veins is not: ``retained_share`` says what a bolus meets
#: there.
_FREE = {
    "systemic.resistance": 0.45,
    "systemic_arteries.compliance": 0.45,
    "left_ventricle.active_elastance": 0.40,
    "left_ventricle.passive_elastance": 0.30,
    "right_ventricle.active_elastance": 0.30,
    "right_ventricle.passive_elastance": 0.30,
    "pulmonary.resistance": 0.40,
    "systemic_veins.unstressed_volume": 0.10,
}

Priors = dict[str, dict[str, float]]


def frozen_priors() -> Priors:
    """The priors that every run uses."""
    text = files("cordax.cohorts").joinpath("fluid_response_priors.toml").read_text()
    return tomllib.loads(text)


# --- the patient before the fluid -----------------------------------------------
def vitals(beat: Trajectory, circulation: Any) -> dict[str, Float[Array, ""]]:
    """Mean, pulse and central venous pressure (mmHg) and stroke volume (mL)."""
    t, seen = beat.t, beat.observed
    aorta, ventricle = seen.pressure["aortic_root"], seen.pressure["left_ventricle"]
    return {
        "mean_pressure": beat_mean(t, aorta),
        "pulse_pressure": peak(t, aorta) - end_diastolic_pressure(t, ventricle, aorta),
        "central_venous_pressure": beat_mean(t, seen.pressure["right_atrium"]),
        "stroke_volume": net_volume(beat, circulation, "aortic_valve"),
    }


class Breathing(eqx.Module):
    """Vital signs, and the logarithm of how much a held breath takes off the stroke.

    ``breath`` is the airway pressure of the breath above PEEP (mmHg).
    """

    breath: Float[Array, ""]

    def __call__(self, beat: Trajectory, circulation: Any) -> dict[str, Array]:
        seen = vitals(beat, circulation)
        airway = "airway.pressure_mmhg"
        inflated = get(circulation, airway) + self.breath
        held = replace(circulation, airway, inflated)
        start = jax.tree.map(lambda y: y[0], beat.y)
        periodic = settle(held, y0=start, steps_per_beat=_STEPS, max_iterations=12)
        after = periodic_beat(periodic, steps_per_beat=_STEPS)
        stroke = vitals(after, periodic.system)["stroke_volume"]
        swing = jnp.log(seen["stroke_volume"] / stroke)
        seen[_SWING] = jnp.log(jnp.where(periodic.ok & (swing > 0.0), swing, jnp.nan))
        return seen


def _model(patient: Patient, priors: Priors) -> Circulation:
    heart = priors["heart"]
    volume = jnp.asarray(heart["pericardium_volume_ml"])
    model = eqx.tree_at(
        lambda m: (m.pericardium, m.airway),
        named_state("healthy_man", reflex=False),
        (Pericardium(volume), peep_from_cmh2o(heart["peep_cmh2o"])),
        is_leaf=lambda x: x is None,
    )
    model = scaled_to_body(model, patient.body_surface / REFERENCE_AREA["male"])
    # The frozen priors were found with veins and coronary vessels that take none of the
    # pleural pressure: their breathing gain stands for it.
    for name in ("systemic_veins.pleural_share", "coronary_vessels.pleural_share"):
        model = replace(model, name, 0.0)
    return replace(model, "rhythm.rate", patient.heart_rate)


def _space(model: Circulation, priors: Priors) -> Space:
    spreads = _FREE | {"pericardium.volume": priors["heart"]["pericardium_sd_log"]}
    free = []
    for name, spread in spreads.items():
        median, far = float(get(model, name)), float(np.exp(5.0 * spread))
        prior = LogNormal(median, spread)
        free.append(Free(name, prior, lower=median / far, upper=median * far))
    return Space(tuple(free))


def observations(patient: Patient, priors: Priors) -> tuple[Observation, ...]:
    """What enters the likelihood; of SV, SVI and CI stroke volume alone does."""
    sd, seen = priors["measurement_sd"], patient.before
    stroke = patient.measured("SV")

    def one(kind: str, name: str, spread: float, usual: float, **more: Any):
        value = seen[name]
        known = value is not None
        return Observation(
            kind, value if known else usual, spread if known else _UNKNOWN, "mmHg",
            **more,
        )  # fmt: skip

    variation = seen["SVV"]
    swing = np.log((variation or 10.0) / PERCENT / priors["tuned"]["breathing_gain"])
    sd_swing = sd["stroke_volume_variation_log"] if variation else _UNKNOWN
    return (
        one("mean_pressure", "MAP", sd["mean_pressure_mmhg"], 70.0),
        one("pulse_pressure", "PP", sd["pulse_pressure_mmhg"], 50.0, site="radial"),
        one(
            "central_venous_pressure", "CVP", sd["central_venous_pressure_mmhg"], 8.0
        ),
        Observation("stroke_volume", stroke, sd["stroke_volume_share"] * stroke, "mL"),
        Observation(_SWING, swing, sd_swing, "1", discrepancy_sd=0.0),
    )  # fmt: skip


def calibrate(
    patients: list[Patient], priors: Priors, progress: Progress = silent
) -> list[Fit]:
    """Fits of all patients, one batch; nothing measured after the fluid is read."""
    models = [_model(p, priors) for p in patients]
    breath = priors["heart"]["breath_cmh2o"] * MMHG_PER_CMH2O
    experiment = Experiment(Breathing(jnp.asarray(breath)), steps_per_beat=_STEPS)
    fits = fit_many(
        models,
        [_space(m, priors) for m in models],
        [observations(p, priors) for p in patients],
        [experiment] * len(patients),
        max_iterations=_ITERATIONS,
        progress=lambda n, _: progress("fit", n / _ITERATIONS),
    )
    for patient, found in zip(patients, fits, strict=True):
        if not np.isfinite(float(found.chi2[0])):
            raise ValueError(
                f"Patient {patient.id}, line {patient.line}: no heart within the "
                "priors has these values. Check them."
            )
    return fits


# --- the fluid --------------------------------------------------------------------
class FluidDose(eqx.Module):
    """What differs between draws but the heart: reflex, tone and fluid kept (mL)."""

    gain: Array
    autoregulation: Array
    kept: Array


def challenge(model: Any, experiment: Experiment, start: Array, dose: FluidDose) -> Any:
    """Vital signs before and after the fluid, and whether both beats are sound.

    ``start`` is the flat state at which the search for the first beat begins.
    """
    y0 = ravel_pytree(model.initial_state())[1](start)
    rest, before = experiment.beat(model, y0)
    after, ok = after_fluid(model, experiment, rest.state, dose)
    return vitals(before, model), after, rest.ok & ok


def after_fluid(
    model: Any, experiment: Experiment, rest: Any, dose: FluidDose
) -> tuple[dict[str, Array], Array]:
    """Vital signs after the fluid, from the state at rest, and whether they are sound.

    The reflex is set to the pressure at rest: without the fluid nothing changes.
    """

    def awake(set_point: Array) -> Any:
        tone = Autoregulated(dose.autoregulation, Baroreflex(dose.gain, set_point))
        return replace(model, "reflex", tone)

    # the mean by the same rule as the search for the beat, so that it is at rest
    _, means = beat_map(awake(jnp.zeros(())), rest, None, _STEPS)
    treated = fluid_bolus(dose.kept, retained=1.0)(awake(means["mean_pressure"]))
    periodic, after = experiment.beat(treated, rest)
    return vitals(after, periodic.system), periodic.ok


@eqx.filter_jit
def _given(problems: Problem, z: Array, start: Array, doses: FluidDose) -> Any:
    def one(problem: Problem, z: Array, start: Array, dose: FluidDose) -> Any:
        model, experiment, _ = problem.model_at(z)
        return challenge(model, experiment, start, dose)

    return eqx.filter_vmap(one)(problems, z, start, doses)


def usual_dose(bolus: float, priors: Priors) -> FluidDose:
    """A bolus (mL) with the reflex, tone and retention of the frozen medians."""
    tuned = priors["tuned"]
    kept = bolus * tuned["retained_share"]
    values = (priors["reflex"]["gain"], tuned["autoregulation"], kept)
    return FluidDose(*(jnp.asarray(v) for v in values))


def _draws(found: Fit, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws of z from Laplace's normal, and where the search for their beats begins."""
    step = normal @ np.linalg.cholesky(np.asarray(found.covariance)).T
    slope = np.asarray(found.state_jacobian)
    return np.asarray(found.z) + step, np.asarray(found.state) + step @ slope.T


def changes(
    fits: list[Fit], bolus: float, priors: Priors, *, seed: int, draws: int = DRAWS
) -> dict[str, Float[np.ndarray, "n_case n_draw"]]:
    """Changes that the fluid makes in every draw of every patient, by quantity.

    All patients share the same points (shifted Sobol) of posterior, gain and fluid
    kept. A draw without a periodic beat takes the mean of the patient's others.
    """
    tuned, reflex = priors["tuned"], priors["reflex"]
    size = fits[0].z.size
    shift = np.random.default_rng(seed).random(size + 2)
    points = (qmc.Sobol(size + 2, scramble=False).random(draws) + shift) % 1.0
    normal = norm.ppf(np.clip(points, 1e-6, 1.0 - 1e-6))
    z, start = (
        np.concatenate(x)
        for x in zip(*(_draws(f, normal[:, :size]) for f in fits), strict=True)
    )
    arrays, static = eqx.partition(together([f.problem for f in fits]), eqx.is_array)
    arrays = jax.tree.map(lambda x: np.repeat(x, draws, axis=0), arrays)
    spread = priors["tuned_sd_log"]["retained_share"]
    share = tuned["retained_share"] * np.exp(spread * normal[:, size])
    gain = reflex["gain"] * np.exp(reflex["gain_sd_log"] * normal[:, size + 1])
    tone = np.full(draws, tuned["autoregulation"])
    doses = FluidDose(*(jnp.tile(x, len(fits)) for x in (gain, tone, bolus * share)))
    before, after, ok = in_chunks(
        lambda a, z, y, dose: _given(eqx.combine(a, static), z, y, dose),
        _LANES, arrays, z, start, doses,
    )  # fmt: skip
    return {
        name: _filled((after[key] - before[key]).reshape(len(fits), draws), ok)
        for name, key in VITAL.items()
    }


def _filled(change: np.ndarray, ok: np.ndarray) -> np.ndarray:
    good = ok.reshape(change.shape) & np.isfinite(change)
    if (good.mean(axis=1) < 0.5).any():
        raise ValueError(
            "More than half of a patient's draws find no periodic beat after the "
            "fluid: the bolus is beyond what this heart bears. Try a smaller --bolus."
        )
    mean = (np.where(good, change, 0.0).sum(1) / good.sum(1))[:, None]
    return np.where(good, change, mean)


BOLUS = 250.0  # mL; the study's table does not state it
