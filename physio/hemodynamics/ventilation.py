"""Breathing: lung volume in time, and the pressures it puts around the heart.

Lung volume above the relaxed volume (mL), with x = exp(-TE/te) left of each breath:
V0 = VT x / (1 - x); inspiration V0 + VT (1 - e^(-t/ti)) / (1 - e^(-TI/ti));
expiration (V0 + VT) e^(-(t - TI)/te). Pleural pressure P0 + V / C_wall and
transpulmonary pressure V / C_lung. Katz 1981; van den Berg 2002,
10.1152/japplphysiol.00487.2001.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.inputs import AbstractSchedule
from physio.parameters import param
from physio.units import MMHG_PER_CMH2O, S_PER_MIN

_STUDY = "this project's fit to 24 ventilated patients, docs/validation.md"


class Ventilation(AbstractSchedule):
    """Volume-controlled ventilation; the value is the pair of pressures (mmHg)."""

    tidal_volume: Array = param(
        480.0, unit="mL", source="8 mL/kg at 60 kg", doc="volume of a breath"
    )
    rate: Array = param(
        10.0, unit="1/min", source="typical anaesthesia", doc="breaths per minute"
    )
    inspiratory_share: Array = param(
        0.33, unit="1", source="I:E of 1:2", doc="inspiratory time over breath"
    )
    inspiratory_time_constant: Array = param(
        0.9, unit="s", source=_STUDY, doc="time constant of inspiration"
    )
    expiratory_time_constant: Array = param(
        1.3, unit="s", source=_STUDY, doc="time constant of expiration"
    )
    chest_wall_compliance: Array = param(
        220.0, unit="mL/cmH2O", source=_STUDY, doc="chest wall compliance"
    )
    lung_compliance: Array = param(
        105.0, unit="mL/cmH2O", source=_STUDY, doc="lung compliance"
    )
    resting_pleural_pressure: Array = param(
        0.0, unit="mmHg", source="0: filling pressures are given against atmosphere",
        doc="pleural pressure at the relaxed volume",
    )  # fmt: skip
    peep_volume: Array = param(
        0.0,
        unit="mL",
        source="0: no PEEP",
        doc="volume held by end-expiratory pressure",
    )
    offset: Array = param(0.0, unit="s", source="0", doc="start of the first breath")

    def volume(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """Lung volume above the relaxed volume (mL)."""
        breath = S_PER_MIN / self.rate
        inspiration = self.inspiratory_share * breath
        since = t - self.offset
        since = since - jnp.floor(since / breath) * breath
        left = jnp.exp(-(breath - inspiration) / self.expiratory_time_constant)
        end = self.tidal_volume * left / (1.0 - left)
        ti = self.inspiratory_time_constant
        filled = jnp.expm1(-since / ti) / jnp.expm1(-inspiration / ti)
        after = jnp.maximum(since - inspiration, 0.0) / self.expiratory_time_constant
        falling = (end + self.tidal_volume) * jnp.exp(-after)
        rising = end + self.tidal_volume * filled
        return self.peep_volume + jnp.where(since < inspiration, rising, falling)

    def _pressures(self, volume: Array) -> tuple[Array, Array]:
        pleural = MMHG_PER_CMH2O * volume / self.chest_wall_compliance
        lung = MMHG_PER_CMH2O * volume / self.lung_compliance
        return self.resting_pleural_pressure + pleural, lung

    def __call__(self, t: Float[Array, ""]) -> tuple[Array, Array]:
        return self._pressures(self.volume(t))

    def mean(self) -> tuple[Array, Array]:
        breath = S_PER_MIN / self.rate
        times = self.offset + breath * (jnp.arange(200) + 0.5) / 200.0
        return self._pressures(jnp.mean(jax.vmap(self.volume)(times)))
