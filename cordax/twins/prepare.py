"""From a patient record to what a fit starts with.

The stated condition picks a named circulation; body size, age and sex scale it; the
record's numbers and waveforms become observations. Everything assumed on the way is
written down in words.
"""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp

import calibration
from calibration.observations.independence import Observations
from calibration.observations.kinds import KINDS
from calibration.observations.numbers import Observation
from calibration.observations.relations import KNOWN
from calibration.observations.waveforms import Waveform
from calibration.parameters.patient_priors import (
    _ANAESTHESIA,
    _FILLING,
    _FREE_BY_WAVE,
    _FREE_TRANSFER,
    ANAESTHETISED_GAIN,
    AWAKE_GAIN,
    FREE,
    FREE_BY_CONDITION,
    REFERENCE_AREA,
    STRESS_RELAXATION,
    _free,
    _stiffness,
)
from calibration.parameters.priors import LogNormal, Normal
from calibration.parameters.space import Free, Space
from calibration.problems.circulation import Experiment, Indices
from cordax.records.record import Record, RecordedWaveform
from cordax.twins.features import Seen
from learned.storage.file import LearnedError
from learned.storage.hybrid import Learned
from learned.terms.residual import NeuralResidual
from physio.hemodynamics.circulation import Circulation
from physio.hemodynamics.loops.states import named_state, scaled_to_body
from physio.parameters import get, replace

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


@dataclass(frozen=True)
class Start:
    """What a fit starts with, and what was assumed.

    ``model`` and ``experiment`` (an ``AbstractExperiment``) are a circulation's unless
    replaced by your own.
    """

    model: Any
    space: Space
    observations: Observations
    experiment: Any
    state: str
    reflex_gain: LogNormal
    reflex: str
    body_surface_area: float
    assumptions: list[str] = field(default_factory=list)


def _state_name(record: Record) -> str:
    from cordax.scenarios.names import STATES

    for condition in record.conditions:
        if condition in STATES:
            return condition
    return "healthy_woman" if record.sex == "female" else "healthy_man"


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
    extra = (STRESS_RELAXATION - 1.0) * get(model, veins) * _FILLING
    model = replace(model, veins, STRESS_RELAXATION * get(model, veins))
    model = replace(model, stressed, get(model, stressed) - extra)
    said.append(
        f"Venous compliance x {STRESS_RELAXATION:g} for stress relaxation within "
        "minutes, "
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
        if KINDS[m.kind].index is None:
            if m.kind not in KNOWN:
                said.append(f"{m.kind} is not compared: {KINDS[m.kind].without_index}.")
            continue
        found.append(
            Observation(
                m.kind, m.value, m.sd, m.unit,
                m.site, role=m.role,
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
            "residual writes; in Python: cordax.twins.prepare.start(record, model=...)"
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
