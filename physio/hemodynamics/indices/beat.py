"""The clinic's numbers from a run: pressures, volumes, flows, work, resistances.

``summarize`` reads one beat; ``physio.hemodynamics.indices.respiratory_variation``
reads many under ventilation. Names and units are those of ``UNITS``; every one is a
scalar and differentiable.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.compose import mechanistic
from physio.system import Trajectory
from physio.units import ML_PER_L, MS_PER_S, PERCENT, S_PER_MIN, WOOD_PER_MMHG_S_PER_ML

UNITS: dict[str, str] = {
    "heart_rate": "1/min",
    "systolic_pressure": "mmHg",
    "diastolic_pressure": "mmHg",
    "mean_pressure": "mmHg",
    "pulse_pressure": "mmHg",
    "central_venous_pressure": "mmHg",
    "pulmonary_systolic_pressure": "mmHg",
    "pulmonary_diastolic_pressure": "mmHg",
    "pulmonary_mean_pressure": "mmHg",
    "wedge_pressure": "mmHg",
    "transpulmonary_gradient": "mmHg",
    "lv_systolic_pressure": "mmHg",
    "lv_end_diastolic_pressure": "mmHg",
    "lv_end_diastolic_volume": "mL",
    "lv_end_systolic_volume": "mL",
    "lv_stroke_volume": "mL",
    "lv_ejection_fraction": "%",
    "rv_systolic_pressure": "mmHg",
    "rv_end_diastolic_pressure": "mmHg",
    "rv_end_diastolic_volume": "mL",
    "rv_end_systolic_volume": "mL",
    "rv_stroke_volume": "mL",
    "rv_ejection_fraction": "%",
    "la_maximum_volume": "mL",
    "ra_maximum_volume": "mL",
    "stroke_volume": "mL",
    "stroke_volume_index": "mL/m2",
    "cardiac_output": "L/min",
    "cardiac_index": "L/min/m2",
    "lv_dpdt_max": "mmHg/s",
    "lv_dpdt_min": "mmHg/s",
    "tau": "ms",
    "stroke_work": "mmHg mL",
    "pressure_volume_area": "mmHg mL",
    "work_efficiency": "%",
    "end_systolic_elastance": "mmHg/mL",
    "arterial_elastance": "mmHg/mL",
    "ea_ees_ratio": "1",
    "systemic_resistance": "WU",
    "pulmonary_resistance": "WU",
    "e_a_ratio": "1",
    "aortic_valve_mean_gradient": "mmHg",
    "aortic_valve_peak_gradient": "mmHg",
    "mitral_valve_mean_gradient": "mmHg",
    "aortic_regurgitant_volume": "mL",
    "aortic_regurgitant_fraction": "%",
    "mitral_regurgitant_volume": "mL",
    "mitral_regurgitant_fraction": "%",
    "coronary_flow": "mL/min",
    "pulse_pressure_variation": "%",
    "stroke_volume_variation": "%",
}


def integral(t: Float[Array, " n_t"], x: Float[Array, " n_t"]) -> Float[Array, ""]:
    """The trapezoidal integral of samples x at times t."""
    return 0.5 * jnp.sum((x[1:] + x[:-1]) * jnp.diff(t))


def beat_mean(t: Float[Array, " n_t"], x: Float[Array, " n_t"]) -> Float[Array, ""]:
    """The mean over a run of samples at uneven times."""
    return integral(t, x) / (t[-1] - t[0])


def peak(t: Float[Array, " n_t"], x: Float[Array, " n_t"]) -> Float[Array, ""]:
    """The maximum between samples: the vertex of the parabola about the largest.

    A sampled maximum has a derivative that is wrong by a step's length; this one's is
    wrong by its square.
    """
    k = jnp.clip(jnp.argmax(x), 1, x.size - 2)
    before, after = t[k - 1] - t[k], t[k + 1] - t[k]
    left, right = (x[k - 1] - x[k]) / before, (x[k + 1] - x[k]) / after
    curvature = (right - left) / (after - before)
    slope = left - curvature * before
    bent = curvature < 0.0
    rise = slope**2 / (4.0 * jnp.where(bent, -curvature, 1.0))
    # no further than the neighbours: the largest sample may be the first or the last
    inside = jnp.abs(slope) <= -2.0 * curvature * jnp.maximum(-before, after)
    return jnp.where(bent & inside, x[k] + rise, jnp.max(x))


def trough(t: Float[Array, " n_t"], x: Float[Array, " n_t"]) -> Float[Array, ""]:
    """The minimum between samples, as :func:`peak`."""
    return -peak(t, -x)


def end_diastolic_pressure(t: Array, ventricle: Array, artery: Array) -> Array:
    """The arterial pressure at which its valve opens: the end of diastole.

    Both pressures run on from the last samples before the opening, since the minimum
    there is a kink between two samples; the least sample where the valve stays shut.
    """
    drop = ventricle - artery
    opens = (drop[:-1] <= 0.0) & (drop[1:] > 0.0)
    k = jnp.clip(jnp.argmax(opens), 2, t.size - 2)

    def onwards(x: Array, at: Array) -> tuple[Array, Array]:
        """The parabola through the samples up to k, and its slope, at a time."""
        first = (x[k] - x[k - 1]) / (t[k] - t[k - 1])
        earlier = (x[k - 1] - x[k - 2]) / (t[k - 1] - t[k - 2])
        bend = (first - earlier) / (t[k] - t[k - 2])
        since, width = at - t[k], t[k] - t[k - 1]
        value = x[k] + since * (first + bend * (since + width))
        return value, first + bend * (2.0 * since + width)

    at = t[k]
    for _ in range(3):  # Newton: nearly straight over one step
        value, slope = onwards(drop, at)
        at = at - value / jnp.where(slope > 0.0, slope, jnp.inf)
    at = jnp.clip(at, t[k], t[k + 1])
    return jnp.where(jnp.any(opens), onwards(artery, at)[0], trough(t, artery))


def net_volume(beat: Trajectory, circulation: Any, name: str) -> Float[Array, ""]:
    """What a beat moves through a connection (mL), from what its target passes on.

    The flow through a valve has steep flanks, so the derivative of its sum over steps
    is wrong by a tenth; the other flows at its target are smooth.
    """
    links, flow = mechanistic(circulation).connections, beat.observed.flow
    target = links[name].target
    stored = beat.observed.volume[target]
    total = stored[-1] - stored[0]
    for other, link in links.items():
        if other == name:
            continue
        if link.source == target:
            total = total + integral(beat.t, flow[other])
        elif link.target == target:
            total = total - integral(beat.t, flow[other])
    return total


def aortic_site(pressure: dict[str, Array]) -> str:
    """The compartment whose pressure is the aorta's."""
    return "aortic_root" if "aortic_root" in pressure else "systemic_arteries"


