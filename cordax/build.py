"""From a patient record to what a fit starts with.

The stated condition picks a named circulation; body size, age and sex scale it; the
record's numbers and waveforms become observations. Everything assumed on the way is
written down in words.
"""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

import calibration
from calibration.misfit import Experiment, Indices
from calibration.observations import ARTERIAL, Observation, Observations, Waveform
from calibration.priors import LogNormal, Normal
from calibration.space import Free, Space
from cordax.record import Record
from cordax.record import Waveform as RecordedWaveform
from cordax.seen import Seen
from learned.residual import NeuralResidual
from learned.storage import Learned, LearnedError
from physio.hemodynamics.circulation import Circulation
from physio.hemodynamics.states import named_state, scaled_to_body
from physio.parameters import get, parameters, replace

#: Body surface (m^2) for which the named states are given.
REFERENCE_AREA = {"male": 1.95, "female": 1.70}

#: Pulse wave velocity by age, Mattace-Raso 2010, 10.1093/eurheartj/ehq165 (normal).
_AGES = (25.0, 35.0, 45.0, 55.0, 65.0, 75.0)
_VELOCITIES = (6.2, 6.5, 7.2, 8.3, 10.3, 10.9)
_REFERENCE_AGE = 55.0

#: What is free, and the spread of its prior (sd of the logarithm): wide enough that
#: the 90 % interval spans a factor of two to four, since a patient is not the average.
FREE: dict[str, float] = {
    "systemic.resistance": 0.45,
    "systemic_arteries.compliance": 0.45,
    "left_ventricle.active_elastance": 0.40,
    "left_ventricle.passive_elastance": 0.30,
    "right_ventricle.active_elastance": 0.30,
    "right_ventricle.passive_elastance": 0.30,
    "pulmonary.resistance": 0.40,
    "systemic_veins.unstressed_volume": 0.10,
    "systemic_veins.compliance": 0.50,
}

#: Veins yield within minutes (stress relaxation), so a volume moves pressures less than
#: the compliance at once says; the prior is centred on this multiple of it, wide, and
#: nothing measured at rest tells it. Rothe 1983, 10.1152/physrev.1983.63.4.1281.
_YIELDING = 2.0
_FILLING = 6.0  # mmHg, venous pressure at which the blood held stays the same
#: What a condition frees besides.
FREE_BY_CONDITION: dict[str, dict[str, float]] = {
    "aortic_stenosis": {"aortic_valve.open_area": 0.40},
    "aortic_regurgitation": {"aortic_valve.leak_area": 0.50},
    "mitral_regurgitation": {"mitral_valve.leak_area": 0.50},
    "mitral_stenosis": {"mitral_valve.open_area": 0.40},
}

#: Gain of the reflex, (median, sd of the logarithm): awake, and blunted by
#: anaesthesia (Tanaka & Nishikawa 1999, 10.1093/bja/82.6.926: a fifth to a half).
AWAKE_GAIN = (0.6, 0.5)
ANAESTHETISED_GAIN = (0.12, 0.7)

#: What the model calls a recorded signal, and the time (s) from the activation of the
#: ventricles to the foot of its pulse: pre-ejection 0.07 s (Weissler 1968,
#: 10.1161/01.CIR.37.2.149, less the electromechanical delay), 0.08 s to the wrist. A
#: signal without a foot shares the clock of the arterial pulse in its file.
_SIGNALS: dict[str, tuple[str, float | None]] = {
    "arterial_pressure": ("pressure.systemic_arteries", 0.15),
    "pulmonary_artery_pressure": ("pressure.pulmonary_arteries", 0.08),
    "lv_pressure": ("pressure.left_ventricle", 0.03),
    "lv_volume": ("volume.left_ventricle", None),
    "central_venous_pressure": ("pressure.right_atrium", None),
}
_CLOCK_SD = 0.05  # s
#: A waveform tells of the limb and of how fast the heart contracts: freed with it.
_FREE_BY_WAVE: dict[str, float] = {
    "aortic_root.compliance": 0.40,
    "ventricles.contraction": 0.15,
    "ventricles.relaxation": 0.15,
}
_FREE_TRANSFER: dict[str, float] = {"delay": 0.30, "reflection": 0.50}

