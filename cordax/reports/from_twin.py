"""From a twin to what its report shows: rows, panels, assumptions in words."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.observations.numbers import Observation
from calibration.observations.waveforms import Waveform
from calibration.sampling.diagnostics import judged
from calibration.sampling.interval import Interval, interval
from cordax.reports.data import (
    AddedRow,
    DiagnosticRow,
    HybridPart,
    IndexRow,
    LoopPanel,
    MovedRow,
    ObservationRow,
    ParameterRow,
    ReportData,
    WaveformPanel,
    WhatIfTable,
)
from cordax.reports.healthy_ranges import published
from cordax.twins.features import difference
from cordax.twins.learned_range import flag, input_rows
from cordax.twins.what_if import WhatIf
from physio.files import versions
from physio.hemodynamics.indices.beat import UNITS
from physio.parameters import parameters

if TYPE_CHECKING:
    from cordax.twins.twin import Twin

_PRIOR_ONLY = 0.9  # posterior over prior sd from which the data said next to nothing
_LEFT, _RIGHT = "left_ventricle", "right_ventricle"

#: What the model leaves out, said in every report.
LIMITS = (
    "The circulation is a lumped loop: no wave travel; arterial pressures away from "
    "the aorta pass a transfer element that is not the patient's own.",
    "Calibrated with the reflex at rest; a what-if lets it act about the patient's own "
    "mean pressure, with a gain from its prior: nothing measured at rest tells it.",
    "A bolus counts with 70 % of its volume, as at the end of the infusion; what it "
    "does fades within the hour, and is not shown fading.",
    "A what-if is a new steady state: minutes, not hours; no hormones, no kidneys.",
)


def observation_rows(twin: "Twin") -> tuple[ObservationRow, ...]:
    """Every number measured, beside its posterior predictive."""
    rows = []
    for o, value in zip(twin.start.observations, twin.rest.values, strict=True):
        if not isinstance(o, Observation):
            continue
        predicted = interval(value[1:])
        sd = float(o.total_sd)
        residual = (float(o.value) - predicted[0]) / sd
        rows.append(
            ObservationRow(
                o.kind, float(o.value), float(o.sd), o.unit, predicted, residual,
                float(o.discrepancy_sd), o.role, f"at the {o.site}" if o.site else "",
            )
        )  # fmt: skip
    return tuple(rows)


def parameter_rows(twin: "Twin") -> tuple[ParameterRow, ...]:
    """Every free parameter before and after the data, and the reflex's gain."""
    import jax
    import jax.numpy as jnp

    space = twin.start.space
    known = parameters(twin.start.model)
    after = jax.vmap(space.physical)(jnp.asarray(twin.draws))
    middle, low, high = (space.quantiles(p) for p in (0.5, 0.05, 0.95))
    rows = []
    for k, free in enumerate(space.free):
        name = free.name
        prior = Interval(*(float(q[name]) for q in (middle, low, high)))
        about = known.get(free.name)
        meaning = about.doc if about else "start of the model's beat in the recording"
        rows.append(
            ParameterRow(
                free.name, free.unit, prior, interval(after[free.name]),
                float(twin.sd_ratio[k]), meaning, about.source if about else "",
            )
        )  # fmt: skip
    gain = interval(twin.gains)
    return *rows, ParameterRow(
        "reflex.gain", "1", gain, gain, 1.0, "strength of the baroreflex", ""
    )


_TITLES = {
    "pressure.systemic_arteries": "Arterial pressure",
    "pressure.right_atrium": "Central venous pressure",
    "pressure.pulmonary_arteries": "Pulmonary artery pressure",
    "pressure.left_ventricle": "Left ventricular pressure",
    "volume.left_ventricle": "Left ventricular volume",
}


def _later(wave: Waveform, values: Any, by: float) -> np.ndarray:
    """Predicted beats, samples last, as they are ``by`` seconds later."""
    t, period = np.asarray(wave.t), float(wave.period)
    rows = np.atleast_2d(values)
    return np.stack([np.interp(t - by, t, row, period=period) for row in rows])


def _rms(wave: Waveform, predicted: Any) -> float:
    return float(np.sqrt(np.mean((predicted - np.asarray(wave.values)) ** 2)))


def _delay(seen: list[tuple[Waveform, Any]]) -> float:
    """By how much the compared beats lag the model's clock (s), from the arterial one.

    A recording's clock is its own: a beat that was not fitted is compared after the
    best common shift, at most a tenth of a second.
    """
    arterial = [pair for pair in seen if pair[0].site]
    wave, value = (arterial or seen)[0]
    trials = np.arange(-0.1, 0.1005, 0.002)
    return float(min(trials, key=lambda by: _rms(wave, _later(wave, value[0], by)[0])))


