"""Human ventricular myocyte of ten Tusscher and Panfilov (2006).

Am J Physiol Heart Circ Physiol 291:H1088, 10.1152/ajpheart.00109.2006. Gates, currents
and calcium as printed there and, for what it takes over, in ten Tusscher 2004,
10.1152/ajpheart.00794.2003. Exponentials of the voltage that share a slope are written
as powers of one: about half as many a step as the printed form has. A division
takes as long as ten products, so fractions are brought to one denominator.
"""
# pyright: reportIncompatibleVariableOverride=false, reportArgumentType=false
# A class variable stands for the abstract one;
# a param field converts the number it is given: the type checker knows neither.

import math
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.electrophysiology.cells.cell import (
    FARADAY,
    GAS_CONSTANT,
    AbstractCell,
    Excitation,
    Gate,
)
from physio.parameters import param

_2006 = "ten Tusscher 2006, 10.1152/ajpheart.00109.2006, table 2"
_2004 = "ten Tusscher 2004, 10.1152/ajpheart.00794.2003, table 1"
_S_GATE = "ten Tusscher 2004, 10.1152/ajpheart.00794.2003, eqs. 57-60"
_TEMPERATURE = 310.0  # K
_FRT = FARADAY / (GAS_CONSTANT * _TEMPERATURE)  # 1/mV


class TenTusscherState(eqx.Module):
    """Voltage (mV), gates, and concentrations (mM)."""

    v: Float[Array, "..."]
    xr1: Float[Array, "..."]
    xr2: Float[Array, "..."]
    xs: Float[Array, "..."]
    m: Float[Array, "..."]
    h: Float[Array, "..."]
    j: Float[Array, "..."]
    d: Float[Array, "..."]
    f: Float[Array, "..."]
    f2: Float[Array, "..."]
    fcass: Float[Array, "..."]
    s: Float[Array, "..."]
    r: Float[Array, "..."]
    cai: Float[Array, "..."]
    casr: Float[Array, "..."]
    cass: Float[Array, "..."]
    r_prime: Float[Array, "..."]
    nai: Float[Array, "..."]
    ki: Float[Array, "..."]


def _k(constant: float | int, slope: float | int) -> float:
    """exp(constant / slope): the shift of a sigmoid, as a factor."""
    return math.exp(constant / slope)