#: What general anaesthesia does to the prior medians. Contractility: end-systolic
#: elastance falls by a fifth to two fifths at one minimum alveolar concentration;
#: resistance by about a fifth. Judgement of this project, inside its spread.
_ANAESTHESIA: dict[str, float] = {
    "left_ventricle.active_elastance": 0.70,
    "right_ventricle.active_elastance": 0.70,
    "systemic.resistance": 0.80,
}


@dataclass(frozen=True)
class Start:
    """What a fit starts with, and what was assumed."""

    model: Any
    space: Space
    observations: Observations
    experiment: Experiment
    state: str
    reflex_gain: LogNormal
    reflex: str
    body_surface_area: float
    assumptions: list[str] = field(default_factory=list)


def _state_name(record: Record) -> str:
    from cordax.names import STATES

    for condition in record.conditions:
        if condition in STATES:
            return condition
    return "healthy_woman" if record.sex == "female" else "healthy_man"


def _stiffness(age: float) -> float:
    """Arterial compliance at an age over that at the reference age."""
    velocity = np.interp(age, _AGES, _VELOCITIES)
    return float((np.interp(_REFERENCE_AGE, _AGES, _VELOCITIES) / velocity) ** 2)


def _model(record: Record, state: str, said: list[str]) -> tuple[Circulation, float]:
    sex = "female" if record.sex == "female" else "male"
    reference = REFERENCE_AREA[sex]
    area = record.body_surface_area_m2
    if area is None:
        area = reference
        said.append(f"Body surface not given: {reference:g} m² assumed.")
    model = scaled_to_body(named_state(state, reflex=False), area / reference)
    said.append(f"Start: the circulation {state!r} at {area:.2f} m².")
    if record.age_years is not None and state.startswith("healthy"):
        factor = _stiffness(record.age_years)
        for name in ("systemic_arteries.compliance", "aortic_root.compliance"):
            model = replace(model, name, get(model, name) * factor)
        said.append(
            f"Arterial compliance x {factor:.2f} for {record.age_years:g} years."
        )
    if record.has("anaesthetised"):
        for name, factor in _ANAESTHESIA.items():
            model = replace(model, name, get(model, name) * factor)
        told = ", ".join(
            f"{name} x {factor:g}" for name, factor in _ANAESTHESIA.items()
        )
        said.append(f"Anaesthesia moves the medians of priors: {told}.")
    veins = "systemic_veins.compliance"
    stressed = "systemic_veins.unstressed_volume"
    extra = (_YIELDING - 1.0) * get(model, veins) * _FILLING
    model = replace(model, veins, _YIELDING * get(model, veins))
    model = replace(model, stressed, get(model, stressed) - extra)
    said.append(
        f"Venous compliance x {_YIELDING:g} for stress relaxation within minutes, "
        "with a wide prior."
    )
    model = replace(model, "rhythm.rate", record.heart_rate)
    said.append(f"Heart rate {record.heart_rate:g} /min is taken as it is.")
    return model, area


def _shift(wave: RecordedWaveform) -> str:
    return f"{wave.site or wave.signal}_shift"


def _activation(wave: RecordedWaveform, record: Record) -> tuple[float, float]:
    """When the ventricles were activated on a recorded beat's clock, and its sd (s)."""
    lag = _SIGNALS[wave.signal][1]
    if lag is not None:
        return wave.foot_s - lag, _CLOCK_SD
    for other in record.waveforms:
        if other.file == wave.file and other.signal == "arterial_pressure":
            return _activation(other, record)
    return 0.0, 0.25 * wave.period_s


def _wave(wave: RecordedWaveform, record: Record) -> Waveform:
    fitted = wave.role == "likelihood"
    arterial = wave.signal == "arterial_pressure"
    return Waveform(
        _SIGNALS[wave.signal][0],
        wave.beat_time_s,
        wave.beat,
        wave.sd,
        wave.period_s,
        wave.unit,
        site=(wave.site or "aortic") if arterial else "",
        shift=_shift(wave) if fitted else _activation(wave, record)[0],
        role=wave.role,
    )


