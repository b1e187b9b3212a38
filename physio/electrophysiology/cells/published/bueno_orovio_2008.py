"""Minimal human ventricular model of Bueno-Orovio, Cherry and Fenton (2008).

J Theor Biol 253:544, 10.1016/j.jtbi.2008.03.029. The voltage ``v`` (u in the paper) is
dimensionless: V = 85.7 v - 84 mV; times are ms. The paper's gates v, w, s are here
``h``, ``w``, ``s``. An older form lives on in CellML; it has a name of its own,
:func:`bueno_orovio_2008_cellml`.
"""
# pyright: reportIncompatibleVariableOverride=false, reportArgumentType=false
# A class variable stands for the abstract one;
# a param field converts the number it is given: the type checker knows neither.

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.electrophysiology.cells.cell import AbstractCell, Excitation, Gate
from physio.parameters import param

_2008 = "Bueno-Orovio 2008, 10.1016/j.jtbi.2008.03.029, table 1"
_CELLML = "CellML form bueno_2007_epi and _endo of github.com/Chaste/cellml"


class BuenoOrovioState(eqx.Module):
    """Voltage (dimensionless) and three gates."""

    v: Float[Array, "..."]
    h: Float[Array, "..."]
    w: Float[Array, "..."]
    s: Float[Array, "..."]


class BuenoOrovio2008(AbstractCell):
    """Fast inward, slow outward and slow inward current; as built, epicardial.

    dv/dt = -(J_fi + J_so + J_si) + stimulus (1/ms). :func:`bueno_orovio_2008` gives
    the three wall layers as printed.
    """

    top: Array = param(1.55, unit="1", source=_2008, doc="u_u", per_node=True)
    fast_voltage: Array = param(
        0.3, unit="1", source=_2008, doc="theta_v", per_node=True
    )
    slow_voltage: Array = param(
        0.13, unit="1", source=_2008, doc="theta_w", per_node=True
    )
    h_voltage: Array = param(
        0.006, unit="1", source=_2008, doc="theta_v-", per_node=True
    )
    rest_voltage: Array = param(
        0.006, unit="1", source=_2008, doc="theta_o", per_node=True
    )
    w_voltage: Array = param(
        0.13, unit="1", source=f"{_2008}; {_CELLML}",
        doc="where w begins to close: theta_w (theta_o in the CellML form)",
        per_node=True,
    )  # fmt: skip
    h_open_low: Array = param(60.0, unit="ms", source=_2008, doc="tau_v1-")
    h_open_high: Array = param(1150.0, unit="ms", source=_2008, doc="tau_v2-")
    h_close: Array = param(1.4506, unit="ms", source=_2008, doc="tau_v+")
    w_open_low: Array = param(60.0, unit="ms", source=_2008, doc="tau_w1-")
    w_open_high: Array = param(15.0, unit="ms", source=_2008, doc="tau_w2-")
    w_steepness: Array = param(65.0, unit="1", source=_2008, doc="k_w-")
    w_centre: Array = param(0.03, unit="1", source=_2008, doc="u_w-")
    w_close: Array = param(200.0, unit="ms", source=_2008, doc="tau_w+", per_node=True)
    fast_time: Array = param(0.11, unit="ms", source=_2008, doc="tau_fi", per_node=True)
    out_low: Array = param(400.0, unit="ms", source=_2008, doc="tau_o1", per_node=True)
    out_high: Array = param(6.0, unit="ms", source=_2008, doc="tau_o2", per_node=True)
    so_low: Array = param(
        30.0181, unit="ms", source=_2008, doc="tau_so1", per_node=True
    )
    so_high: Array = param(
        0.9957, unit="ms", source=_2008, doc="tau_so2", per_node=True
    )
    so_steepness: Array = param(2.0458, unit="1", source=_2008, doc="k_so")
    so_centre: Array = param(0.65, unit="1", source=_2008, doc="u_so")
    s_low: Array = param(2.7342, unit="ms", source=_2008, doc="tau_s1")
    s_high: Array = param(16.0, unit="ms", source=_2008, doc="tau_s2")
    s_steepness: Array = param(2.0994, unit="1", source=_2008, doc="k_s")
    s_centre: Array = param(0.9087, unit="1", source=_2008, doc="u_s")
    slow_time: Array = param(
        1.8875, unit="ms", source=_2008, doc="tau_si", per_node=True
    )
    w_slope: Array = param(0.07, unit="1", source=_2008, doc="tau_w_inf")
    w_plateau: Array = param(0.94, unit="1", source=_2008, doc="w_inf*")

    excitation: ClassVar[Excitation | None] = Excitation(
        ("h",), "fast_time", 0.11, (1.0,), (0.0112,), (0.1175,)
    )
    slow: ClassVar[tuple[str, ...]] = ()
    threshold: ClassVar[float] = 0.3
    stimulus: ClassVar[tuple[float, float]] = (0.5, 1.0)

    def initial_state(self) -> BuenoOrovioState:
        """Rest as printed: v = 0, both recovery gates open, s = 0."""
        zero, one = jnp.zeros((), self.top.dtype), jnp.ones((), self.top.dtype)
        return BuenoOrovioState(zero, one, one, zero)

    def gates(self, y: BuenoOrovioState) -> dict[str, Gate]:
        v = y.v
        fast, slow = v >= self.fast_voltage, v >= self.slow_voltage
        shut, shut_w = v >= self.h_voltage, v >= self.w_voltage
        one = jnp.ones_like(v)
        open_w = jnp.where(v >= self.rest_voltage, self.w_plateau, 1 - v / self.w_slope)
        tau_w = _between(
            self.w_open_low, self.w_open_high, self.w_steepness * (v - self.w_centre)
        )
        return {
            "h": Gate(
                jnp.where(fast | shut, 0 * one, one),
                jnp.where(
                    fast,
                    self.h_close,
                    jnp.where(shut, self.h_open_high, self.h_open_low),
                ),
            ),
            "w": Gate(
                jnp.where(shut_w, 0 * one, open_w),
                jnp.where(shut_w, self.w_close, tau_w),
            ),
            "s": Gate(
                _between(0.0, 1.0, self.s_steepness * (v - self.s_centre)),
                jnp.where(slow, self.s_high, self.s_low),
            ),
        }

    def currents(self, y: BuenoOrovioState) -> dict[str, Array]:
        v = y.v
        slow = v >= self.slow_voltage
        tau_so = _between(
            self.so_low, self.so_high, self.so_steepness * (v - self.so_centre)
        )
        tau_o = jnp.where(v >= self.rest_voltage, self.out_high, self.out_low)
        return {
            "j_fi": self.fast_current(y),
            "j_so": jnp.where(slow, 1 / tau_so, v / tau_o),
            "j_si": jnp.where(slow, -y.w * y.s / self.slow_time, jnp.zeros_like(v)),
        }

    def fast_current(self, y: BuenoOrovioState) -> Array:
        drive = (y.v - self.fast_voltage) * (self.top - y.v)
        on = y.v >= self.fast_voltage
        return jnp.where(on, -y.h * drive / self.fast_time, jnp.zeros_like(y.v))

    def rates(self, y: BuenoOrovioState, stimulus: Array) -> dict[str, Array]:
        return {}


