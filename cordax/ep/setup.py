"""From settings and a heart to tissue that can run: step, conductivity, stimuli."""
# pyright: reportArgumentType=false
# A param field converts the number it is given: the type checker knows not.

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from cordax.ep.heart import Heart, field, sampled
from cordax.ep.membranes import KIND, WORTH_A_WARNING, Cells, of_regions
from cordax.ep.settings import Settings, three
from physio.electrophysiology.anatomy.sinus_rhythm import FAST
from physio.electrophysiology.diffusion.bond_average import AbstractScheme
from physio.electrophysiology.diffusion.conductivity import (
    Conductivity,
    Membrane,
    Velocities,
)
from physio.electrophysiology.diffusion.grid import tensor
from physio.electrophysiology.diffusion.operator import largest_step
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.tissue import lesions, pacing
from physio.electrophysiology.tissue import monodomain as tissue
from physio.electrophysiology.tissue.capture import threshold
from physio.electrophysiology.velocity.mesh_tuning import tune_mesh
from physio.electrophysiology.velocity.plane_waves import line, stack, velocities
from physio.electrophysiology.velocity.tuning import WIDEST, down, tune_velocity, up
from physio.units import PERCENT

_STEPS = (0.1, 0.05, 0.04, 0.02, 0.01, 0.005, 0.0025)  # whole numbers of them in 1 ms
_WAYS = {
    "along": "along the fibre", "across": "across the fibre",
    "between": "oblique to the fibre", "fibre": "along the fibre",
    "sheet": "along the sheet", "normal": "along the normal of the sheet",
}  # fmt: skip
_STABLE = 0.6  # of the limit of the diffusivities that a continuum would want


@dataclass(frozen=True)
class Ready:
    """Tissue that can run, and what the report says of it."""

    model: tissue.Monodomain
    pulses: pacing.Stimulus
    stimulated: np.ndarray
    dt: float
    velocity: dict[str, Any]
    stimulus: dict[str, float]


def ready(settings: Settings, heart: Heart, found: Cells) -> Ready:
    """The tissue, its pacing and the step.

    **Raises** ValueError for a step above the stability limit, a stimulus or a lesion
    that touches no node, and velocities that the spacing does not allow.
    """
    geometry = tissue.discretise(heart.geometry)
    scheme = found.scheme
    dt = settings.dt or time_step(settings, heart, found, geometry)
    conductivity, told = _conductivity(settings, heart, found, geometry, dt, scheme)
    cell, start = of_regions(found, heart.regions)
    model = tissue.Monodomain(cell, geometry, conductivity, scheme=scheme, start=start)
    mask = stimulated(settings, heart)
    dead = lesion(settings, heart)
    if dead is not None:
        model = lesions.ablate(dead)(model)
        mask = _living(mask, dead)
    model = tissue.as_dtype(model, KIND)
    if heart.voxels is None and settings.dt is None:
        limit = float(eqx.filter_jit(lambda m: largest_step(m.operator()))(model))
        dt = _largest(min(dt, 0.9 * limit), settings, heart)
    tissue.check_step(model, dt)
    strength, width = found.pulse
    pulses = pacing.stimulate(
        mask, starts=settings.pulses, strength=strength, duration=width, dtype=KIND,
        onset=None if heart.sinus is None else heart.sinus.onset,
    )  # fmt: skip
    stimulus = {"strength": strength, "duration_ms": width}
    if settings.strength is not None:
        stimulus["threshold"] = threshold(model, pulses, dt=dt)
        stimulus["strength"] = settings.strength * stimulus["threshold"]
        given = jnp.asarray(stimulus["strength"], KIND)
        pulses = eqx.tree_at(lambda p: p.strength, pulses, given)
    return Ready(model, pulses, mask, dt, told, stimulus)


