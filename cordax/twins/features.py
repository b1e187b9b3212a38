"""What a twin keeps of one beat: the indices, a few waves for pictures, and the mean
pressure at the baroreceptors. One program gives all of it, in a fit as in a what-if.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from calibration.problems.circulation import Indices
from learned.terms.residual import NeuralResidual, visited
from physio.hemodynamics.indices.beat import beat_mean
from physio.system import Trajectory

WAVE = "wave."  # prefix of the waves: wave.time, wave.pressure.left_ventricle
SENSED = "sensed_pressure"
LEARNED = "learned."  # of a hybrid: learned.low.* and learned.high.* by input
PHASES = 100  # steps of a kept wave over one beat
_RESOLVED = 1e-5  # of an index: beats are periodic to 1e-8, slopes and peaks magnify it
_QUANTITIES = ("pressure", "volume")
_SHOWN = ("aortic_root", "left_ventricle", "right_ventricle", "right_atrium")


class Seen(eqx.Module):
    """Indices as ``Indices`` gives them, ``wave.*`` on PHASES + 1 even points
    (``wave.time`` in s) and ``sensed_pressure`` (mmHg); of a hybrid the lowest and the
    highest of every quantity its residual was asked with, ``learned.*``."""

    indices: Indices

    def __call__(self, beat: Trajectory, circulation: Any) -> dict[str, Array]:
        found = self.indices(beat, circulation)
        phase = jnp.linspace(0.0, 1.0, PHASES + 1)
        at = beat.t[0] + phase * (beat.t[-1] - beat.t[0])
        found[f"{WAVE}time"] = at
        for quantity in _QUANTITIES:
            for name in _SHOWN:
                samples = getattr(beat.observed, quantity).get(name)
                if samples is not None:
                    wave = jnp.interp(at, beat.t, samples)
                    found[f"{WAVE}{quantity}.{name}"] = wave
        arterial = beat.observed.pressure["systemic_arteries"]
        found[SENSED] = beat_mean(beat.t, arterial)
        if isinstance(getattr(circulation, "correction", None), NeuralResidual):
            asked = visited(circulation, beat)
            for k, name in enumerate(circulation.correction.range.names):
                found[f"{LEARNED}low.{name}"] = jnp.min(asked[:, k])
                found[f"{LEARNED}high.{name}"] = jnp.max(asked[:, k])
        return found


def difference(
    after: Float[np.ndarray, " n"], before: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """What an index changed by; 0 where that is less than a search for beats tells."""
    change = after - before
    return np.where(np.abs(change) <= _RESOLVED * np.abs(before), 0.0, change)
