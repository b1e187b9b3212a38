"""Treatments and events with the clinic's names, each a pure function with its dose.

``fluid_bolus(500.0)`` returns an intervention, circulation -> circulation. A dose of
0 (or a factor of 1) changes nothing.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import ArrayLike, Float

from physio.compose import through
from physio.hemodynamics.elements.devices import Defect, RotaryPump, peep_from_cmh2o
from physio.interventions import Intervention, scale, set_to, shift, then
from physio.parameters import replace

Amount = Float[ArrayLike, ""]


def fluid_bolus(volume: Amount, *, retained: Amount = 0.7) -> Intervention:
    """A bolus of crystalloid (mL); ``retained`` is the share still in the vessels.

    About 70 % at the end of a 15-30 minute infusion: Hahn 2010,
    10.1097/ALN.0b013e3181e3ff97. Colloid or blood: ``retained=1``.
    """
    return shift("blood_volume", jnp.asarray(volume) * retained)


def haemorrhage(volume: Amount) -> Intervention:
    """A loss of blood (mL), before fluid moves into the vessels.

    Classes by the share of blood lost: American College of Surgeons, ATLS, 10th ed.,
    2018, table 3-1.
    """
    return shift("blood_volume", -jnp.asarray(volume))


def vasodilator(factor: Amount) -> Intervention:
    """Multiplies systemic resistance (0.8: 20 % less).

    Arterioles only, as hydralazine: Koch-Weser 1976, N Engl J Med 295:320.
    """
    return scale("systemic.resistance", factor)


def vasopressor(factor: Amount, *, recruited: Amount = 600.0) -> Intervention:
    """Multiplies systemic resistance (1.3) and constricts the veins.

    (factor - 1) x ``recruited`` mL become stressed: Persichini 2012,
    10.1097/CCM.0b013e3182741b1d: noradrenaline raised the mean systemic pressure
    from 26 to 33 mmHg; 600 mL per doubling of resistance is this project's reading.
    """
    unstressed = -(jnp.asarray(factor) - 1.0) * recruited
    return then(
        scale("systemic.resistance", factor),
        shift("systemic_veins.unstressed_volume", unstressed),
    )


def inotrope(factor: Amount) -> Intervention:
    """Multiplies the active elastance of both ventricles (1.3: 30 % stronger).

    What adrenaline does to the pressure-volume ratio: Suga, Sagawa & Shoukas 1973,
    10.1161/01.RES.32.3.314. Its course in time is left as it is.
    """
    return then(
        scale("left_ventricle.active_elastance", factor),
        scale("right_ventricle.active_elastance", factor),
    )


def beta_blocker(dose: Amount) -> Intervention:
    """A beta-blocker, dose 1 being a standard daily dose.

    Heart rate -12 /min (Wong 2014, 10.1002/14651858.CD007452.pub2) and 10 % less
    contractility (this project: with the rate it gives their -10 mmHg systolic).
    """
    dose = jnp.asarray(dose)
    return then(shift("rhythm.rate", -12.0 * dose), inotrope(1.0 - 0.1 * dose))


def heart_rate(rate: Amount) -> Intervention:
    """Sets the heart rate (1/min), before any reflex.

    Systole shortens with the square root of the cycle: Bazett 1920, Heart 7:353.
    """
    return set_to("rhythm.rate", rate)


def valve_replacement(area: Amount, *, valve: str = "aortic_valve") -> Intervention:
    """A prosthesis of an effective orifice area (cm^2), competent.

    1.4-2.0 cm^2 for common sizes: Lancellotti 2016, 10.1093/ehjci/jew025.
    """
    return then(set_to(f"{valve}.open_area", area), set_to(f"{valve}.leak_area", 0.0))


def valve_repair(share: Amount, *, valve: str = "mitral_valve") -> Intervention:
    """Multiplies a valve's regurgitant orifice area by 1 - share (1: competent).

    The area by which regurgitation is graded: Zoghbi 2017, 10.1016/j.echo.2017.01.007.
    """
    return scale(f"{valve}.leak_area", 1.0 - jnp.asarray(share))


class _WithConnection(eqx.Module):
    """Adds a connection to a circulation under a name."""

    name: str = eqx.field(static=True)
    connection: Any

    def __call__(self, circulation: Any) -> Any:
        return through(circulation, self._added)

    def _added(self, circulation: Any) -> Any:
        if self.name in circulation.connections:
            raise ValueError(f"The circulation already has a {self.name!r}.")
        connections = {**circulation.connections, self.name: self.connection}
        return eqx.tree_at(lambda m: m.connections, circulation, connections)


def lvad(speed: Amount) -> Intervention:
    """A rotary pump from the left ventricle to the aorta at a speed (rpm).

    Simaan 2009, 10.1109/TCST.2008.912123.
    """
    return _WithConnection(
        "lvad", RotaryPump("left_ventricle", "aortic_root", jnp.asarray(speed))
    )


def septal_defect(area: Amount) -> Intervention:
    """A ventricular septal defect of an effective area (cm^2).

    Penny & Vick 2011, 10.1016/S0140-6736(10)61339-6.
    """
    hole = Defect("left_ventricle", "right_ventricle", jnp.asarray(area))
    return _WithConnection("septal_defect", hole)


class _Peep(eqx.Module):
    """Puts an end-expiratory pressure around heart and lung vessels."""

    pressure: Any

    def __call__(self, circulation: Any) -> Any:
        return replace(circulation, "airway", peep_from_cmh2o(self.pressure))


def peep(pressure: Amount) -> Intervention:
    """Positive end-expiratory pressure (cmH2O), part of it around the heart.

    Chiumello 2008, 10.1164/rccm.200710-1589OC.
    """
    return _Peep(jnp.asarray(pressure, float))
