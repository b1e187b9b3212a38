"""A report of invented numbers, for the tests and for looking at the page."""

import numpy as np

from calibration.sampling.interval import Interval
from cordax.reports import data as report_data


def spread(middle: float, share: float = 0.08) -> Interval:
    half = abs(middle) * share
    return Interval(middle, middle - half, middle + half)


def loop(title: str, edv: float, esv: float, top: float, after: bool = False):
    """Loops with a filling, a rising, an ejecting and a relaxing part."""
    rng = np.random.default_rng(3)
    s = np.linspace(0, 1, 30)
    volume, pressure = [], []
    for k in range(50):
        a, b, c = 1 + (k > 0) * rng.normal(0, 0.03, 3)
        v = [esv * b + (edv * a - esv * b) * s, edv * a + 0 * s]
        v += [edv * a - (edv * a - esv * b) * s, esv * b + 0 * s]
        p = [3 + 7 * s**2, 10 + (0.7 * top * c - 10) * s]
        p += [top * c * (0.7 + 0.3 * np.sin(np.pi * (0.1 + 0.75 * s)))]
        p += [p[-1][-1] + (3 - p[-1][-1]) * s]
        volume.append(np.concatenate(v))
        pressure.append(np.concatenate(p))
    v, p = np.array(volume), np.array(pressure)
    more = {}
    if after:
        more = {
            "after_volume": v + 12,
            "after_pressure": p * 1.08,
            "after_title": "after 500 mL",
        }
    return report_data.LoopPanel(title, v, p, **more)


def wave(title: str, low: float, high: float, data: bool) -> report_data.WaveformPanel:
    t = np.linspace(0, 0.702, 80)
    rise = np.clip(t / 0.12, 0, 1)
    shape = rise * np.exp(-2.6 * np.clip(t - 0.12, 0, None) / 0.5)
    value = low + (high - low) * shape
    extra = {}
    if data:
        rng = np.random.default_rng(1)
        noisy = value[::2] + rng.normal(0, 1, 40)
        extra = {"data_time_s": t[::2], "data": noisy, "rmse": 1.9, "fitted": True}
    return report_data.WaveformPanel(
        title, "mmHg", t, value, value - 2.5, value + 2.5, **extra
    )