def _waveforms(twin: "Twin") -> tuple[WaveformPanel, ...]:
    panels = []
    pairs = zip(twin.start.observations, twin.rest.values, strict=True)
    seen = [(o, value) for o, value in pairs if isinstance(o, Waveform)]
    compared = [pair for pair in seen if pair[0].role != "likelihood"]
    by = _delay(compared) if compared else 0.0
    for o, value in seen:
        fitted = o.role == "likelihood"
        value = np.asarray(value) if fitted else _later(o, value, by)
        middle, low, high = interval(value[1:])
        title = _TITLES.get(o.kind, o.kind) + (f", {o.site}" if o.site else "")
        t, measured = np.asarray(o.t), np.asarray(o.values)
        panels.append(
            WaveformPanel(
                title, o.unit, t, middle, low, high, t, measured, _rms(o, value[0]),
                fitted,
            )
        )  # fmt: skip
    waves = {k: np.asarray(v) for k, v in twin.rest.waves.items()}
    for key, title in (
        ("pressure.aortic_root", "Aortic pressure"),
        ("pressure.left_ventricle", "Left ventricular pressure"),
        ("pressure.right_atrium", "Right atrial pressure"),
    ):
        middle, low, high = interval(waves[key][1:])
        panels.append(WaveformPanel(title, "mmHg", waves["time"][0], middle, low, high))
    return tuple(panels)


def _loops(twin: "Twin") -> tuple[LoopPanel, ...]:
    asked = twin.what_ifs[-1] if twin.what_ifs else None
    panels = []
    for chamber in (_LEFT, _RIGHT):
        volume, pressure = f"volume.{chamber}", f"pressure.{chamber}"
        rows = np.flatnonzero(np.asarray(twin.rest.ok if not asked else asked.good))
        more = {}
        if asked:
            more = {
                "after_volume": asked.waves[volume][rows],
                "after_pressure": asked.waves[pressure][rows],
                "after_title": f"after {asked.title}",
            }
        waves = {k: np.asarray(v) for k, v in twin.rest.waves.items()}
        panels.append(
            LoopPanel(
                chamber.replace("_", " ").capitalize(),
                waves[volume][rows], waves[pressure][rows], **more,
            )
        )  # fmt: skip
    return tuple(panels)


def _indices(twin: "Twin") -> tuple[IndexRow, ...]:
    # what was measured at a limb is compared there; the index is that of the aorta
    measured = {o.kind for o in twin.start.observations if o.site in ("", "aortic")}
    rows = []
    for name, unit in UNITS.items():
        values = twin.rest.features.get(name)
        if values is None or not np.isfinite(values).all() or not np.any(values):
            continue
        between, source = published(name, twin.record.sex) or (None, "")
        rows.append(
            IndexRow(
                name, unit, interval(values[1:]), between, source,
                measured=name in measured,
            )
        )  # fmt: skip
    return tuple(rows)


def _seen(twin: "Twin") -> tuple[str, ...]:
    said = []
    for row in parameter_rows(twin):
        share = 100.0 * (1.0 - row.sd_ratio)
        if row.name == "reflex.gain":
            said.append(
                "reflex.gain: prior only. Nothing measured at rest tells how strong "
                "the reflex is; every what-if carries that uncertainty."
            )
        elif row.sd_ratio > _PRIOR_ONLY:
            said.append(
                f"{row.name}: prior only. The data narrow it by {share:.0f} %; what "
                "is shown is what was assumed."
            )
        elif row.sd_ratio > 0.5:
            said.append(
                f"{row.name}: partly seen; the data narrow it by {share:.0f} %."
            )
        else:
            said.append(f"{row.name}: identified; the data narrow it by {share:.0f} %.")
    return tuple(said)


def _whatifs(twin: "Twin") -> tuple[WhatIfTable, ...]:
    def note(found: WhatIf) -> str:
        lost = f", {found.draws_lost} without a beat" if found.draws_lost else ""
        return f"{found.draws} draws{lost}"

    return tuple(WhatIfTable(w.title, w.reflex, w.rows, note(w)) for w in twin.what_ifs)


def _patient(twin: "Twin") -> dict[str, str]:
    r = twin.record
    lines: dict[str, Any] = {
        "Patient": r.id,
        "Age": f"{r.age_years:g} years" if r.age_years is not None else None,
        "Sex": r.sex,
        "Body surface": f"{twin.start.body_surface_area:.2f} m²",
        "Heart rate": f"{r.heart_rate:g} /min",
        "Condition": ", ".join(r.conditions) or None,
        "Circulation": twin.start.state,
        "Note": r.note or None,
    }
    return {k: str(v) for k, v in lines.items() if v is not None}


