"""The twelve leads of a run: electrodes about the heart, and what a reader measures."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from cordax.ep.heart import Heart
from cordax.ep.settings import Settings
from physio.electrophysiology.anatomy.ventricles import LV, RV, SEPTUM
from physio.electrophysiology.signals import ecg, ecg_measures, electrodes, electrograms
from physio.electrophysiology.tissue.monodomain import discretise

# Rush, Abildskov, McFee 1963 (10.1161/01.RES.12.1.40): the trunk has 463 ohm cm.
TORSO = 0.216  # S/m
_ASIDE = 30.0  # mm from a lone left ventricle's axis to where the right one would be
_REST = 60.0  # ms without a signal put before a beat, for its onset to be seen
_APD = 300.0  # ms, of the template action potential of an eikonal map
# velocity over the root of the diffusivity of ten Tusscher 2006, 1/sqrt(ms): Niederer
# 2011's conductivity (0.0953 mm^2/ms) conducts at 0.65 m/s
_FREE = 2.1


def axes(heart: Heart, settings: Settings) -> electrodes.HeartAxes:
    """Base, apex and right ventricle, from regions 1 (left), 2 (right), 3 (septum).

    A generated left ventricle has its right one along x.
    """
    regions = heart.regions
    if heart.sinus is not None and heart.voxels is not None:
        regions = heart.sinus.rule.wall
    left, right = np.isin(regions, (LV, SEPTUM)), regions == RV
    if left.any() and right.any():
        return electrodes.heart_axes(heart.nodes, left, right)
    if settings.heart == "left_ventricle":
        height = heart.fields["apicobasal"]
        base = heart.nodes[height > 0.95].mean(axis=0)
        apex = heart.nodes[np.argmin(height)]
        return electrodes.HeartAxes(
            base, apex, 0.5 * (base + apex) + [_ASIDE, 0.0, 0.0]
        )
    raise ValueError(
        "An ECG needs two ventricles to place its electrodes by: regions 1 (left), 2 "
        f"(right) and 3 (septum); this heart has {np.unique(heart.regions).tolist()}. "
        "Leave --ecg out."
    )


def rows(heart: Heart, tissue: Any, settings: Settings) -> np.ndarray:
    """What each of the nine electrodes makes of the voltages (mV/mV)."""
    operator = eqx.filter_jit(lambda m: m.operator())(tissue)
    return np.asarray(_weights(heart, settings, operator), np.float32)


def _weights(heart: Heart, settings: Settings, operator: Any) -> Any:
    placed = electrodes.electrode_array(
        electrodes.place_electrodes(axes(heart, settings))
    )
    field = electrograms.lead_field(
        jnp.asarray(placed, jnp.float32),
        jnp.asarray(heart.nodes, jnp.float32),
        operator.volumes,
        TORSO,
    )
    return electrograms.voltage_weights(field, operator.volumes, operator)


def leads(potentials: np.ndarray) -> np.ndarray:
    """The twelve leads (n_t, 12) from the nine potentials (mV)."""
    return np.asarray(ecg.twelve_leads(jnp.asarray(potentials)))


def of_activation(
    heart: Heart, settings: Settings, activation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Times (ms) and leads (mV) of template action potentials at activation times."""
    three = jnp.asarray([(v / _FREE) ** 2 for v in settings.wanted], jnp.float32)
    operator = eqx.filter_jit(lambda g: g.operator(three))(discretise(heart.geometry))
    weights = _weights(heart, settings, operator)
    last = float(np.nanmax(activation, initial=0.0)) if activation.size else 0.0
    t = np.arange(0.0, last + _APD + 150.0)
    at = jnp.asarray(activation, jnp.float32)
    return t, leads(ecg.front_potentials(weights, t, at, _APD))


def measures(t: np.ndarray, signal: np.ndarray) -> tuple[dict[str, Any], str]:
    """QRS, QT and axis of the beat that starts at 0 (ms); else why there are none."""
    beat = t >= -_REST
    if (t >= 0.0).sum() < 2:
        return {}, "The ECG was not measured: no sample lies after the stimulus."
    t, signal = t[beat], signal[beat]
    step = float(np.median(np.diff(t)))
    # before the first stimulus of a run everything rests, and there is no signal
    rest = np.arange(1, int((t[0] + _REST) / step) + 1)[::-1]
    try:
        found = ecg_measures.measure(
            np.concatenate([t[0] - step * rest, t]),
            np.concatenate([np.zeros((rest.size, signal.shape[1])), signal]),
        )
    except ValueError as error:
        return {}, f"The ECG was not measured: {error}"
    return {
        "qrs_duration_ms": _known(found.qrs_duration),
        "qt_ms": _known(found.qt),
        "axis_deg": _known(found.axis),
        "r_mv": {name: round(float(x), 4) for name, x in found.r.items()},
        "t_mv": {name: _known(x) for name, x in found.t.items()},
    }, ""


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)