class TenTusscher2006(AbstractCell):
    """Ten Tusscher-Panfilov 2006; as built, epicardial.

    dV/dt = -(I_Na + I_K1 + I_to + I_Kr + I_Ks + I_CaL + I_NaCa + I_NaK + I_pCa + I_pK
    + I_bCa + I_bNa) + stimulus; uA/uF. Valid for human ventricle at 37 C and cycles
    above about 200 ms. :func:`ten_tusscher_2006` gives the three wall layers.
    """

    sodium: Array = param(14.838, unit="mS/uF", source=_2004, doc="g_Na", per_node=True)
    calcium: Array = param(
        3.98e-5, unit="L/(F ms)", source=_2006, doc="g_CaL", per_node=True
    )
    transient_outward: Array = param(
        0.294, unit="mS/uF", source=_2006, doc="g_to, epicardial", per_node=True
    )
    rapid_rectifier: Array = param(
        0.153, unit="mS/uF", source=_2006, doc="g_Kr", per_node=True
    )
    slow_rectifier: Array = param(
        0.392, unit="mS/uF", source=_2006, doc="g_Ks, epicardial", per_node=True
    )
    inward_rectifier: Array = param(
        5.405, unit="mS/uF", source=_2004, doc="g_K1", per_node=True
    )
    background_sodium: Array = param(
        2.9e-4, unit="mS/uF", source=_2004, doc="g_bNa", per_node=True
    )
    background_calcium: Array = param(
        5.92e-4, unit="mS/uF", source=_2004, doc="g_bCa", per_node=True
    )
    plateau_potassium: Array = param(
        0.0146, unit="mS/uF", source=_2004, doc="g_pK", per_node=True
    )
    calcium_pump: Array = param(
        0.1238, unit="uA/uF", source=_2006, doc="g_pCa", per_node=True
    )
    sodium_pump: Array = param(
        2.724, unit="uA/uF", source=_2006, doc="P_NaK", per_node=True
    )
    exchanger: Array = param(
        1000.0, unit="uA/uF", source=_2004, doc="k_NaCa", per_node=True
    )
    release: Array = param(0.102, unit="1/ms", source=_2006, doc="V_rel", per_node=True)
    uptake: Array = param(
        0.006375, unit="mM/ms", source=_2006, doc="V_maxup", per_node=True
    )
    leak: Array = param(3.6e-4, unit="1/ms", source=_2006, doc="V_leak")
    transfer: Array = param(0.0038, unit="1/ms", source=_2006, doc="V_xfer")
    potassium_outside: Array = param(
        5.4, unit="mM", source=_2004, doc="K_o", per_node=True
    )
    sodium_outside: Array = param(140.0, unit="mM", source=_2004, doc="Na_o")
    calcium_outside: Array = param(2.0, unit="mM", source=_2004, doc="Ca_o")
    s_half: Array = param(
        20.0, unit="mV", source=_S_GATE, doc="s_inf: minus its half", per_node=True
    )
    s_height: Array = param(
        85.0, unit="ms", source=_S_GATE, doc="tau_s: bell's height", per_node=True
    )
    s_centre: Array = param(
        45.0, unit="mV", source=_S_GATE, doc="tau_s: minus its centre", per_node=True
    )
    s_width: Array = param(
        320.0, unit="mV^2", source=_S_GATE, doc="tau_s: bell's width", per_node=True
    )
    s_step: Array = param(
        5.0, unit="ms", source=_S_GATE, doc="tau_s: sigmoid below 20 mV", per_node=True
    )
    s_floor: Array = param(
        3.0, unit="ms", source=_S_GATE, doc="tau_s: least", per_node=True
    )

    layer: str = eqx.field(static=True, default="epi")

    excitation: ClassVar[Excitation | None] = Excitation(
        ("m", "h", "j"), "sodium", 14.838,
        (0.35, 0.5, 0.75, 1.0), (0.1891, 0.1725, 0.1564, 0.1445),
        (0.1251, 0.1067, 0.0890, 0.0787),
    )  # fmt: skip
    slow: ClassVar[tuple[str, ...]] = ("nai", "ki")
    threshold: ClassVar[float] = 0.0
    stimulus: ClassVar[tuple[float, float]] = (52.0, 1.0)

    def initial_state(self) -> TenTusscherState:
        """The published start of the layer; epicardial, the N-version benchmark's."""
        kind = self.sodium.dtype
        values = _STARTS[self.layer]
        return TenTusscherState(*(jnp.asarray(value, kind) for value in values))

    def gates(self, y: TenTusscherState) -> dict[str, Gate]:
        v = y.v
        e20, e14, e15, e24 = (jnp.exp(v * (1 / k)) for k in (20.0, 14.0, 15.0, 24.0))
        e10, e7, e75 = e20 * e20, e14 * e14, e15 * e15
        e5, e12 = e10 * e10, e24 * e24
        e6 = e12 * e12
        slow = e12 * jnp.sqrt(e6 + _k(5, 6)) * (1 + e15 * _k(-35, 15))
        late = 1 + e5 * _k(-20, 5)
        bell = _square(v + self.s_centre) * (-1 / self.s_width)
        return {
            **_sodium_gates(v, e5, e10),
            **_calcium_gates(v, e5, e7, e75, e10, e20),
            "xr1": Gate(
                e7 / (e7 + _k(-26, 7)),
                # 450 / (1 + exp((-45 - V) / 10)) * 6 / (1 + exp((V + 30) / 11.5))
                2700.0
                * e10
                / ((e10 + _k(-45, 10)) * (1 + jnp.exp((v + 30) * (1 / 11.5)))),
            ),
            "xr2": Gate(
                1 / (1 + e24 * _k(88, 24)),
                # 3 / (1 + exp((-60 - V) / 20)) * 1.12 / (1 + exp((V - 60) / 20))
                3.36 * e20 / ((e20 + _k(-60, 20)) * (1 + e20 * _k(-60, 20))),
            ),
            "xs": Gate(
                e14 / (e14 + _k(-5, 14)),
                # 1400 / sqrt(1 + exp((5 - V) / 6)) / (1 + exp((V - 35) / 15)) + 80
                (1400.0 * e6 + 80.0 * slow) / slow,
            ),
            "r": Gate(
                e6 / (e6 + _k(20, 6)),
                9.5 * jnp.exp((v + 40) * (v + 40) * (-1 / 1800)) + 0.8,
            ),
            "s": Gate(
                1 / (1 + e5 * jnp.exp(self.s_half / 5)),
                ((self.s_height * jnp.exp(bell) + self.s_floor) * late + self.s_step)
                / late,
            ),
            "fcass": _fcass(y.cass),
        }

    def currents(self, y: TenTusscherState) -> dict[str, Array]:
        v = y.v
        ko, nao, cao = self.potassium_outside, self.sodium_outside, self.calcium_outside
        e_k = (jnp.log(ko) - jnp.log(y.ki)) / _FRT
        e_ks = (jnp.log(ko + 0.03 * nao) - jnp.log(y.ki + 0.03 * y.nai)) / _FRT
        e_ca = (jnp.log(cao) - jnp.log(y.cai)) / (2 * _FRT)
        x = v - e_k
        a = jnp.exp(v * (-0.1 * _FRT))
        a2 = a * a
        a5 = a2 * a2 * a
        backward = a5 * a5  # exp(-V F / R T)
        forward = jnp.exp(v * (0.35 * _FRT))
        return {
            "i_na": self.fast_current(y),
            "i_k1": self.inward_rectifier * jnp.sqrt(ko / 5.4) * _k1_open(x) * x,
            "i_to": self.transient_outward * y.r * y.s * x,
            "i_kr": self.rapid_rectifier * jnp.sqrt(ko / 5.4) * y.xr1 * y.xr2 * x,
            "i_ks": self.slow_rectifier * y.xs * y.xs * (v - e_ks),
            "i_cal": self.calcium * y.d * y.f * y.f2 * y.fcass
            * _calcium_drive(v, y.cass, cao),
            "i_naca": self.exchanger
            * (forward * (y.nai * y.nai * y.nai) * cao
               - forward * backward * (nao * nao * nao * 2.5) * y.cai)
            / ((87.5**3 + nao * nao * nao) * (1.38 + cao)
               * (1 + 0.1 * forward * backward)),
            "i_nak": self.sodium_pump * (ko / (ko + 1.0)) * y.nai
            / ((y.nai + 40.0) * (1 + 0.1245 * a + 0.0353 * backward)),
            "i_pca": self.calcium_pump * y.cai / (0.0005 + y.cai),
            "i_pk": self.plateau_potassium * x / (1 + jnp.exp((25 - v) * (1 / 5.98))),
            "i_bna": self.background_sodium * (v - self._sodium_reversal(y)),
            "i_bca": self.background_calcium * (v - e_ca),
        }  # fmt: skip

    def _sodium_reversal(self, y: TenTusscherState) -> Array:
        return (jnp.log(self.sodium_outside) - jnp.log(y.nai)) / _FRT

    def fast_current(self, y: TenTusscherState) -> Array:
        drive = y.v - self._sodium_reversal(y)
        return self.sodium * (y.m * y.m * y.m) * (y.h * y.j) * drive

    def rates(self, y: TenTusscherState, stimulus: Array) -> dict[str, Array]:
        i = self.currents(y)
        flux = self.calcium_fluxes(y)
        free_i = _free(y.cai, 0.2, 0.001)
        free_sr = _free(y.casr, 10.0, 0.3)
        free_ss = _free(y.cass, 0.4, 0.00025)
        sarcolemmal = i["i_bca"] + i["i_pca"] - 2 * i["i_naca"]
        outward = i["i_k1"] + i["i_to"] + i["i_kr"] + i["i_ks"] + i["i_pk"]
        return {
            "cai": free_i
            * (flux["leak"] * (_V_SR / _V_C) - flux["uptake"] * (_V_SR / _V_C)
               + flux["transfer"] - sarcolemmal * (0.5 * _PER_CYTOSOL)),
            "casr": free_sr * (flux["uptake"] - flux["release"] - flux["leak"]),
            "cass": free_ss
            * (flux["release"] * (_V_SR / _V_SS) - flux["transfer"] * (_V_C / _V_SS)
               - i["i_cal"] * (0.5 * _PER_CYTOSOL * _V_C / _V_SS)),
            "r_prime": flux["r_prime"],
            "nai": (i["i_na"] + i["i_bna"] + 3 * i["i_nak"] + 3 * i["i_naca"])
            * -_PER_CYTOSOL,
            "ki": (outward - 2 * i["i_nak"] - stimulus) * -_PER_CYTOSOL,
        }  # fmt: skip

    def calcium_fluxes(self, y: TenTusscherState) -> dict[str, Array]:
        """Release, uptake, leak and transfer (mM/ms), and the rate of R'."""
        full = y.casr * y.casr
        kcasr = 2.5 - 1.5 * full / (full + 1.5 * 1.5)
        # k1 [Ca]_SS^2 R' / (k3 + k1 [Ca]_SS^2), k1 = 0.15 / kcasr
        k1 = 0.15 * (y.cass * y.cass)
        opened = k1 * y.r_prime / (0.06 * kcasr + k1)
        return {
            "release": self.release * opened * (y.casr - y.cass),
            "uptake": self.uptake * (y.cai * y.cai)
            / (y.cai * y.cai + 0.00025 * 0.00025),
            "leak": self.leak * (y.casr - y.cai),
            "transfer": self.transfer * (y.cass - y.cai),
            "r_prime": 0.005 * (1 - y.r_prime) - 0.045 * kcasr * y.cass * y.r_prime,
        }  # fmt: skip


