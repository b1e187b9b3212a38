"""One run: heart, tissue or eikonal front, and what is measured on the way."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from cordax.ep import electrocardiogram, membranes, setup
from cordax.ep.heart import Heart, build, there
from cordax.ep.settings import Settings
from cordax.progress import Progress, silent
from physio.electrophysiology.anatomy.sinus_rhythm import FAST
from physio.electrophysiology.eikonal import solve as eikonal
from physio.electrophysiology.signals.activation import total_activation_time
from physio.electrophysiology.tissue import recording
from physio.units import PERCENT

#: Called with a phase in words and the share of it that is done.

_AFTER = 500.0  # ms from the last stimulus: activation and recovery of a heart
_LARGEST = 2e9  # bytes of frames kept for a movie
_PROBE_EVERY = 0.1  # ms


@dataclass(frozen=True)
class Outcome:
    """What a run found. Times in ms from the last stimulus, NaN where nothing was.

    ``probes`` by name: the node and its voltage (mV) at ``probe_t``; ``ecg`` the
    twelve leads (mV) at ``ecg_t``; ``frames`` (n_t, n_node) of voltage (mV) at
    ``frame_t``.
    """

    settings: Settings
    heart: Heart
    figures: dict[str, Any]
    warnings: tuple[str, ...]
    activation: np.ndarray
    repolarisation: np.ndarray | None = None
    stimulated: np.ndarray | None = None
    dead: np.ndarray | None = None
    probe_t: np.ndarray = field(default_factory=lambda: np.zeros(0))
    probes: dict[str, tuple[int, np.ndarray]] = field(default_factory=dict)
    ecg_t: np.ndarray = field(default_factory=lambda: np.zeros(0))
    ecg: np.ndarray | None = None
    frame_t: np.ndarray = field(default_factory=lambda: np.zeros(0))
    frames: np.ndarray | None = None

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """What is written beside the geometry, one value a node."""
        found = {"activation": self.activation}
        if self.repolarisation is not None:
            found["repolarisation"] = self.repolarisation
            found["apd"] = self.repolarisation - self.activation
        if self.dead is not None:
            found["ablated"] = self.dead.astype(np.int8)
        return found


def compute(
    settings: Settings,
    *,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Runs the settings.

    With ``checkpoint`` a stopped run goes on from that folder. **Raises** ValueError
    for whatever of the settings cannot be followed, with what to type.
    """
    began = time.monotonic()
    found = _by_eikonal if settings.eikonal else _by_tissue
    outcome = found(settings, checkpoint, progress)
    outcome.figures["seconds"] = round(time.monotonic() - began, 1)
    return outcome


def _by_tissue(
    settings: Settings, checkpoint: Path | None, progress: Progress
) -> Outcome:
    there(settings)  # a misspelt name is told before a cell is paced
    progress("pacing a cell", 0.0)
    found = membranes.cells(settings)
    progress("pacing a cell", 1.0)
    progress("building the heart", 0.0)
    heart = build(settings, found.free)
    progress("building the heart", 1.0)
    probes = _probes(settings, heart)
    phase = "building tissue" if settings.conductivity else "tuning velocities"
    progress(phase, 0.0)
    ready = setup.ready(settings, heart, found)
    progress(phase, 1.0)
    last = settings.pulses[-1]
    every = _every(settings)
    duration = settings.duration or last + _AFTER
    duration = every * max(round(duration / every), 1)
    if duration <= last:
        raise ValueError(
            f"The run ends at {duration:g} ms and the last stimulus starts at {last:g} "
            f"ms. Give --duration {last + _AFTER:g}."
        )
    scale, rest = found.named.voltage_scale_offset
    leads = (
        electrocardiogram.rows(heart, ready.model, settings) if settings.ecg else None
    )
    _fits(settings, heart, duration / every)
    record = recording.Recorder(
        every=every, frames=settings.movie, frame_dtype="float16",
        probes=tuple(probes.values()), leads=leads,
    )  # fmt: skip
    seen = recording.run(
        ready.model, duration, ready.pulses, dt=ready.dt, record=record,
        checkpoint=checkpoint,
        progress=lambda done, whole: progress("running", done / whole),
    )  # fmt: skip
    activation, repolarisation = _last_beat(seen, last)
    warnings = [
        *heart.notes,
        *found.notes,
        *setup.velocity_warnings(ready.velocity, heart),
        *setup.front_warning(settings, heart, found),
        *_warnings(seen, activation, duration, settings),
    ]
    thin = max(round(_PROBE_EVERY / ready.dt), 1)
    outcome = Outcome(
        settings, heart, {}, (), activation - last, repolarisation - last,
        ready.stimulated, setup.lesion(settings, heart), seen.probe_t[::thin],
        {
            name: (node, scale * seen.probes[::thin, k] + rest)
            for k, (name, node) in enumerate(probes.items())
        },
        **_ecg(settings, seen, scale),
        **_frames(settings, seen, scale, rest),
    )  # fmt: skip
    return _finished(
        outcome,
        warnings,
        {
            "cell": settings.cell,
            "cell_source": found.named.source,
            "scheme": type(ready.model.scheme).__name__,
            "dt_ms": ready.dt,
            "duration_ms": duration,
            "velocity": ready.velocity,
            "stimulus": ready.stimulus,
            "beats_per_node": _beats(seen),
        },
    )