def _ventricle(prefix: str, t: Array, p: Array, v: Array) -> dict[str, Array]:
    # flat while both valves are shut: rounding would pick where a parabola is laid
    end_diastolic, end_systolic = jnp.max(v), jnp.min(v)
    stroke = end_diastolic - end_systolic
    return {
        f"{prefix}_systolic_pressure": peak(t, p),
        # a beat starts with the activation of the ventricles
        f"{prefix}_end_diastolic_pressure": p[0],
        f"{prefix}_end_diastolic_volume": end_diastolic,
        f"{prefix}_end_systolic_volume": end_systolic,
        f"{prefix}_stroke_volume": stroke,
        f"{prefix}_ejection_fraction": PERCENT * stroke / end_diastolic,
    }


def _relaxation_time(t: Array, p: Array, slope: Array, middle: Array) -> Array:
    """Weiss 1976, 10.1172/JCI108498: -1 / slope of ln p from dP/dt min to LVEDP + 5."""
    after = middle > middle[jnp.argmin(slope)]
    mid_p = 0.5 * (p[1:] + p[:-1])
    # only the first fall counts: once filling has begun the pressure rises again
    below = jnp.cumsum(after & (mid_p < p[0] + 5.0)) > 0
    weight = jnp.where(after & ~below, jnp.diff(t), 0.0)
    log_p = jnp.log(jnp.maximum(mid_p, 1.0))
    total = jnp.maximum(jnp.sum(weight), 1e-9)
    mean_t, mean_p = jnp.sum(weight * middle) / total, jnp.sum(weight * log_p) / total
    across = jnp.sum(weight * (middle - mean_t) * (log_p - mean_p))
    within = jnp.sum(weight * (middle - mean_t) ** 2)
    return -within / jnp.where(jnp.abs(across) > 1e-12, across, jnp.nan)


def _work(t: Array, p: Array, v: Array, v0: Array, stroke: Array) -> dict[str, Array]:
    work = -0.5 * jnp.sum((p[1:] + p[:-1]) * jnp.diff(v))
    elastance = p / jnp.maximum(v - v0, 1.0)
    end = jnp.argmax(elastance)
    potential = 0.5 * p[end] * (v[end] - v0)
    return {
        "stroke_work": work,
        "pressure_volume_area": work + potential,
        "work_efficiency": PERCENT * work / (work + potential),
        "end_systolic_elastance": elastance[end],
        "arterial_elastance": p[end] / stroke,
        "ea_ees_ratio": p[end] / stroke / elastance[end],
    }