def _between(low: Array | float, high: Array | float, x: Array) -> Array:
    """From low to high along (1 + tanh x) / 2."""
    return low + (high - low) * (0.5 * (1 + jnp.tanh(x)))


#: Table 1; what is not named here is the epicardium's.
_LAYERS: dict[str, dict[str, float]] = {
    "epi": {},
    "endo": {
        "top": 1.56, "h_voltage": 0.2, "h_open_low": 75.0, "h_open_high": 10.0,
        "w_open_low": 6.0, "w_open_high": 140.0, "w_steepness": 200.0,
        "w_centre": 0.016, "w_close": 280.0, "fast_time": 0.1, "out_low": 470.0,
        "so_low": 40.0, "so_high": 1.2, "so_steepness": 2.0, "s_high": 2.0,
        "slow_time": 2.9013, "w_slope": 0.0273, "w_plateau": 0.78,
    },
    "m": {
        "top": 1.61, "h_voltage": 0.1, "rest_voltage": 0.005, "h_open_low": 80.0,
        "h_open_high": 1.4506, "w_open_low": 70.0, "w_open_high": 8.0,
        "w_steepness": 200.0, "w_centre": 0.016, "w_close": 280.0, "fast_time": 0.078,
        "out_low": 410.0, "out_high": 7.0, "so_low": 91.0, "so_high": 0.8,
        "so_steepness": 2.1, "so_centre": 0.6, "s_high": 4.0, "slow_time": 3.3849,
        "w_slope": 0.01, "w_plateau": 0.5,
    },
}  # fmt: skip

#: What the CellML form changes, the source of the published runs we compare with.
_OLDER: dict[str, dict[str, float]] = {
    "epi": {"w_voltage": 0.006},
    "endo": {"w_voltage": 0.006, "h_voltage": 0.024, "fast_time": 0.104},
}


def bueno_orovio_2008(layer: str = "epi") -> BuenoOrovio2008:
    """The paper's cell of a wall layer: "epi", "m" or "endo".

    Its equation of w and its table 1 throughout. ``ValueError`` for another layer.
    """
    if layer not in _LAYERS:
        raise ValueError(f"A layer is one of {', '.join(_LAYERS)}; got {layer!r}.")
    return BuenoOrovio2008(**_LAYERS[layer])


def bueno_orovio_2008_cellml(layer: str = "epi") -> BuenoOrovio2008:
    """The older form that is in CellML: "epi" or "endo". ``ValueError`` otherwise.

    There w closes above theta_o, not theta_w, and endo has theta_v- 0.024 and tau_fi
    0.104 ms. After a beat that comes early the action potential is far shorter than
    the paper's: 33 ms where it has 135 (epi, 300 ms after beats at 1 Hz).
    """
    if layer not in _OLDER:
        raise ValueError(
            f"A layer of the CellML form is one of {', '.join(_OLDER)}; got {layer!r}."
        )
    return BuenoOrovio2008(**{**_LAYERS[layer], **_OLDER[layer]})