# Volumes (nL) and capacitance (uF), ten Tusscher 2006, table 2; mM per ms and uA/uF
_V_C, _V_SR, _V_SS = 0.016404, 0.001094, 5.468e-5
_PER_CYTOSOL = 0.185 / (_V_C * FARADAY)


def _square(x: Array) -> Array:
    return x * x


def _free(x: Array, buffer: float, half: float) -> Array:
    """The share of calcium that no buffer binds: 1 / (1 + b K / (x + K)^2)."""
    total = _square(x + half)
    return total / (total + buffer * half)


def _sodium_gates(v: Array, e5: Array, e10: Array) -> dict[str, Gate]:
    m = 1 / (1 + jnp.exp((-56.86 - v) * (1 / 9.03)))
    h = 1 / (1 + jnp.exp((v + 71.55) * (1 / 7.43)))
    # 1 / tau is alpha + beta; one branch's exponentials stand in for the other's
    hot = v >= -40.0
    h_first = jnp.exp(jnp.where(hot, (v + 10.66) * (-1 / 11.1), (v + 80) * (-1 / 6.8)))
    cold = jnp.where(hot, -40.0, v)  # keeps the cold branch finite where not taken
    h_rate = jnp.where(
        hot,
        0.77 / (0.13 * (1 + h_first)),
        0.057 * h_first + 2.7 * jnp.exp(0.079 * cold) + 3.1e5 * jnp.exp(0.3485 * cold),
    )
    j_first = jnp.exp(jnp.where(hot, 0.057 * v, 0.2444 * v))
    # the cold branch is alpha + beta = a / a_below + b / b_below
    a = (-25428.0 * j_first - 6.948e-6 * jnp.exp(-0.04391 * cold)) * (cold + 37.78)
    a_below = 1 + jnp.exp(0.311 * (cold + 79.23))
    b = 0.02424 * jnp.exp(-0.01052 * cold)
    b_below = 1 + jnp.exp(-0.1378 * (cold + 40.14))
    j_rate = jnp.where(hot, 0.6 * j_first * e10, a * b_below + b * a_below) / jnp.where(
        hot, e10 + _k(-32, 10), a_below * b_below
    )
    # 1 / (1 + exp((-60 - V) / 5)) * (0.1 / (1 + exp((V + 35) / 5)) + 0.1 / (1 +
    # exp((V - 50) / 200)))
    rise, fall = 1 + e5 * _k(35, 5), 1 + jnp.exp((v - 50) * (1 / 200))
    m_tau = 0.1 * e5 * (rise + fall) / ((e5 + _k(-60, 5)) * rise * fall)
    return {
        "m": Gate(m * m, m_tau),
        "h": Gate(h * h, 1 / h_rate),
        "j": Gate(h * h, 1 / j_rate),
    }


