"""Human atrial myocyte of Courtemanche, Ramirez and Nattel (1998).

Am J Physiol Heart Circ Physiol 275:H301, 10.1152/ajpheart.1998.275.1.H301. Currents
are per capacitance (pA/pF); the paper's total currents are 100 pF times these. Its
removable singularities are written as x / (1 - exp(-x)) in a form exact at x = 0.
"""
# pyright: reportIncompatibleVariableOverride=false, reportArgumentType=false
# A class variable stands for the abstract one;
# a param field converts the number it is given: the type checker knows neither.

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.electrophysiology.cells.cell import AbstractCell, Excitation, Gate
from physio.interventions import Intervention, scale, then
from physio.parameters import param

_1998 = "Courtemanche 1998, 10.1152/ajpheart.1998.275.1.H301, table 1"
_FARADAY = 96.4867  # C/mmol, as printed
_RTF = 8.3143 * 310.0 / _FARADAY  # mV
_CAPACITANCE = 100.0  # pF
# Volumes (um^3): cytosol, uptake and release compartments of a cell of 20100 um^3
_V_I, _V_UP, _V_REL = 0.68 * 20100.0, 0.0552 * 20100.0, 0.0048 * 20100.0
_PER_CYTOSOL = _CAPACITANCE / (_V_I * _FARADAY)  # mM/ms per uA/uF
_Q10 = 3.0
_RELEASE_UNIT = 13.67e-16  # the width of the release gates in F_n


class CourtemancheState(eqx.Module):
    """Voltage (mV), gates (``u``, ``vr``, ``w`` of the release), concentrations."""

    v: Float[Array, "..."]
    m: Float[Array, "..."]
    h: Float[Array, "..."]
    j: Float[Array, "..."]
    oa: Float[Array, "..."]
    oi: Float[Array, "..."]
    ua: Float[Array, "..."]
    ui: Float[Array, "..."]
    xr: Float[Array, "..."]
    xs: Float[Array, "..."]
    d: Float[Array, "..."]
    f: Float[Array, "..."]
    fca: Float[Array, "..."]
    u: Float[Array, "..."]
    vr: Float[Array, "..."]
    w: Float[Array, "..."]
    nai: Float[Array, "..."]
    cai: Float[Array, "..."]
    ki: Float[Array, "..."]
    carel: Float[Array, "..."]
    caup: Float[Array, "..."]