def _every(settings: Settings) -> float:
    if settings.every is not None:
        return settings.every
    return 1.0 if settings.ecg or not settings.movie else 5.0


def _fits(settings: Settings, heart: Heart, count: float) -> None:
    size = 2.0 * count * len(heart.nodes)
    if settings.movie and size > _LARGEST:
        raise ValueError(
            f"The frames of the movie would take {size / 1e9:.1f} GB. Give a larger "
            "--every, a shorter --duration or a wider --spacing."
        )


def _probes(settings: Settings, heart: Heart) -> dict[str, int]:
    """Nodes to record, by name: those given, else near the stimulus, half-way, far."""
    if settings.probe:
        away = {
            f"({', '.join(f'{x:g}' for x in point)})": np.linalg.norm(
                heart.nodes - np.asarray(point), axis=1
            )
            for point in settings.probe
        }
        reach = 3.0 * heart.length
        for name, distance in away.items():
            if distance.min() > reach:
                raise ValueError(
                    f"No node lies within {reach:.2g} mm of the probe {name}; the "
                    f"nearest is {distance.min():.3g} mm away."
                )
        return {name: int(np.argmin(distance)) for name, distance in away.items()}
    mask = setup.stimulated(settings, heart)
    away = np.linalg.norm(heart.nodes - heart.nodes[mask].mean(axis=0), axis=1)
    order = np.argsort(away)
    return {
        "at the stimulus": int(order[0]),
        "half-way": int(order[len(order) // 2]),
        "farthest": int(order[-1]),
    }


def _last_beat(seen: recording.Run, last: float) -> tuple[np.ndarray, np.ndarray]:
    """Each node's first activation since the last stimulus, and its recovery."""

    def first_after(table: np.ndarray, since: Any) -> np.ndarray:
        if not len(table):
            return np.full(seen.n_node, np.nan)
        late = np.where(table >= since, table, np.inf).min(axis=0)
        return np.where(np.isfinite(late), late, np.nan)

    activation = first_after(seen.activations(), last)
    return activation, first_after(seen.recoveries(), activation)


def _beats(seen: recording.Run) -> int:
    return int(np.bincount(seen.node, minlength=1).max(initial=0))


def _warnings(
    seen: recording.Run, activation: np.ndarray, duration: float, settings: Settings
) -> list[str]:
    lines = [] if seen.ok else [f"The run stopped early. {seen.stopped}"]
    if not np.isfinite(activation).any():
        lines.append(
            "Nothing was activated by the last stimulus: it came too early, is blocked "
            "by a lesion, or excites too few nodes. Give it a larger radius."
        )
    late = seen.time[seen.time > duration - 50.0]
    if late.size:
        lines.append(
            f"Tissue was still being activated in the last 50 ms: {late.size} times. "
            "The wave had not passed, or turns around: give a longer --duration."
        )
    if seen.ok and _beats(seen) > len(settings.pulses):
        lines.append("Some tissue was activated more often than it was stimulated.")
    return lines


def _ecg(settings: Settings, seen: recording.Run, scale: float) -> dict[str, Any]:
    if not settings.ecg:
        return {}
    return {"ecg_t": seen.t, "ecg": electrocardiogram.leads(scale * seen.leads)}


def _frames(
    settings: Settings, seen: recording.Run, scale: float, rest: float
) -> dict[str, Any]:
    if not settings.movie:
        return {}
    if (scale, rest) != (1.0, 0.0):
        frames = scale * seen.frames.astype(np.float32) + rest
        return {"frame_t": seen.t, "frames": frames.astype(np.float16)}
    return {"frame_t": seen.t, "frames": seen.frames}


def _by_eikonal(
    settings: Settings, checkpoint: Path | None, progress: Progress
) -> Outcome:
    progress("building the heart", 0.0)
    heart = build(settings, np.nan)
    progress("building the heart", 1.0)
    mask = setup.stimulated(settings, heart)
    dead = setup.lesion(settings, heart)
    speeds = [np.asarray(v) for v in settings.wanted]
    velocity: dict[str, Any] = {"wanted_m_per_s": list(settings.wanted)}
    onset = np.zeros(mask.size)
    if heart.sinus is not None:
        onset, velocity["fast_layer_m_per_s"] = heart.sinus.onset, FAST
        speeds = [heart.sinus.velocity(float(v)) for v in speeds]
    if dead is not None:
        if not (mask & ~dead).any():
            raise ValueError("Every stimulated node is ablated. Move the stimulus.")
        mask, speeds = mask & ~dead, [np.where(dead, 0.0, v) for v in speeds]
    progress("following the front", 0.0)
    times = eikonal.activation_times(
        heart.geometry,
        eikonal.Velocities(*(jnp.asarray(v, jnp.float32) for v in speeds)),
        np.flatnonzero(mask).astype(np.int32),
        onset[mask],
    )
    activation = np.asarray(times, float)
    progress("following the front", 1.0)
    ecg: dict[str, Any] = {}
    if settings.ecg:
        progress("ECG", 0.0)
        t, leads = electrocardiogram.of_activation(heart, settings, activation)
        ecg = {"ecg_t": t, "ecg": leads}
        progress("ECG", 1.0)
    outcome = Outcome(
        settings, heart, {}, (), activation, None, mask, dead, **ecg
    )  # fmt: skip
    return _finished(outcome, [*heart.notes], {"velocity": velocity})


def _finished(
    outcome: Outcome, warnings: list[str], figures: dict[str, Any]
) -> Outcome:
    """The outcome with its figures and everything worth a warning."""
    heart, at = outcome.heart, outcome.activation
    alive = np.ones(at.size, bool) if outcome.dead is None else ~outcome.dead
    reached = np.isfinite(at) & alive
    figures = {
        "nodes": int(at.size),
        "spacing_mm": round(heart.length, 4),
        **heart.size,
        **figures,
        "total_activation_time_ms": float(total_activation_time(jnp.asarray(at))),
        "activated_percent": PERCENT * float(reached.sum() / alive.sum()),
    }
    if outcome.repolarisation is not None:
        apd = (outcome.repolarisation - at)[reached]
        apd = apd[np.isfinite(apd)]
        low, middle, high = np.quantile(apd, [0, 0.5, 1]) if apd.size else [np.nan] * 3
        figures["apd_ms"] = [float(low), float(middle), float(high)]
        unfinished = reached.sum() - apd.size
        if unfinished:
            warnings.append(
                f"{unfinished} nodes had not recovered when the run ended: their APD "
                "is not known. Give a longer --duration."
            )
    if outcome.ecg is not None:
        measured, why = electrocardiogram.measures(
            outcome.ecg_t
            - outcome.settings.pulses[-1] * (not outcome.settings.eikonal),
            outcome.ecg,
        )
        figures["ecg"] = measured
        warnings += [why] if why else []
    figures["warnings"] = list(warnings)
    return Outcome(**{
        **{name: getattr(outcome, name) for name in outcome.__dataclass_fields__},
        "figures": figures,
        "warnings": tuple(warnings),
    })  # fmt: skip