def _calcium_gates(
    v: Array, e5: Array, e7: Array, e75: Array, e10: Array, e20: Array
) -> dict[str, Gate]:
    bell = _square(v + 27)
    alpha = 1.4 / (1 + jnp.exp((-35 - v) * (1 / 13))) + 0.25
    late = 1 + e10 * _k(30, 10)
    return {
        "d": Gate(
            e75 / (e75 + _k(-8, 7.5)),
            alpha * 1.4 / (1 + e5 * _k(5, 5)) + e20 / (e20 + _k(50, 20)),
        ),
        "f": Gate(
            1 / (1 + e7 * _k(20, 7)),
            1102.5 * jnp.exp(bell * (-1 / 225))
            + 200 * e10 / (e10 + _k(13, 10)) + 180 / late + 20,
        ),
        "f2": Gate(
            0.67 / (1 + e7 * _k(35, 7)) + 0.33,
            562 * jnp.exp(bell * (-1 / 240))
            + 31 * e10 / (e10 + _k(25, 10)) + 80 / late,
        ),
    }  # fmt: skip


def _fcass(cass: Array) -> Gate:
    closing = 1 / (1 + _square(cass * 20.0))
    return Gate(0.6 * closing + 0.4, 80 * closing + 2)


def _k1_open(x: Array) -> Array:
    """xK1_inf of V - E_K: alpha / (alpha + beta)."""
    t = jnp.exp(x * 0.02)
    t2 = t * t
    t5 = t2 * t2 * t
    # alpha = 0.1 / below, beta = above / falling
    below = 1 + t2 * t * math.exp(-12.0)
    above = 3 * jnp.exp(0.0002 * (x + 100)) + t5 * math.exp(-1.0)
    # its exp(-0.5 x) is no power of t: that overflows 32 bits under a strong stimulus
    falling = 1 + jnp.exp(-0.5 * x)
    return 0.1 / (0.1 + above * below / falling)