class Courtemanche1998(AbstractCell):
    """Courtemanche-Ramirez-Nattel 1998.

    dV/dt = -(I_Na + I_K1 + I_to + I_Kur + I_Kr + I_Ks + I_CaL + I_pCa + I_NaK + I_NaCa
    + I_bNa + I_bCa) + stimulus. Valid for human atrium at 37 C; resting potential and
    calcium drift for minutes, so pace it before use. The stimulus carries no ions, as
    printed.
    """

    sodium: Array = param(7.8, unit="mS/uF", source=_1998, doc="g_Na", per_node=True)
    inward_rectifier: Array = param(
        0.09, unit="mS/uF", source=_1998, doc="g_K1", per_node=True
    )
    transient_outward: Array = param(
        0.1652, unit="mS/uF", source=_1998, doc="g_to", per_node=True
    )
    ultrarapid_rectifier: Array = param(
        1.0, unit="1", source=_1998, doc="factor of g_Kur(V)", per_node=True
    )
    rapid_rectifier: Array = param(
        0.029411765, unit="mS/uF", source=_1998, doc="g_Kr", per_node=True
    )
    slow_rectifier: Array = param(
        0.12941176, unit="mS/uF", source=_1998, doc="g_Ks", per_node=True
    )
    calcium: Array = param(
        0.12375, unit="mS/uF", source=_1998, doc="g_CaL", per_node=True
    )
    calcium_pump: Array = param(
        0.275, unit="uA/uF", source=_1998, doc="I_pCa(max)", per_node=True
    )
    sodium_pump: Array = param(
        0.59933874, unit="uA/uF", source=_1998, doc="I_NaK(max)", per_node=True
    )
    exchanger: Array = param(
        1600.0, unit="uA/uF", source=_1998, doc="I_NaCa(max)", per_node=True
    )
    background_sodium: Array = param(
        6.744375e-4, unit="mS/uF", source=_1998, doc="g_bNa", per_node=True
    )
    background_calcium: Array = param(
        1.131e-3, unit="mS/uF", source=_1998, doc="g_bCa", per_node=True
    )
    release: Array = param(30.0, unit="1/ms", source=_1998, doc="k_rel", per_node=True)
    uptake: Array = param(
        0.005, unit="mM/ms", source=_1998, doc="I_up(max)", per_node=True
    )
    store_capacity: Array = param(15.0, unit="mM", source=_1998, doc="[Ca]_up(max)")
    transfer_time: Array = param(180.0, unit="ms", source=_1998, doc="tau_tr")
    potassium_outside: Array = param(
        5.4, unit="mM", source=_1998, doc="K_o", per_node=True
    )
    sodium_outside: Array = param(140.0, unit="mM", source=_1998, doc="Na_o")
    calcium_outside: Array = param(1.8, unit="mM", source=_1998, doc="Ca_o")

    excitation: ClassVar[Excitation | None] = Excitation(
        ("m", "h", "j"), "sodium", 7.8,
        (0.5, 0.7, 1.0), (0.1796, 0.1482, 0.1188), (0.1385, 0.1213, 0.1071),
    )  # fmt: skip
    slow: ClassVar[tuple[str, ...]] = ("nai", "ki")
    threshold: ClassVar[float] = -20.0
    stimulus: ClassVar[tuple[float, float]] = (20.0, 2.0)

    def initial_state(self) -> CourtemancheState:
        """Rest as printed (table 5)."""
        values = dict(
            v=-81.18, m=2.908e-3, h=0.9649, j=0.9775, oa=3.043e-2, oi=0.9992,
            ua=4.966e-3, ui=0.9986, xr=3.296e-5, xs=1.869e-2, d=1.367e-4, f=0.9996,
            fca=0.7755, u=0.0, vr=1.0, w=0.9992, nai=11.17, cai=1.013e-4, ki=139.0,
            carel=1.488, caup=1.488,
        )  # fmt: skip
        kind = self.sodium.dtype
        return CourtemancheState(**{k: jnp.asarray(x, kind) for k, x in values.items()})

    def gates(self, y: CourtemancheState) -> dict[str, Gate]:
        v = y.v
        return {
            **_sodium_gates(v),
            **_outward_gates(v),
            **_rectifier_gates(v),
            **_calcium_gates(v, y.cai),
            **self._release_gates(y),
        }

    def _release_gates(self, y: CourtemancheState) -> dict[str, Gate]:
        # F_n in units of the gates' width: the sigmoids saturate, nothing overflows
        i_cal, i_naca = self._calcium_current(y), self._exchange(y)
        drive = 0.5 * i_cal - 0.2 * i_naca
        fn = (
            self._released(y) * (1e-12 * _V_REL / _RELEASE_UNIT)
            - drive * (1e-12 * _CAPACITANCE / (2 * _FARADAY * _RELEASE_UNIT))
        )  # fmt: skip
        near = jax.nn.sigmoid(fn - 3.4175e-13 / _RELEASE_UNIT)
        far = jax.nn.sigmoid(fn - 6.835e-14 / _RELEASE_UNIT)
        # 6 (1 - e) / ((1 + 0.3 e) (V - 7.9)), e = exp(-(V - 7.9) / 5)
        x = (y.v - 7.9) * 0.2
        e = jnp.exp(-x)
        return {
            "u": Gate(near, jnp.full_like(y.v, 8.0)),
            "vr": Gate(1 - far, 1.91 + 2.09 * near),
            "w": Gate(
                jax.nn.sigmoid((40.0 - y.v) * (1 / 17)),
                1.2 / (_ramp(x) * (1 + 0.3 * e)),
            ),
        }

    def currents(self, y: CourtemancheState) -> dict[str, Array]:
        v = y.v
        ko = self.potassium_outside
        x = v - _RTF * jnp.log(ko / y.ki)
        e_ca = 0.5 * _RTF * jnp.log(self.calcium_outside / y.cai)
        b = jnp.exp(v * (-0.1 / _RTF))
        b2 = b * b
        b4 = b2 * b2
        sigma = (jnp.exp(self.sodium_outside / 67.3) - 1) / 7
        open_pump = 1 / (1 + 0.1245 * b + 0.0365 * sigma * (b4 * b4 * b2))
        loaded = 10.0 / y.nai
        g_kur = 0.005 + 0.05 / (1 + jnp.exp((15 - v) * (1 / 13)))
        ua3 = y.ua * y.ua * y.ua
        return {
            "i_na": self.fast_current(y),
            "i_k1": self.inward_rectifier * x / (1 + jnp.exp(0.07 * (v + 80))),
            "i_to": self.transient_outward * (y.oa * y.oa * y.oa) * y.oi * x,
            "i_kur": self.ultrarapid_rectifier * g_kur * ua3 * y.ui * x,
            "i_kr": self.rapid_rectifier * y.xr * x / (1 + jnp.exp((v + 15) / 22.4)),
            "i_ks": self.slow_rectifier * y.xs * y.xs * x,
            "i_cal": self._calcium_current(y),
            "i_pca": self.calcium_pump * y.cai / (0.0005 + y.cai),
            "i_nak": self.sodium_pump * open_pump * (ko / (ko + 1.5))
            / (1 + loaded * jnp.sqrt(loaded)),
            "i_naca": self._exchange(y),
            "i_bna": self.background_sodium * (v - self._sodium_reversal(y)),
            "i_bca": self.background_calcium * (v - e_ca),
        }  # fmt: skip

    def fast_current(self, y: CourtemancheState) -> Array:
        drive = y.v - self._sodium_reversal(y)
        return self.sodium * (y.m * y.m * y.m) * (y.h * y.j) * drive

    def _sodium_reversal(self, y: CourtemancheState) -> Array:
        return _RTF * jnp.log(self.sodium_outside / y.nai)

    def _calcium_current(self, y: CourtemancheState) -> Array:
        return self.calcium * y.d * y.f * y.fca * (y.v - 65.0)

    def _exchange(self, y: CourtemancheState) -> Array:
        nao, cao = self.sodium_outside, self.calcium_outside
        forward = jnp.exp(y.v * (0.35 / _RTF))
        backward = jnp.exp(y.v * (-0.65 / _RTF))
        nai3, nao3 = y.nai * y.nai * y.nai, nao * nao * nao
        return (
            self.exchanger
            * (forward * nai3 * cao - backward * nao3 * y.cai)
            / ((87.5**3 + nao3) * (1.38 + cao) * (1 + 0.1 * backward))
        )

    def _released(self, y: CourtemancheState) -> Array:
        return self.release * (y.u * y.u) * y.vr * y.w * (y.carel - y.cai)

    def rates(self, y: CourtemancheState, stimulus: Array) -> dict[str, Array]:
        i = self.currents(y)
        released = self._released(y)
        moved = (y.caup - y.carel) / self.transfer_time
        taken = self.uptake * y.cai / (y.cai + 0.00092)
        leaked = self.uptake * y.caup / self.store_capacity
        free_i = 1 / (
            1
            + 0.07 * 0.0005 / _square(y.cai + 0.0005)
            + 0.05 * 0.00238 / _square(y.cai + 0.00238)
        )
        free_rel = 1 / (1 + 10.0 * 0.8 / _square(y.carel + 0.8))
        sarcolemmal = 2 * i["i_naca"] - (i["i_pca"] + i["i_cal"] + i["i_bca"])
        outward = i["i_k1"] + i["i_to"] + i["i_kur"] + i["i_kr"] + i["i_ks"]
        return {
            "nai": (3 * i["i_nak"] + 3 * i["i_naca"] + i["i_bna"] + i["i_na"])
            * -_PER_CYTOSOL,
            "ki": (2 * i["i_nak"] - outward) * _PER_CYTOSOL,
            "cai": free_i
            * (sarcolemmal * (0.5 * _PER_CYTOSOL) + (leaked - taken) * (_V_UP / _V_I)
               + released * (_V_REL / _V_I)),
            "caup": taken - leaked - moved * (_V_REL / _V_UP),
            "carel": free_rel * (moved - released),
        }  # fmt: skip


