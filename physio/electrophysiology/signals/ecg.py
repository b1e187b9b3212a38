"""Twelve-lead pseudo-ECG: electrodes for any heart, the leads, and their measures.

Electrode potentials come from ``physio.electrophysiology.signals.electrograms``; the
leads are those of Einthoven, Goldberger and Wilson. Potentials in mV, t in ms,
positions in mm. The conductor is unbounded and homogeneous, so shapes and durations are
to be trusted before amplitudes: without the torso's surface the limb leads come out
several times too small beside the chest leads.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from physio.electrophysiology.signals import electrograms

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

_AT_ONCE = 2e8  # numbers of the template held at once


def twelve_leads(potentials: Float[ArrayLike, "n_t 9"]) -> Float[Array, "n_t 12"]:
    """The leads (mV), in the order of ``LEADS``, from potentials as ``ELECTRODES``.

    I = LA - RA, II = LL - RA, III = LL - LA; aVR = RA - (LA + LL) / 2 and so on;
    V1-V6 against the mean of RA, LA and LL (Wilson's central terminal).
    """
    potentials = jnp.asarray(potentials)
    return potentials @ jnp.asarray(lead_matrix(), potentials.dtype).T


def lead_matrix() -> Float[np.ndarray, "12 9"]:
    """The leads as combinations of the electrodes; every row adds up to zero."""
    half, third = 0.5, 1.0 / 3.0
    limbs = [
        [-1.0, 1.0, 0.0],
        [-1.0, 0.0, 1.0],
        [0.0, -1.0, 1.0],
        [1.0, -half, -half],
        [-half, 1.0, -half],
        [-half, -half, 1.0],
    ]
    matrix = np.zeros((12, 9))
    matrix[:6, :3] = limbs
    matrix[6:, :3] = -third
    matrix[6:, 3:] = np.eye(6)
    return matrix


@partial(jax.jit, static_argnames=("rest", "plateau", "upstroke", "recovery"))
def template_voltage(
    t: Float[ArrayLike, " n_t"],
    activation: Float[ArrayLike, " n_node"],
    apd: Float[ArrayLike, "..."],
    *,
    rest: float = -85.0,
    plateau: float = 15.0,
    upstroke: float = 1.0,
    recovery: float = 20.0,
) -> Float[Array, "n_t n_node"]:
    """V(t, node) (mV) of a template action potential that starts at activation (ms).

    rest + (plateau - rest) S((t - T) / upstroke) S((T + apd - t) / recovery), S the
    logistic function: the upstroke is half-way at T, recovery at T + ``apd``, one
    number or one per node (after van Oosterom and Jacquemet 2005, Europace 7:S21).
    Tissue never activated (NaN) rests. With the weights of the voltage this gives an
    ECG from an eikonal map.
    """
    t, activation = jnp.asarray(t), jnp.asarray(activation)
    known = ~jnp.isnan(activation)
    start = jnp.where(known, activation, 0.0)
    end = start + jnp.broadcast_to(jnp.asarray(apd, start.dtype), start.shape)
    up = jax.nn.sigmoid((t[:, None] - start[None, :]) / upstroke)
    down = jax.nn.sigmoid((end[None, :] - t[:, None]) / recovery)
    shape = jnp.where(known[None, :], up * down, 0.0)
    return rest + (plateau - rest) * shape


def front_potentials(
    weights: Float[ArrayLike, "n_electrode n_node"],
    t: Float[np.ndarray, " n_t"],
    activation: Float[ArrayLike, " n_node"],
    apd: Float[ArrayLike, "..."],
) -> Float[np.ndarray, "n_t n_electrode"]:
    """Potentials (mV) of :func:`template_voltage`, from the weights of the voltage.

    Some of the times are held at once, so that a heart of any size fits the memory.
    """
    at = jnp.asarray(activation)
    size = max(int(_AT_ONCE / at.size), 8)
    parts = []
    for start in range(0, t.size, size):
        # the last part as long as the others: one program
        held = np.minimum(np.arange(start, start + size), t.size - 1)
        v = template_voltage(jnp.asarray(t[held], at.dtype), at, apd)
        parts.append(np.asarray(electrograms.unipolar(weights, v)))
    return np.concatenate(parts)[: t.size]
