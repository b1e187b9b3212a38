"""Which parameters of a circulation are free, and how widely patients differ."""

from typing import Any

import numpy as np

from calibration.parameters.priors import LogNormal
from calibration.parameters.space import Free
from physio.parameters import get, parameters

#: Body surface (m^2) for which the named states are given.
REFERENCE_AREA = {"male": 1.95, "female": 1.70}


#: Pulse wave velocity by age, Mattace-Raso 2010, 10.1093/eurheartj/ehq165 (normal).
_AGES = (25.0, 35.0, 45.0, 55.0, 65.0, 75.0)


_VELOCITIES = (6.2, 6.5, 7.2, 8.3, 10.3, 10.9)


_REFERENCE_AGE = 55.0


#: What is free, and the spread of its prior (sd of the logarithm): wide enough that
#: the 90 % interval spans a factor of two to four, since a patient is not the average.
FREE: dict[str, float] = {
    "systemic.resistance": 0.45,
    "systemic_arteries.compliance": 0.45,
    "left_ventricle.active_elastance": 0.40,
    "left_ventricle.passive_elastance": 0.30,
    "right_ventricle.active_elastance": 0.30,
    "right_ventricle.passive_elastance": 0.30,
    "pulmonary.resistance": 0.40,
    "systemic_veins.unstressed_volume": 0.10,
    "systemic_veins.compliance": 0.50,
}


#: Veins yield within minutes (stress relaxation), so a volume moves pressures less than
#: the compliance at once says; the prior is centred on this multiple of it, wide, and
#: nothing measured at rest tells it. Rothe 1983, 10.1152/physrev.1983.63.4.1281.
STRESS_RELAXATION = 2.0


_FILLING = 6.0  # mmHg, venous pressure at which the blood held stays the same


#: What a condition frees besides.
FREE_BY_CONDITION: dict[str, dict[str, float]] = {
    "aortic_stenosis": {"aortic_valve.open_area": 0.40},
    "aortic_regurgitation": {"aortic_valve.leak_area": 0.50},
    "mitral_regurgitation": {"mitral_valve.leak_area": 0.50},
    "mitral_stenosis": {"mitral_valve.open_area": 0.40},
}


#: Gain of the reflex, (median, sd of the logarithm): awake, and blunted by
#: anaesthesia (Tanaka & Nishikawa 1999, 10.1093/bja/82.6.926: a fifth to a half).
AWAKE_GAIN = (0.6, 0.5)


ANAESTHETISED_GAIN = (0.12, 0.7)


#: A waveform tells of the limb and of how fast the heart contracts: freed with it.
_FREE_BY_WAVE: dict[str, float] = {
    "aortic_root.compliance": 0.40,
    "ventricles.contraction": 0.15,
    "ventricles.relaxation": 0.15,
}


_FREE_TRANSFER: dict[str, float] = {"delay": 0.30, "reflection": 0.50}


#: What general anaesthesia does to the prior medians. Contractility: end-systolic
#: elastance falls by a fifth to two fifths at one minimum alveolar concentration;
#: resistance by about a fifth. Judgement of this project, inside its spread.
_ANAESTHESIA: dict[str, float] = {
    "left_ventricle.active_elastance": 0.70,
    "right_ventricle.active_elastance": 0.70,
    "systemic.resistance": 0.80,
}


def _stiffness(age: float) -> float:
    """Arterial compliance at an age over that at the reference age."""
    velocity = np.interp(age, _AGES, _VELOCITIES)
    return float((np.interp(_REFERENCE_AGE, _AGES, _VELOCITIES) / velocity) ** 2)


def _free(model: Any, name: str, spread: float, of: str = "model") -> Free:
    """A parameter with a log-normal prior about what it is in ``model``."""
    value = float(get(model, name))
    return Free(
        name,
        LogNormal(value, spread),
        lower=value * float(np.exp(-5.0 * spread)),
        upper=value * float(np.exp(5.0 * spread)),
        of=of,
        unit=parameters(model)[name].unit,
    )