def _valve(t: Array, name: str, drop: Array, flow: Array) -> dict[str, Array]:
    open_ = (flow > 1.0) & (drop > 0.0)
    duration = integral(t, open_.astype(drop.dtype))
    forward = integral(t, jnp.maximum(flow, 0.0))
    backward = integral(t, jnp.maximum(-flow, 0.0))
    mean = integral(t, jnp.where(open_, drop, 0.0)) / jnp.maximum(duration, 1e-6)
    return {
        f"{name}_valve_mean_gradient": mean,
        f"{name}_valve_peak_gradient": jnp.max(jnp.where(open_, drop, 0.0)),
        f"{name}_regurgitant_volume": backward,
        f"{name}_regurgitant_fraction": PERCENT * backward / forward,
    }


def _filling_ratio(t: Array, flow: Array, atrial_onset: Array) -> Array:
    """Peak early over peak atrial filling flow (E/A)."""
    late = t >= t[-1] - atrial_onset
    early = (t > t[0] + 0.25 * (t[-1] - t[0])) & ~late
    e = jnp.max(jnp.where(early, flow, 0.0))
    a = jnp.max(jnp.where(late, flow, 0.0))
    return e / jnp.maximum(a, 1e-3)


def summarize(
    beat: Trajectory,
    circulation: Any,
    *,
    body_surface_area: Float[Array, ""] | float | None = None,
) -> dict[str, Array]:
    """Every index of one beat that starts with the activation of the ventricles.

    ``beat`` as :func:`physio.periodic.periodic_beat` returns it. ``cardiac_index``
    and ``stroke_volume_index`` only where ``body_surface_area`` (m^2) is given; the
    indices of what a circulation does not have (a valve, coronary vessels) are left
    out. Output and stroke volume are the net forward flow through the aortic valve.
    """
    circulation = mechanistic(circulation)
    t, seen = beat.t, beat.observed
    p, v, q = seen.pressure, seen.volume, seen.flow
    period = t[-1] - t[0]
    aorta = p[aortic_site(p)]
    lv, lv_p = v["left_ventricle"], p["left_ventricle"]
    stroke = net_volume(beat, circulation, "aortic_valve")
    output = stroke / period  # mL/s
    slope = jnp.diff(lv_p) / jnp.diff(t)
    middle = 0.5 * (t[1:] + t[:-1])
    cvp = beat_mean(t, p["right_atrium"])
    wedge = beat_mean(t, p["left_atrium"])
    mean, pulmonary = beat_mean(t, aorta), beat_mean(t, p["pulmonary_arteries"])
    systolic, diastolic = peak(t, aorta), end_diastolic_pressure(t, lv_p, aorta)
    ventricle = circulation.compartments["left_ventricle"]
    values = {
        "heart_rate": S_PER_MIN / period,
        "systolic_pressure": systolic,
        "diastolic_pressure": diastolic,
        "mean_pressure": mean,
        "pulse_pressure": systolic - diastolic,
        "central_venous_pressure": cvp,
        "pulmonary_systolic_pressure": peak(t, p["pulmonary_arteries"]),
        "pulmonary_diastolic_pressure": trough(t, p["pulmonary_arteries"]),
        "pulmonary_mean_pressure": pulmonary,
        "wedge_pressure": wedge,
        "transpulmonary_gradient": pulmonary - wedge,
        **_ventricle("lv", t, lv_p, lv),
        **_ventricle("rv", t, p["right_ventricle"], v["right_ventricle"]),
        "la_maximum_volume": peak(t, v["left_atrium"]),
        "ra_maximum_volume": peak(t, v["right_atrium"]),
        "stroke_volume": stroke,
        "cardiac_output": output * S_PER_MIN / ML_PER_L,
        "lv_dpdt_max": jnp.max(slope),
        "lv_dpdt_min": jnp.min(slope),
        "tau": MS_PER_S * _relaxation_time(t, lv_p, slope, middle),
        **_work(t, lv_p, lv, ventricle.unstressed_volume, stroke),
        "systemic_resistance": (mean - cvp) / output * WOOD_PER_MMHG_S_PER_ML,
        "pulmonary_resistance": (pulmonary - wedge) / output * WOOD_PER_MMHG_S_PER_ML,
        "e_a_ratio": _filling_ratio(
            t, q["mitral_valve"], circulation.rhythm.atrioventricular_delay
        ),
        **_valve(t, "aortic", lv_p - aorta, q["aortic_valve"]),
        **_valve(t, "mitral", p["left_atrium"] - lv_p, q["mitral_valve"]),
    }
    del values["mitral_valve_peak_gradient"]
    if "coronary_arteries" in q:
        flow = beat_mean(t, q["coronary_arteries"])
        values["coronary_flow"] = flow * S_PER_MIN
    if body_surface_area is not None:
        values["cardiac_index"] = values["cardiac_output"] / body_surface_area
        values["stroke_volume_index"] = stroke / body_surface_area
    return values
