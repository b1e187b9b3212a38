"""Gates and the I_Kr chain of ToR-ORd, functions of the voltage (mV) and calcium (mM).

Tomek 2019, 10.7554/eLife.48890, appendix 1. Exponentials that share a slope are
written as powers of one: ``e20`` = exp(V / 20), ``e10`` = exp(V / 10).
"""

import math

import jax.numpy as jnp
from jaxtyping import Array

from physio.electrophysiology.cells.cell import Gate

FARADAY_OVER_RT = 96485.0 / (8314.0 * 310.0)  # 1/mV, constants as printed


def shift_factor(constant: float | int, slope: float | int) -> float:
    """exp(constant / slope): the shift of a sigmoid, as a factor."""
    return math.exp(constant / slope)


_k = shift_factor


def _square(x: Array) -> Array:
    return x * x


def rapid_chain(
    v: Array, c1: Array, c2: Array, c3: Array, i: Array, o: Array
) -> dict[str, Array]:
    """C3 <-> C2 <-> C1 <-> O <-> I <-> C1, rates per ms (Lu 2001, refitted in 2019)."""
    x = v * FARADAY_OVER_RT
    a, b = 0.1161 * jnp.exp(0.299 * x), 0.2442 * jnp.exp(-1.604 * x)
    a2, b2 = 0.0578 * jnp.exp(0.971 * x), 0.349e-3 * jnp.exp(-1.062 * x)
    ai, bi = 0.2533 * jnp.exp(0.5953 * x), 0.06525 * jnp.exp(-0.8209 * x)
    c1_i = 0.52e-4 * jnp.exp(1.525 * x)
    first, second = a * c3 - b * c2, 0.154375 * c2 - 0.1911 * c1
    opening, inactivation = a2 * c1 - b2 * o, ai * o - bi * i
    # the return rate closes the loop in balance: b2 bi c1_i / (a2 ai)
    around = c1_i * c1 - b2 * bi * c1_i / (a2 * ai) * i
    return {
        "c3": -first,
        "c2": first - second,
        "c1": second - opening - around,
        "o": opening - inactivation,
        "i": inactivation + around,
    }


def sodium_gates(v: Array) -> dict[str, Gate]:
    """m, h, j of the fast current, of its phosphorylated kind, and of the late one."""
    m = 1 / (1 + jnp.exp((-56.86 - v) * (1 / 9.03)))
    tm = 0.1292 * jnp.exp(-_square((v + 45.79) * (1 / 15.54)))
    tm = tm + 0.06487 * jnp.exp(-_square((v - 4.823) * (1 / 51.12)))
    e743, e7488 = jnp.exp(v * (1 / 7.43)), jnp.exp(v * (1 / 7.488))
    h = 1 / (1 + e743 * _k(71.55, 7.43))
    hp = 1 / (1 + e743 * _k(77.55, 7.43))
    hot = v >= -40.0
    cold = jnp.where(hot, -40.0, v)  # keeps the cold branch finite where not taken
    h_rate = jnp.where(
        hot,
        0.77 / (0.13 * (1 + jnp.exp((v + 10.66) * (-1 / 11.1)))),
        0.057 * jnp.exp((cold + 80) * (-1 / 6.8))
        + 2.7 * jnp.exp(0.079 * cold) + 3.1e5 * jnp.exp(0.3485 * cold),
    )  # fmt: skip
    alpha = (
        (-25428.0 * jnp.exp(0.2444 * cold) - 6.948e-6 * jnp.exp(-0.04391 * cold))
        * (cold + 37.78) / (1 + jnp.exp(0.311 * (cold + 79.23)))
    )  # fmt: skip
    beta = 0.02424 * jnp.exp(-0.01052 * cold) / (1 + jnp.exp(-0.1378 * (cold + 40.14)))
    j_rate = jnp.where(
        hot, 0.6 * jnp.exp(0.057 * v) / (1 + jnp.exp(-0.1 * (v + 32))), alpha + beta
    )
    late = jnp.full_like(v, 200.0)
    return {
        "m": Gate(m * m, tm),
        "h": Gate(h * h, 1 / h_rate),
        "j": Gate(h * h, 1 / j_rate),
        "hp": Gate(hp * hp, 1 / h_rate),
        "jp": Gate(h * h, 1.46 / j_rate),
        "ml": Gate(1 / (1 + jnp.exp((-42.85 - v) * (1 / 5.264))), tm),
        "hl": Gate(1 / (1 + e7488 * _k(87.61, 7.488)), late),
        "hlp": Gate(1 / (1 + e7488 * _k(93.81, 7.488)), 3 * late),
    }


def calcium_gates(
    v: Array, jca: Array, cass: Array, cai: Array, e20: Array, e10: Array
) -> dict[str, Gate]:
    """L-type channel: d, f, f_Ca, their slow recovery j and the calcium-bound share."""
    e7 = jnp.exp(v * (1 / 7))
    opened = 1.0763 * jnp.exp(-1.007 * jnp.exp(-0.0829 * v))
    shut = 1 / (1 + jnp.exp((v + 19.58) * (1 / 3.696)))
    late = 1 / (1 + jnp.exp((v + 18.08) * (1 / 2.7916)))
    fast = 7 + 1 / (0.0045 * (_k(-20, 10) / e10 + e10 * _k(20, 10)))
    slow = 1000 + 1 / (
        3.5e-5 * (jnp.exp((v + 5) * (-1 / 4)) + jnp.exp((v + 5) * (1 / 6)))
    )
    fast_ca = 7 + 1 / (0.04 * (_k(4, 7) / e7 + e7 * _k(-4, 7)))
    slow_ca = 100 + 1 / (0.00012 * (jnp.exp(v * (-1 / 3)) + e7))
    return {
        "d": Gate(
            jnp.where(v > 31.4978, 1.0, opened),
            0.6 + 1 / (_k(-6, 20) / e20 + jnp.exp(0.09 * (v + 14))),
        ),
        "ff": Gate(shut, fast),
        "fs": Gate(shut, slow),
        "fcaf": Gate(shut, fast_ca),
        "fcas": Gate(shut, slow_ca),
        "jca": Gate(late, jnp.full_like(v, 72.5)),
        "ffp": Gate(shut, 2.5 * fast),
        "fcafp": Gate(shut, 2.5 * fast_ca),
        "nca": _calcium_bound(jca, cass),
        "ncai": _calcium_bound(jca, cai),
    }


def _calcium_bound(jca: Array, calcium: Array) -> Gate:
    """dn/dt = 500 alpha - j n, alpha = 1 / (500 / j + (1 + 0.002 / [Ca])^4)."""
    x = _square(_square(1 + 0.002 / calcium))
    return Gate(500.0 / (500.0 + jca * x), 1 / jca)


def slow_gates(v: Array, e20: Array) -> dict[str, Gate]:
    """The two gates of I_Ks."""
    steady = 1 / (1 + jnp.exp((v + 11.6) * (-1 / 8.932)))
    first = 817.3 + 1 / (
        2.326e-4 * jnp.exp((v + 48.28) * (1 / 17.8))
        + 0.001292 * jnp.exp((v + 210) * (-1 / 230))
    )
    second = 1 / (0.01 * e20 * _k(-50, 20) + 0.0193 * jnp.exp((v + 66.54) * (-1 / 31)))
    return {"xs1": Gate(steady, first), "xs2": Gate(steady, second)}