def _square(x: Array) -> Array:
    return x * x


def _ramp(x: Array) -> Array:
    """x / (1 - exp(-x)): 1 at x = 0, |x| far below, x far above."""
    near = jnp.abs(x) < 1e-6
    safe = jnp.where(near, 1.0, x)
    return jnp.where(near, 1 + 0.5 * x, safe / -jnp.expm1(-safe))


def _sodium_gates(v: Array) -> dict[str, Gate]:
    hot = v >= -40.0
    cold = jnp.where(hot, -40.0, v)  # keeps the cold branch finite where not taken
    m_alpha, m_beta = 3.2 * _ramp(0.1 * (v + 47.13)), 0.08 * jnp.exp(v * (-1 / 11))
    h_alpha = jnp.where(hot, 0.0, 0.135 * jnp.exp((cold + 80) * (-1 / 6.8)))
    h_beta = jnp.where(
        hot,
        1 / (0.13 * (1 + jnp.exp((v + 10.66) * (-1 / 11.1)))),
        3.56 * jnp.exp(0.079 * cold) + 3.1e5 * jnp.exp(0.35 * cold),
    )
    j_alpha = jnp.where(
        hot,
        0.0,
        (-127140.0 * jnp.exp(0.2444 * cold) - 3.474e-5 * jnp.exp(-0.04391 * cold))
        * (cold + 37.78) / (1 + jnp.exp(0.311 * (cold + 79.23))),
    )  # fmt: skip
    j_beta = jnp.where(
        hot,
        0.3 * jnp.exp(-2.535e-7 * v) / (1 + jnp.exp(-0.1 * (v + 32))),
        0.1212 * jnp.exp(-0.01052 * cold) / (1 + jnp.exp(-0.1378 * (cold + 40.14))),
    )
    return {
        "m": _two_rates(m_alpha, m_beta),
        "h": _two_rates(h_alpha, h_beta),
        "j": _two_rates(j_alpha, j_beta),
    }