def _calcium_drive(v: Array, cass: Array, cao: Array) -> Array:
    """4 x F^2/RT (0.25 [Ca]_SS e^u - [Ca]_o) / (e^u - 1), x = V - 15, u = 2 x F/RT."""
    x = v - 15.0
    near = jnp.abs(x) < 1e-3
    x = jnp.where(near, 1e-3, x)
    e = jnp.exp(x * (2 * _FRT))
    return 4 * FARADAY * _FRT * x * (0.25 * cass * e - cao) / (e - 1)


#: What the wall's layers change (ten Tusscher 2006, table 2; 2004, eqs. 57-60).
_LAYERS: dict[str, dict[str, float]] = {
    "epi": {},
    "m": {"slow_rectifier": 0.098},
    "endo": {
        "transient_outward": 0.073, "s_half": 28.0, "s_height": 1000.0,
        "s_centre": 67.0, "s_width": 1000.0, "s_step": 0.0, "s_floor": 8.0,
    },
}  # fmt: skip

#: Published start of each layer, in the order of the state's fields: the CellML models
#: of the authors' code; the epicardial one is Niederer 2011's too (table 3).
_STARTS: dict[str, tuple[float, ...]] = {
    "epi": (
        -85.23, 0.00621, 0.4712, 0.0095, 0.00172, 0.7444, 0.7045, 3.373e-5, 0.7888,
        0.9755, 0.9953, 0.999998, 2.42e-8, 1.26e-4, 3.64, 3.6e-4, 0.9073, 8.604, 136.89,
    ),
    "m": (
        -85.423, 0.0165, 0.473, 0.0174, 0.00165, 0.749, 0.6788, 3.288e-5, 0.7026,
        0.9526, 0.9942, 0.999998, 2.347e-8, 1.53e-4, 4.272, 4.2e-4, 0.8978, 10.132,
        138.52,
    ),
    "endo": (
        -86.709, 0.00448, 0.476, 0.0087, 0.00155, 0.7573, 0.7225, 3.164e-5, 0.8009,
        0.9778, 0.9953, 0.3212, 2.235e-8, 1.3e-4, 3.715, 3.6e-4, 0.9068, 10.355, 138.4,
    ),
}  # fmt: skip


def ten_tusscher_2006(layer: str = "epi") -> TenTusscher2006:
    """The cell of a wall layer: "epi", "m" or "endo". ``ValueError`` otherwise."""
    if layer not in _LAYERS:
        raise ValueError(f"A layer is one of {', '.join(_LAYERS)}; got {layer!r}.")
    return TenTusscher2006(**_LAYERS[layer], layer=layer)