def stimulated(settings: Settings, heart: Heart) -> np.ndarray:
    """The mask of stimulated nodes: roots, as given, else about the apex.

    The apex is where "apicobasal" is least, else the node farthest from the middle.
    """
    radius = max(4.0 * heart.length, 3.0)
    if heart.sinus is not None:
        return heart.sinus.sites
    mask = np.zeros(len(heart.nodes), bool)
    for point in settings.stimulate:
        reach = point[3] if len(point) == 4 else radius
        mask |= pacing.within(heart.nodes, point[:3], reach)
    if settings.surface:
        mask |= field(heart, settings.surface)
        if not mask.any():
            raise ValueError(f"The surface {settings.surface} holds no node.")
    if not (settings.stimulate or settings.surface):
        mask = pacing.within(heart.nodes, heart.nodes[apex(heart)], radius)
    return mask


def apex(heart: Heart) -> int:
    """The node at the apex."""
    if "apicobasal" in heart.fields:
        return int(np.nanargmin(heart.fields["apicobasal"]))
    away = heart.nodes - heart.nodes.mean(axis=0)
    return int(np.argmax(np.linalg.norm(away, axis=1)))


def lesion(settings: Settings, heart: Heart) -> np.ndarray | None:
    """The mask of ablated nodes; None where nothing is ablated."""
    whole = None
    for given in settings.ablate:
        *points, radius = given
        ends = np.reshape(points, (-1, 3))
        if len(ends) == 1:
            mask = lesions.sphere(heart.nodes, ends[0], radius)
        else:
            mask = lesions.line(heart.nodes, ends, radius)
        if not mask.any():
            raise ValueError(
                f"The lesion {','.join(f'{x:g}' for x in given)} touches no node. Make "
                "it wider, or move it into the tissue."
            )
        whole = mask if whole is None else whole | mask
    return whole


def _living(mask: np.ndarray, dead: np.ndarray) -> np.ndarray:
    if not (mask & ~dead).any():
        raise ValueError("Every stimulated node is ablated. Move the stimulus.")
    return mask & ~dead


def time_step(settings: Settings, heart: Heart, found: Cells, geometry: Any) -> float:
    """The cell's step, or less where the grid's stability asks for it."""
    if settings.conductivity:
        each = Membrane().diffusivity(Conductivity(*three(settings.conductivity)))
    else:
        fast = [FAST] * 3 if heart.sinus is not None else settings.wanted
        each = jnp.asarray([(v / found.free) ** 2 for v in fast])
    limit = eqx.filter_jit(lambda g, d: largest_step(g.operator(d)))
    # tuned diffusivities exceed the continuum's by some tens of per cent
    stable = _STABLE * float(limit(geometry, each.astype(KIND)))
    return _largest(min(found.named.step, stable), settings, heart)


def _largest(wanted: float, settings: Settings, heart: Heart) -> float:
    """The largest of the steps that is not above the one wanted (ms)."""
    steps = [step for step in _STEPS if step <= wanted * (1 + 1e-9)]
    if steps:
        return steps[0]
    here = settings.spacing or heart.length
    least = up(here * float(np.sqrt(_STEPS[-1] / wanted)))
    type_it = f"Type --spacing {least:g}, or wider"
    if settings.elements and settings.file:
        type_it = f"Leave --mesh out, so that it runs on voxels: --spacing {least:g}"
    raise ValueError(
        f"At {heart.length:.2g} mm diffusion is stable only in steps below "
        f"{wanted:.2g} ms: a run would take too long. {type_it}."
    )


def check_spacing(settings: Settings, heart: Heart, found: Cells) -> None:
    """Raise where the slowest wave is too narrow for the voxels; elements tell it."""
    slowest = min(settings.wanted)
    widest = WIDEST * slowest / found.free
    if heart.voxels is not None and heart.length > widest:
        finer = down(widest)
        finer = sampled(settings, finer) if settings.heart else finer
        raise ValueError(
            f"At {heart.length:g} mm a wave of {slowest:g} m/s is sampled too coarsely:"
            f" it would run too fast. Type --spacing {finer:g}, or less."
        )