def _free(model: Any, name: str, spread: float, of: str = "model") -> Free:
    """A parameter with a log-normal prior about what it is in ``model``."""
    value = float(get(model, name))
    return Free(
        name,
        LogNormal(value, spread),
        lower=value * float(np.exp(-5.0 * spread)),
        upper=value * float(np.exp(5.0 * spread)),
        of=of,
        unit=parameters(model)[name].unit,
    )


def _freed_by_waves(record: Record, model: Any, experiment: Experiment) -> list[Free]:
    """What is free besides where whole beats are fitted: timing, limbs, clocks."""
    waves = [w for w in record.waveforms if w.role == "likelihood"]
    if not waves:
        return []
    found = [_free(model, name, spread) for name, spread in _FREE_BY_WAVE.items()]
    for wave in waves:
        if wave.site in experiment.transfers:
            found += [
                _free(experiment, f"transfers.{wave.site}.{name}", spread, "experiment")
                for name, spread in _FREE_TRANSFER.items()
            ]
        clock = Normal(*_activation(wave, record))
        found.append(Free(_shift(wave), clock, of="nuisance", unit="s"))
    return found


def _observations(record: Record, area: float, said: list[str]) -> Observations:
    found: list[Observation | Waveform] = []
    for m in record.measurements:
        if m.kind in ("heart_rate", "aortic_valve_area"):
            continue
        found.append(
            Observation(
                m.kind, m.value, m.sd, m.unit,
                m.site if m.kind in ARTERIAL else "", role=m.role,
            )
        )  # fmt: skip
        if not m.given_sd:
            said.append(f"{m.kind}: standard deviation {m.sd:.3g} {m.unit} assumed.")
    waves = [_wave(wave, record) for wave in record.waveforms]
    return calibration.independent((*found, *waves))


def _require_residual(learned: Learned) -> None:
    if not isinstance(learned.part, NeuralResidual):
        raise LearnedError(
            f"A {type(learned.part).__name__} is not a residual. Use what cordax learn "
            "residual writes; in Python: cordax.build.start(record, model=...)"
        )


def _told(residual: Learned) -> str:
    """What a learned residual adds and where, for the assumptions."""
    part = residual.part
    flows = ", ".join(
        f"{name} within ±{float(most):g} {unit}"
        for name, unit, most in zip(
            part.outputs, part.units, part.network.scale, strict=True
        )
    )
    return (
        f"A learned residual adds flows ({flows}) as a function of "
        f"{', '.join(part.range.names)}; outside the range it was learned in the "
        "mechanistic model answers."
    )


def start(
    record: Record,
    *,
    model: Any = None,
    residual: Learned | None = None,
) -> Start:
    """The model, the free parameters and the observations of a record.

    ``model`` takes the place of the named circulation, as it is; a learned ``residual``
    is added to it. Raises ``LearnedError`` where the residual does not fit the model.
    """
    said: list[str] = []
    state = _state_name(record)
    built, area = _model(record, state, said)
    model = built if model is None else model
    if residual is not None:
        _require_residual(residual)
        model = residual.onto(model)
        said.append(_told(residual))
    observations = _observations(record, area, said)
    spreads = FREE | FREE_BY_CONDITION.get(state, {})
    experiment = Experiment(Seen(Indices(area)), steps_per_beat=300)
    free = [_free(model, name, spread) for name, spread in spreads.items()]
    free += _freed_by_waves(record, model, experiment)
    asleep = record.has("anaesthetised")
    gain = ANAESTHETISED_GAIN if asleep else AWAKE_GAIN
    return Start(
        model=model,
        space=Space(tuple(free)),
        observations=observations,
        experiment=experiment,
        state=state,
        reflex_gain=LogNormal(*gain),
        reflex="blunted" if asleep else "on",
        body_surface_area=float(jnp.asarray(area)),
        assumptions=said,
    )