def _two_rates(alpha: Array, beta: Array) -> Gate:
    tau = 1 / (alpha + beta)
    return Gate(alpha * tau, tau)


def _outward_gates(v: Array) -> dict[str, Gate]:
    activation = 0.65 / (jnp.exp((v + 10) * (-1 / 8.5)) + jnp.exp((v - 30) * (-1 / 59)))
    activation = activation + 0.65 / (2.5 + jnp.exp((v + 82) * (1 / 17)))
    oi = 1 / (18.53 + jnp.exp((v + 113.7) * (1 / 10.95)))
    oi = oi + 1 / (35.56 + jnp.exp((v + 1.26) * (-1 / 7.44)))
    ui = 1 / (21 + jnp.exp((185 - v) * (1 / 28))) + jnp.exp((v - 158) * (1 / 16))
    tau = 1 / (_Q10 * activation)
    return {
        "oa": Gate(1 / (1 + jnp.exp((v + 20.47) * (-1 / 17.54))), tau),
        "oi": Gate(1 / (1 + jnp.exp((v + 43.1) * (1 / 5.3))), 1 / (_Q10 * oi)),
        "ua": Gate(1 / (1 + jnp.exp((v + 30.3) * (-1 / 9.6))), tau),
        "ui": Gate(1 / (1 + jnp.exp((v - 99.45) * (1 / 27.48))), 1 / (_Q10 * ui)),
    }


def _rectifier_gates(v: Array) -> dict[str, Gate]:
    xr = 0.0015 * _ramp((v + 14.1) * 0.2)
    xr = xr + 7.3898e-5 * 5.1237 * _ramp((3.3328 - v) * (1 / 5.1237))
    x = v - 19.9
    xs = 6.8e-4 * _ramp(x * (1 / 17)) + 3.15e-4 * _ramp(x * (-1 / 9))
    return {
        "xr": Gate(1 / (1 + jnp.exp((v + 14.1) * (-1 / 6.5))), 1 / xr),
        "xs": Gate(1 / jnp.sqrt(1 + jnp.exp(x * (-1 / 12.7))), 0.5 / xs),
    }


def _calcium_gates(v: Array, cai: Array) -> dict[str, Gate]:
    x = (v + 10) * (1 / 6.24)
    bell = _square(0.0337 * (v + 10))
    return {
        "d": Gate(
            1 / (1 + jnp.exp((v + 10) * (-1 / 8))),
            1 / (0.035 * 6.24 * _ramp(x) * (1 + jnp.exp(-x))),
        ),
        "f": Gate(
            1 / (1 + jnp.exp((v + 28) * (1 / 6.9))),
            9 / (0.0197 * jnp.exp(-bell) + 0.02),
        ),
        "fca": Gate(1 / (1 + cai * (1 / 0.00035)), jnp.full_like(v, 2.0)),
    }


def atrial_fibrillation_remodelling() -> Intervention:
    """What chronic fibrillation does to the currents: I_to -50, I_CaL -70, I_Kur -50 %.

    Source: Courtemanche, Ramirez, Nattel 1999, Cardiovasc Res 42:477,
    10.1016/S0008-6363(99)00034-6.
    """
    return then(
        scale("transient_outward", 0.5),
        scale("calcium", 0.3),
        scale("ultrarapid_rectifier", 0.5),
    )