def _conductivity(
    settings: Settings, heart: Heart, found: Cells, geometry: Any, dt: float,
    scheme: AbstractScheme,
) -> tuple[Conductivity, dict[str, Any]]:  # fmt: skip
    """The conductivity, and what is told of its waves' velocities."""
    if settings.conductivity:
        given = three(settings.conductivity)
        conductivity = Conductivity(*given)
        told: dict[str, Any] = {"given_s_per_m": list(given)}
        if heart.voxels is not None:
            told["got_m_per_s"] = _measured(conductivity, heart, found, dt, scheme)
            d = np.asarray(Membrane().diffusivity(conductivity), float)
            told["continuum_m_per_s"] = [float(v) for v in found.free * np.sqrt(d)]
        return conductivity, told
    check_spacing(settings, heart, found)
    wanted = Velocities(*settings.wanted)
    told = {"wanted_m_per_s": list(settings.wanted)}
    if heart.sinus is not None:
        wanted = Velocities(*(heart.sinus.velocity(v) for v in settings.wanted))
        told["fast_layer_m_per_s"] = FAST
    tune, on = tune_velocity, geometry
    if isinstance(heart.geometry, Mesh):
        tune, on = tune_mesh, heart.geometry
    tuned = tune(found.sample, wanted, on, dt=dt, scheme=scheme, start=found.start)
    told["errors_percent"] = {k: PERCENT * float(x) for k, x in tuned.errors.items()}
    told["waves_m_per_s"] = {k: list(pair) for k, pair in tuned.waves.items()}
    return tuned.conductivity, told


def _measured(
    conductivity: Conductivity, heart: Heart, found: Cells, dt: float,
    scheme: AbstractScheme,
) -> list[float]:  # fmt: skip
    """Velocities (m/s) of plane waves along fibre, sheet and normal, on the axes."""
    d = Membrane().diffusivity(conductivity).astype(KIND)[:, None]
    axes = jnp.eye(3, dtype=KIND)
    whole = tensor(d, axes[:1], axes[1:2])[0]
    directions = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    lines = stack([line(whole, heart.length, p) for p in directions])
    measured = velocities(found.sample, lines, dt=dt, scheme=scheme, start=found.start)
    return [float(v) for v in measured]


def front_warning(settings: Settings, heart: Heart, found: Cells) -> list[str]:
    """A sentence where the front is so wide that edges hurry it: D / v = v / free^2.

    An edge without flux is reached early by about ln 2 of that length over v.
    """
    fastest = max(settings.wanted)
    if settings.conductivity:
        given = Membrane().diffusivity(Conductivity(*three(settings.conductivity)))
        fastest = found.free * float(np.sqrt(given.max()))
    width, size = fastest / found.free**2, float(np.ptp(heart.nodes, axis=0).max())
    if width < WORTH_A_WARNING * size:
        return []
    return [
        f"The front of {settings.cell} is {width:.2g} mm wide at {fastest:.2g} m/s, "
        f"{PERCENT * width / size:.0f} % of this tissue's {size:.3g} mm: it leaves the "
        "stimulus and reaches every edge up to "
        f"{np.log(2.0) * width / fastest:.1f} ms earlier than length / velocity says."
    ]


def velocity_warnings(velocity: dict[str, Any], heart: Heart) -> list[str]:
    """A sentence for each velocity that misses what was wanted by more than 5 %.

    ``velocity`` as :func:`ready` tells it; what was wanted of conductivities that were
    given is the velocity they have without a grid.
    """
    waves, wish = velocity.get("waves_m_per_s", {}), "were wanted"
    if "continuum_m_per_s" in velocity:
        wish = "this conductivity gives on a fine grid"
        both = zip(velocity["continuum_m_per_s"], velocity["got_m_per_s"], strict=True)
        waves = dict(zip(("fibre", "sheet", "normal"), both, strict=True))
    finer = "A finer mesh is truer."
    if heart.voxels is not None:
        finer = f"A finer grid is truer: --spacing {down(0.7 * heart.length):g}"
    lines = []
    for name, (wanted, got) in waves.items():
        share = got / wanted - 1
        if np.isnan(share):
            lines.append(f"No wave travels {_WAYS[name]} on this grid. {finer}")
        elif abs(share) > WORTH_A_WARNING:
            lines.append(
                f"Waves {_WAYS[name]} run at {got:.3g} m/s where {wanted:.3g} m/s "
                f"{wish}: {PERCENT * share:+.1f} %. {finer}"
            )
    return lines
