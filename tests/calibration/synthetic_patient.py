"""One synthetic patient for all tests of calibration: few compiled programs."""

import jax.numpy as jnp
import numpy as np

from calibration import (
    Experiment,
    Free,
    LogNormal,
    Normal,
    Observation,
    Problem,
    Space,
    TruncatedNormal,
    Waveform,
)
from calibration.optimise.batches import predict_many
from physio.hemodynamics.indices.beat import beat_mean, net_volume
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.units import ML_PER_L, PERCENT, S_PER_MIN


def few_features(beat, circulation):
    """The few indices these tests use: quicker to compile than all of them."""
    t, seen = beat.t, beat.observed
    aorta, lv = seen.pressure["systemic_arteries"], seen.volume["left_ventricle"]
    stroke = net_volume(beat, circulation, "aortic_valve")
    return {
        "heart_rate": S_PER_MIN / (t[-1] - t[0]),
        "mean_pressure": beat_mean(t, aorta),
        "central_venous_pressure": beat_mean(t, seen.pressure["right_atrium"]),
        "cardiac_output": stroke / (t[-1] - t[0]) * S_PER_MIN / ML_PER_L,
        "lv_ejection_fraction": PERCENT * (1.0 - jnp.min(lv) / jnp.max(lv)),
        "systemic_resistance": beat_mean(t, aorta) / stroke,
    }


SPACE = Space(
    (
        Free("systemic.resistance", LogNormal(0.8, 0.25)),
        Free("systemic_arteries.compliance", LogNormal(1.2, 0.25), 0.4, 4.0),
        Free("left_ventricle.active_elastance", LogNormal(2.75, 0.25)),
        Free("blood_volume", TruncatedNormal(3020.0, 250.0, 2000.0, 4000.0)),
        Free("rhythm.rate", Normal(74.0, 2.0)),
        Free("radial_shift", Normal(0.0, 0.01), of="nuisance", unit="s"),
    )
)
TRUTH = jnp.asarray([0.8, -0.7, -0.6, 0.5, 0.4, 0.6])
PHASE = np.arange(64) / 64
KINDS = {  # kind: sd, unit
    "heart_rate": (0.5, "1/min"),
    "cardiac_output": (0.25, "L/min"),
    "central_venous_pressure": (0.5, "mmHg"),
    "lv_ejection_fraction": (2.5, "%"),
}


def observed(values, wave, resistance):
    """The observations of a patient from the values of ``KINDS`` and a radial beat."""
    period = 60.0 / float(values["heart_rate"])
    numbers = tuple(
        Observation(kind, values[kind], sd, unit, discrepancy_sd=0.0)
        for kind, (sd, unit) in KINDS.items()
    )
    beat = Waveform(
        "pressure.systemic_arteries", PHASE * period, wave, 2.0, period, site="radial",
        shift="radial_shift", discrepancy_sd=0.0,
    )  # fmt: skip
    check = Observation("systemic_resistance", resistance, 0.1, "mmHg/mL")
    return (*numbers, beat, check)


def problem_at(z, noise=0.0):
    """A patient whose measurements are the model's at z plus noise in sd."""
    blank = Problem(
        regazzoni(), SPACE, observed(dict.fromkeys(KINDS, 75.0), 90.0 + PHASE, 1.0),
        Experiment(few_features),
    )  # fmt: skip
    start = np.asarray(blank.start())[None]
    _, seen = predict_many(blank, np.asarray(z)[None], start)
    assert seen.ok.all()
    *numbers, wave, resistance = (v[0] for v in seen.values)
    noise = np.broadcast_to(noise, (len(KINDS) + PHASE.size,))
    values = {
        kind: float(number) + sd * noise[k]
        for k, ((kind, (sd, _)), number) in enumerate(
            zip(KINDS.items(), numbers, strict=True)
        )
    }
    wave = wave + 2.0 * noise[len(KINDS) :]
    seen = observed(values, wave, float(resistance))
    return Problem(blank.model, SPACE, seen, blank.experiment)
