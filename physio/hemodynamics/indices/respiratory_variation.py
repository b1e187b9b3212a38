"""Pulse-pressure and stroke-volume variation of a ventilated circulation.

A march from the periodic state that holds ventilation at its mean; the beats until
the transient has died are dropped. BreathBeats of several offsets between beat and
breath are pooled, because a heart rate near a small multiple of the breathing rate
meets each breath at the same few phases.

**Study's definition**: a Fourier series over the phase of the breath (3 harmonics,
2 above 20 breaths per minute) fitted to the beats, (max - min) / mean of the smooth.
It stands for the cyclic smooth of Enevoldsen 2022, 10.1007/s10877-022-00873-7.
**Classic**: (max - min) / mean of the two within each whole breath, averaged over
breaths; De Backer 2009, 10.1097/ALN.0b013e31819db2a1.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from physio.hemodynamics.circulation import Circulation, CirculationInputs
from physio.hemodynamics.indices.beat import aortic_site, integral
from physio.hemodynamics.ventilation import Ventilation
from physio.parameters import get, replace
from physio.periodic import settle
from physio.simulate import march
from physio.system import Trajectory
from physio.units import PERCENT, S_PER_MIN

HARMONICS = 3
#: Above this rate a breath has too few beats for the third harmonic (1/min).
FAST_BREATHING = 20.0
_PHASES = 240


class Variation(NamedTuple):
    """Variation over the breath of pulse pressure and stroke volume.

    Percent; ``peak_phase`` is where the smoothed pulse pressure is largest, in
    breaths since the start of inspiration. ``ok``: the state settled and the run is
    finite.
    """

    pulse_pressure_variation: Array
    stroke_volume_variation: Array
    classic_pulse_pressure_variation: Array
    classic_stroke_volume_variation: Array
    peak_phase: Array
    ok: Array


class BreathBeats(NamedTuple):
    """One row per offset: onset since the first breath (s), pulse pressure (mmHg)
    and stroke volume (mL) of each beat."""

    onset: Float[Array, "n_offset n_beat"]
    pulse_pressure: Float[Array, "n_offset n_beat"]
    stroke_volume: Float[Array, "n_offset n_beat"]


def _terms(
    phase: Float[Array, " n_t"], rate: Float[Array, ""]
) -> Float[Array, "n_t n_term"]:
    order = jnp.arange(1, HARMONICS + 1)
    used = jnp.where(rate > FAST_BREATHING, order < HARMONICS, order <= HARMONICS)
    angle = 2.0 * jnp.pi * phase[:, None] * order[None, :]
    waves = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=1)
    kept = jnp.concatenate([used, used])[None, :]
    return jnp.concatenate([jnp.ones_like(angle[:, :1]), waves * kept], axis=1)


def smooth_over_breath(
    phase: Float[Array, " n_beat"],
    value: Float[Array, " n_beat"],
    weight: Float[Array, " n_beat"],
    rate: Float[Array, ""],
) -> Float[Array, " n_phase"]:
    """The Fourier series over breath phase at even phases from 0, by least squares.

    ``phase`` in breaths, ``weight`` 0 for a beat left out, ``rate`` in 1/min.
    """
    terms = _terms(phase, rate)
    normal = terms.T @ (weight[:, None] * terms)
    # a term not used, or one that no beat tells, keeps the coefficient 0
    ridge = jnp.where(jnp.diag(normal) > 0.0, 1e-9 * jnp.sum(weight), 1.0)
    coefficients = jnp.linalg.solve(
        normal + jnp.diag(ridge), terms.T @ (weight * value)
    )
    return _terms(jnp.arange(_PHASES) / _PHASES, rate) @ coefficients


def _spread(smooth: Float[Array, " n_phase"]) -> Float[Array, ""]:
    return PERCENT * (jnp.max(smooth) - jnp.min(smooth)) / jnp.mean(smooth)


def _classic(
    breath: Int[Array, " n_beat"], value: Float[Array, " n_beat"],
    kept: Bool[Array, " n_beat"],
) -> Float[Array, ""]:  # fmt: skip
    count = value.size
    number = jnp.where(kept, breath, count)
    most = jax.ops.segment_max(value, number, count + 1)[:count]
    least = jax.ops.segment_min(value, number, count + 1)[:count]
    held = jax.ops.segment_sum(kept.astype(value.dtype), number, count + 1)[:count]
    there = held > 0.0
    safe_most, safe_least = jnp.where(there, most, 1.0), jnp.where(there, least, 1.0)
    each = 2.0 * PERCENT * (safe_most - safe_least) / (safe_most + safe_least)
    return jnp.sum(each) / jnp.sum(there)


def _of_beat(run: Trajectory, steps: int, beats: int) -> tuple[Array, Array]:
    """Pulse pressure and stroke volume of each beat of a run of whole beats."""
    site = aortic_site(run.observed.pressure)

    def rows(x: Array) -> Array:
        body = x[:-1].reshape(beats, steps)
        return jnp.concatenate([body, x[steps::steps, None]], axis=1)

    pressure = rows(run.observed.pressure[site])
    # the valve opens in the first quarter: later pressure belongs to the run-off
    foot = jnp.min(pressure[:, : steps // 4], axis=1)
    stroke = jax.vmap(integral)(rows(run.t), rows(run.observed.flow["aortic_valve"]))
    return jnp.max(pressure, axis=1) - foot, stroke


def ventilated_beats(
    circulation: Circulation, ventilation: Ventilation, *, discard: int, beats: int,
    offsets: int, steps_per_beat: int,
) -> tuple[BreathBeats, Bool[Array, ""]]:  # fmt: skip
    """The beats after ``discard`` of them, for each offset, and whether all is well.

    The offsets are even shares of a beat.
    """
    periodic = settle(
        circulation, CirculationInputs(ventilation=ventilation),
        steps_per_beat=steps_per_beat,
    )  # fmt: skip
    cycle = S_PER_MIN / get(periodic.system, "rhythm.rate")  # the reflex moves it

    def one(share: Array) -> tuple[BreathBeats, Array]:
        moved = replace(ventilation, "offset", ventilation.offset - share * cycle)
        run = march(
            periodic.system, inputs=CirculationInputs(ventilation=moved),
            y0=periodic.state, beats=discard + beats, steps_per_beat=steps_per_beat,
        )  # fmt: skip
        pressure, stroke = _of_beat(run, steps_per_beat, discard + beats)
        onset = run.t[:-1:steps_per_beat] - moved.offset
        return BreathBeats(*(x[discard:] for x in (onset, pressure, stroke))), run.ok

    found, ok = jax.vmap(one)(jnp.arange(offsets) / offsets)
    return found, periodic.ok & jnp.all(ok)


def variation_of_beats(
    beats: BreathBeats, rate: Float[Array, ""], ok: Bool[Array, ""]
) -> Variation:
    """The variation of beats under ventilation at ``rate`` (1/min)."""
    breath = beats.onset * rate / S_PER_MIN
    number = jnp.floor(breath).astype(int)
    # whole breaths only, counted from the first that starts within the run
    first = jnp.ceil(breath[:, :1])
    whole = jnp.floor(breath[:, -1:]) - first
    kept = (breath >= first) & (breath < first + whole)
    weight = kept.astype(breath.dtype).ravel()

    def smooth(value: Array) -> Array:
        return smooth_over_breath((breath % 1.0).ravel(), value.ravel(), weight, rate)

    def classic(value: Array) -> Array:
        numbered = number - number[:, :1]
        return jnp.mean(jax.vmap(_classic)(numbered, value, kept))

    pressure, stroke = smooth(beats.pulse_pressure), smooth(beats.stroke_volume)
    return Variation(
        _spread(pressure),
        _spread(stroke),
        classic(beats.pulse_pressure),
        classic(beats.stroke_volume),
        jnp.argmax(pressure) / _PHASES,
        ok & jnp.all(whole >= 1.0),
    )


def variation(
    circulation: Circulation,
    ventilation: Ventilation,
    *,
    discard: int = 24,
    beats: int = 40,
    offsets: int = 3,
    steps_per_beat: int = 300,
) -> Variation:
    """Pulse-pressure and stroke-volume variation (%) of a circulation.

    ``discard`` and ``beats`` are counts, so that one compiled program serves every
    patient and setting under ``jax.vmap``. The march starts from the state that holds
    ventilation at its mean: after 24 beats the result is within 0.3 % of that after
    96. ``beats`` should span three breaths or more. The reflex, where there is one, is
    solved for with ventilation at its mean and then held. ``ok`` is False where the
    state did not settle or ``beats`` hold no whole breath. Raises ``ValueError`` for
    fewer than 3 offsets: one is wrong by 5 %, at worst 27 %, at 31 breaths a minute.
    """
    if offsets < 3:
        raise ValueError(f"variation pools 3 offsets or more; got {offsets}.")
    found, ok = ventilated_beats(
        circulation, ventilation, discard=discard, beats=beats, offsets=offsets,
        steps_per_beat=steps_per_beat,
    )  # fmt: skip
    return variation_of_beats(found, ventilation.rate, ok)