def example() -> report_data.ReportData:
    """A perioperative patient, roughly."""
    rows = [
        ("heart_rate", "1/min", 85.5, (50.0, 90.0), True),
        ("systolic_pressure", "mmHg", 92.4, (90.0, 120.0), True),
        ("diastolic_pressure", "mmHg", 49.4, (60.0, 80.0), True),
        ("mean_pressure", "mmHg", 64.9, (70.0, 105.0), True),
        ("central_venous_pressure", "mmHg", 5.1, (1.0, 6.0), True),
        ("pulmonary_mean_pressure", "mmHg", 14.8, (11.0, 17.0), False),
        ("wedge_pressure", "mmHg", 8.8, (4.0, 12.0), False),
        ("cardiac_output", "L/min", 4.61, (4.0, 8.0), True),
        ("stroke_volume", "mL", 53.9, (60.0, 100.0), False),
        ("lv_end_diastolic_volume", "mL", 104.0, (102.0, 230.0), False),
        ("lv_ejection_fraction", "%", 52.3, (52.0, 72.0), False),
        ("lv_dpdt_max", "mmHg/s", 1080.0, (1200.0, 1800.0), False),
        ("ea_ees_ratio", "1", 0.92, None, False),
        ("e_a_ratio", "1", 1.31, None, False),
        ("systemic_resistance", "WU", 13.0, (8.8, 20.0), False),
        ("pressure_volume_area", "mmHg mL", 6100.0, None, False),
    ]
    indices = tuple(
        report_data.IndexRow(n, u, spread(v, 0.06 if m else 0.2), r, "Petersen 2017", m)
        for n, u, v, r, m in rows
    )
    parameters = tuple(
        report_data.ParameterRow(
            n, u, spread(m, 0.6), spread(m * 0.93, 0.6 * r), r, what
        )
        for n, u, m, r, what in [
            ("systemic.resistance", "mmHg s/mL", 0.78, 0.21, "arterioles"),
            ("systemic_arteries.compliance", "mL/mmHg", 1.2, 0.18, "aorta to radial"),
            ("left_ventricle.active_elastance", "mmHg/mL", 2.3, 0.63, "strength"),
            ("left_ventricle.passive_elastance", "mmHg/mL", 0.07, 0.97, "stiffness"),
            ("blood_volume", "mL", 5000.0, 0.55, "stressed and unstressed"),
            ("pulmonary.resistance", "mmHg s/mL", 0.06, 0.99, ""),
        ]
    )
    obs = [
        ("systolic_pressure", 92.7, 2.1, "mmHg", 92.4, 0.1, 2.0, "likelihood", ""),
        ("diastolic_pressure", 49.1, 1.1, "mmHg", 49.4, -0.2, 1.5, "likelihood", ""),
        ("mean_pressure", 64.6, 3.0, "mmHg", 64.9, -0.1, 1.5, "likelihood", ""),
        ("central_venous_pressure", 5.0, 1.0, "mmHg", 6.6, -1.4, 0.5, "likelihood", ""),
        ("cardiac_output", 4.7, 0.85, "L/min", 4.61, 0.1, 0.0, "likelihood", ""),
        (
            "systemic_resistance",
            17.5,
            2.0,
            "WU",
            13.0,
            2.3,
            0.0,
            "check",
            "follows from pressures and output",
        ),
    ]
    observations = tuple(
        report_data.ObservationRow(n, v, s, u, spread(p, 0.05), z, d, r, note)
        for n, v, s, u, p, z, d, r, note in obs
    )

    def change(name, unit, before, after):
        delta = after - before
        return report_data.ChangeRow(
            name, unit, spread(before), spread(after), spread(delta, 0.7)
        )

    whatif = report_data.WhatIfTable(
        "Fluid bolus 500 mL",
        "blunted (loop gain 0.4, 90 % 0.1 to 1.1)",
        (
            change("mean_pressure", "mmHg", 64.9, 69.8),
            change("stroke_volume", "mL", 53.9, 60.2),
            change("central_venous_pressure", "mmHg", 5.1, 6.8),
            report_data.ChangeRow(
                "heart_rate",
                "1/min",
                spread(85.5),
                spread(84.6),
                Interval(-0.9, -3.1, 0.4),
            ),
        ),
        "Crystalloid, 70 % of it still in the vessels.",
    )
    return report_data.ReportData(
        title="periop",
        patient={
            "Condition": "anaesthetised, ventilated",
            "Arterial line": "radial",
            "Heart rate": "85.5 /min",
        },
        verdict=(
            "The twin explains five of five fitted measurements within 1.4 sd.",
            "Diastolic stiffness and pulmonary resistance come from the prior.",
        ),
        observations=observations,
        indices=indices,
        parameters=parameters,
        seed=20260101,
        versions={"cordax": "0.1.0", "jax": "0.10.2", "Python": "3.11.7"},
        created="2026-11-21 14:00",
        waveforms=(
            wave("Arterial pressure, radial", 49, 92, True),
            wave("Central venous pressure", 3, 8, False),
        ),
        loops=(
            loop("Left ventricle", 104, 50, 95, after=True),
            loop("Right ventricle", 120, 66, 26),
        ),
        identifiability=(
            "Your data determine systemic resistance and arterial compliance.",
            "They do not see left ventricular stiffness: a filling pressure would.",
        ),
        whatifs=(whatif,),
        assumptions=(
            "The radial pulse reaches the aorta through a transfer element.",
            "Cardiac output carries the error of uncalibrated pulse contour (18 %).",
        ),
        diagnostics=(
            report_data.Diagnostic(
                "Pareto k", "0.31", True, "below 0.7: weights can be used"
            ),
            report_data.Diagnostic("Effective sample", "1840", True, "at least 1000"),
            report_data.Diagnostic("Divergences", "2", False, "should be 0"),
        ),
        warnings=("Cardiac output and stroke volume differ by 22 %.",),
        source="Patient 26 of published perioperative recordings, MIT licence.",
        command="cordax demo",
    )
