"""What couples chambers: the pericardium and the septum."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.parameters import param


class Pericardium(eqx.Module):
    """Pressure around the heart: p = exp((V - V0) / phi), V the four chambers' volume.

    Sun 1997, 10.1152/ajpheart.1997.272.3.H1499 (K = 1 mmHg).
    """

    volume: Array = param(
        500.0, unit="mL", source="Sun 1997, 380 mL in a smaller heart; set above the "
        "healthy man's four chambers", doc="volume at which the pressure is 1 mmHg",
    )  # fmt: skip
    scale: Array = param(
        40.0, unit="mL", source="Sun 1997, 10.1152/ajpheart.1997.272.3.H1499",
        doc="volume that multiplies the pressure by e",
    )  # fmt: skip
    encloses: tuple[str, ...] = eqx.field(
        static=True,
        default=("left_atrium", "left_ventricle", "right_atrium", "right_ventricle"),
    )

    def pressure(self, volume: dict[str, Array]) -> Float[Array, ""]:
        """Pericardial pressure (mmHg) at the chambers' volumes (mL)."""
        heart = sum((volume[name] for name in self.encloses), jnp.zeros(()))
        return jnp.exp(jnp.minimum((heart - self.volume) / self.scale, 5.0))


class Septum(eqx.Module):
    """Ventricles that push on each other through the septum.

    p_L = f_L + a p_R, p_R = f_R + b p_L with f the pressures each would have alone
    (Maughan 1987, 10.1161/01.RES.61.1.133); a, b from the shares of pressure that
    Santamore & Dell'Italia 1998, 10.1016/S0033-0620(98)80049-2, report.
    """

    left_gain: Array = param(
        0.2, unit="1", source="Santamore & Dell'Italia 1998: 4-10 % of left pressure",
        doc="share of right ventricular pressure felt by the left",
    )  # fmt: skip
    right_gain: Array = param(
        0.06, unit="1", source="Santamore & Dell'Italia 1998: 20-40 % of the right's",
        doc="share of left ventricular pressure felt by the right",
    )  # fmt: skip
    left: str = eqx.field(static=True, default="left_ventricle")
    right: str = eqx.field(static=True, default="right_ventricle")

    def couple(self, pressure: dict[str, Array]) -> dict[str, Array]:
        """The pressures with the ventricles' own replaced by the coupled ones."""
        free_left, free_right = pressure[self.left], pressure[self.right]
        within = 1.0 - self.left_gain * self.right_gain
        left = (free_left + self.left_gain * free_right) / within
        right = (free_right + self.right_gain * free_left) / within
        return {**pressure, self.left: left, self.right: right}
