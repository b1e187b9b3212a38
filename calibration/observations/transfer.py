"""From the aorta to where the pressure was measured: one tube with a reflecting end.

The pressure at the far end of a lossless tube over that at its entry,

    H(w) = (1 + G) / (exp(i w d) + G exp(-i w d)),    G(w) = G0 / (1 + i w c),

with travel time d, reflection coefficient G of a three-element load at the end
(Zhang, Hahn & Mukkamala 2011, 10.3389/fphys.2011.00072). H(0) = 1, so the mean is
kept; near a quarter wave, 1/(4 d), the pulse is amplified. Applied to a periodic
beat harmonic by harmonic.
"""

# pyright: reportArgumentType=false
# A param field converts the number it is given: the type checker does not know.

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from physio.hemodynamics.indices.beat import peak, trough
from physio.parameters import param

#: Points of the uniform grid of a beat, and harmonics kept: 40 at 72/min is 48 Hz.
GRID = 512
HARMONICS = 40

_TUBE = (
    "Zhang 2011, 10.3389/fphys.2011.00072; "
    "set in calibration.observations.transfer.published"
)


class Transfer(eqx.Module):
    """The tube from the aortic root to one site, and the bias of the device there."""

    delay: Array = param(
        0.06, unit="s", source=_TUBE, doc="travel time from the aortic root"
    )
    reflection: Array = param(
        0.26, unit="1", source=_TUBE, doc="reflection at the end for slow waves"
    )
    corner: Array = param(
        0.02, unit="s", source=_TUBE, doc="time constant above which reflection fades"
    )
    systolic_bias: Array = param(
        0.0, unit="mmHg", source="0: invasive", doc="device minus invasive, systolic"
    )
    diastolic_bias: Array = param(
        0.0, unit="mmHg", source="0: invasive", doc="device minus invasive, diastolic"
    )

    def response(self, frequency: Float[Array, " n_f"]) -> Array:
        """H at frequencies (Hz), complex."""
        w = 2j * jnp.pi * frequency
        g = self.reflection / (1.0 + w * self.corner)
        travel = jnp.exp(w * self.delay)
        return (1.0 + g) / (travel + g / travel)


def uniform(
    t: Float[Array, " n_t"], x: Float[Array, " n_t"], n: int = GRID
) -> Float[Array, " n_grid"]:
    """A periodic beat sampled at uneven times, on n even points from its start."""
    even = t[0] + (t[-1] - t[0]) * jnp.arange(n) / n
    return jnp.interp(even, t, x)


def harmonics(
    t: Float[Array, " n_t"], x: Float[Array, " n_t"], transfer: Transfer | None = None
) -> Array:
    """Fourier coefficients 0 ... HARMONICS of a beat, through a transfer element."""
    series = jnp.fft.rfft(uniform(t, x))[: HARMONICS + 1] / GRID
    if transfer is None:
        return series
    return series * transfer.response(jnp.arange(HARMONICS + 1) / (t[-1] - t[0]))


def at_phase(series: Array, phase: Float[Array, " n"]) -> Float[Array, " n"]:
    """The beat with these Fourier coefficients at phases (1 = one period)."""
    k = jnp.arange(series.size)
    waves = jnp.exp(2j * jnp.pi * phase[:, None] * k[None, :])
    twice = jnp.where(k == 0, 1.0, 2.0)
    return jnp.real(waves @ (twice * series))


def transferred(
    t: Float[Array, " n_t"], x: Float[Array, " n_t"], transfer: Transfer
) -> Float[Array, " n_grid"]:
    """A beat of aortic pressure as it is at the site, on GRID even points."""
    return at_phase(harmonics(t, x, transfer), jnp.arange(GRID) / GRID)


def arterial(
    t: Float[Array, " n_t"], x: Float[Array, " n_t"], transfer: Transfer
) -> dict[str, Array]:
    """Systolic, diastolic, mean and pulse pressure (mmHg) as measured at the site."""
    wave = transferred(t, x, transfer)
    phase = jnp.arange(GRID) / GRID
    systolic = peak(phase, wave) + transfer.systolic_bias
    diastolic = trough(phase, wave) + transfer.diastolic_bias
    return {
        "systolic_pressure": systolic,
        "diastolic_pressure": diastolic,
        "mean_pressure": jnp.mean(wave),
        "pulse_pressure": systolic - diastolic,
    }


def published() -> dict[str, Transfer]:
    """The transfer element of every site.

    Travel times are path length over speed (brachial 0.36 m, radial 0.48 m, femoral
    0.44 m from the aortic root, at 8 m/s). The one reflection of the element stands
    for all of a limb's (the fitted distal reflection of a three-segment arm is 0.71,
    Segers 2000, 10.1152/ajpheart.2000.279.2.H542): it is set so that the pulse
    pressure of a healthy beat is amplified as published: aorta to radial 1.25 (Segers
    2009, 10.1161/HYPERTENSIONAHA.109.133009: carotid to radial 1.25 in the youngest
    men to 1.08 in the oldest women), to brachial 1.16 (Bui 2023,
    10.1038/s41440-023-01311-0: systolic +7.3 +- 9.1 mmHg), to femoral 1.2 (between
    the two). A cuff is brachial and reads systolic about 6 mmHg low and diastolic
    about 6 mmHg high (Picone 2017, 10.1016/j.jacc.2017.05.064, as quoted by Bui 2023).
    """
    return {
        "radial": Transfer(0.06, 0.26, 0.02),
        "brachial": Transfer(0.045, 0.22, 0.02),
        "femoral": Transfer(0.055, 0.22, 0.02),
        "cuff": Transfer(0.045, 0.22, 0.02, -6.0, 6.0),
    }