def diagnostics_of(told: dict[str, Any]) -> tuple[DiagnosticRow, ...]:
    """How the posterior was drawn, and every figure of the sampler with its judgement.

    ``told``: those of a twin.
    """
    own = {"method", "chi2", "starts", "starts_converged"}
    converged, starts = told.get("starts_converged"), told.get("starts")
    rows = []
    if "method" in told:
        rows.append(
            DiagnosticRow(
                "method", str(told["method"]), None, "how the draws were made"
            )
        )
    if "chi2" in told:
        meaning = "misfit and distance from the prior, in sd squared"
        rows.append(DiagnosticRow("chi2", f"{told['chi2']:.3g}", None, meaning))
    if converged is not None:
        of = f" of {starts}" if starts is not None else ""
        meaning = "starts of the fit that converged"
        rows.append(DiagnosticRow("starts", f"{converged}{of}", converged > 0, meaning))
    figures = {k: float(v) for k, v in told.items() if k not in own}
    rows += [
        DiagnosticRow(d.name, f"{d.value:.4g}", d.good, d.meaning)
        for d in judged(figures, "periodic beat")
    ]
    return tuple(rows)


def report_data(twin: "Twin") -> ReportData:
    """Everything the report shows."""
    record = twin.record
    return ReportData(
        title=f"Twin of {record.id}",
        patient=_patient(twin),
        verdict=twin.verdict,
        observations=observation_rows(twin),
        indices=_indices(twin),
        parameters=parameter_rows(twin),
        seed=twin.seed,
        versions=versions(),
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        waveforms=_waveforms(twin),
        loops=_loops(twin),
        identifiability=_seen(twin),
        whatifs=_whatifs(twin),
        assumptions=(*twin.start.assumptions, *LIMITS),
        diagnostics=diagnostics_of(twin.diagnostics),
        hybrid=hybrid_part(twin),
        warnings=tuple(str(w) for w in record.warnings),
        source=record.source,
        command=f"cordax fit {record.path or record.id} --seed {twin.seed}",
    )


_HARDLY = 0.1  # posterior sd by which a parameter has hardly moved


def _added(twin: "Twin") -> tuple[AddedRow, ...]:
    rows, plain = [], twin.mechanistic_rest
    good = np.asarray(twin.rest.ok & plain.ok)
    good[0] = False  # the most probable is no draw
    for name, unit in UNITS.items():
        if name not in twin.rest.features or name not in plain.features:
            continue
        both = [np.asarray(d.features[name])[good] for d in (twin.rest, plain)]
        if np.isfinite(both).all() and np.any(both):
            rows.append(
                AddedRow(name, unit, interval(both[0]), interval(difference(*both)))
            )
    return tuple(rows)


def _moved(twin: "Twin") -> tuple[MovedRow, ...]:
    import jax.numpy as jnp

    if twin.plain_z is None:
        return ()
    space = twin.start.space
    without = space.physical(jnp.asarray(twin.plain_z))
    within = space.physical(jnp.asarray(twin.z))
    shift = (twin.z - twin.plain_z) / twin.sd_ratio
    rows = [
        MovedRow(
            f.name, f.unit, float(without[f.name]), float(within[f.name]), float(by)
        )
        for f, by in zip(space.free, shift, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -abs(row.moved)))


def hybrid_part(twin: "Twin") -> HybridPart | None:
    """What the report shows of a twin's residual; None without one."""
    if twin.residual is None:
        return None
    residual = twin.residual
    asked = tuple((w.title, w.inputs) for w in twin.what_ifs)
    return HybridPart(
        _added(twin),
        input_rows(residual, twin.rest.learned, np.asarray(twin.rest.ok)),
        asked,
        _moved(twin),
        residual.training,
    )


def moved_in_words(rows: tuple[MovedRow, ...]) -> str:
    """Which parameter moved most when the residual came in."""
    far = [row for row in rows if abs(row.moved) > _HARDLY]
    if not far:
        return "No mechanistic parameter moved by a tenth of its sd."
    told = [f"{row.name} ({row.moved:+.1f} sd)" for row in far[:3]]
    return f"Moved when the residual came in: {', '.join(told)}."


def _learned_summary(twin: "Twin") -> dict[str, Any]:
    part = hybrid_part(twin)
    if part is None:
        return {}
    told = [flag(part.inputs), moved_in_words(part.moved)]
    return {"learned": asdict(part) | {"said": [line for line in told if line]}}


def summary(twin: "Twin") -> dict[str, Any]:
    """Measurements beside predictions, parameters, the verdict: plain values."""
    return {
        "patient": twin.record.id,
        "seed": twin.seed,
        "observations": [asdict(row) for row in observation_rows(twin)],
        "parameters": [asdict(row) for row in parameter_rows(twin)],
        "verdict": list(twin.verdict),
        "warnings": [str(warning) for warning in twin.record.warnings],
        "diagnostics": twin.diagnostics,
        "reflex": twin.reflex,
        **_learned_summary(twin),
    }
