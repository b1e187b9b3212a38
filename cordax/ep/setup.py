"""From settings and a heart to tissue that can run: cells, conductivity, stimuli."""
# pyright: reportArgumentType=false
# A param field converts the number it is given: the type checker knows not.

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cordax.ep.heart import Heart, field
from cordax.ep.settings import Settings, three
from cordax.scenarios import names
from physio.electrophysiology.anatomy.sinus_rhythm import FAST
from physio.electrophysiology.cells import pace
from physio.electrophysiology.diffusion.bond_average import (
    AbstractScheme,
    BondAverage,
    SecondOrder,
)
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
from physio.electrophysiology.velocity.plane_waves import (
    free_velocity,
    line,
    stack,
    velocities,
)
from physio.electrophysiology.velocity.tuning import tune_velocity
from physio.units import PERCENT

_STEPS = (0.1, 0.05, 0.04, 0.02, 0.01, 0.005, 0.0025)  # whole numbers of them in 1 ms
_KIND = jnp.float32
_STRONGER, _LONGER = 2.0, 2.0  # than the published pulse: it must start a wave


@dataclass(frozen=True)
class Cells:
    """Membrane models and their paced states by region (0: everywhere).

    ``sample`` and ``start`` are one of them in tissue's precision, ``free`` its
    velocity over the root of the diffusivity (1/sqrt(ms)).
    """

    named: names.Cell
    model: dict[int, Any]
    sample: Any
    start: Any
    states: dict[int, Any]
    free: float

    @property
    def pulse(self) -> tuple[float, float]:
        """Strength (uA/uF) and duration (ms) of a stimulus."""
        strength, width = self.sample.stimulus
        return _STRONGER * strength, _LONGER * width


@dataclass(frozen=True)
class Ready:
    """Tissue that can run, and what the report says of it."""

    model: tissue.Monodomain
    pulses: pacing.Stimulus
    struck: np.ndarray
    dt: float
    velocity: dict[str, Any]
    stimulus: dict[str, float]


def cells(settings: Settings) -> Cells:
    """The named cell, paced; one for each region where layers are given so."""
    named = names.called(settings.cell, names.CELLS, "cell")
    layers = _layers(settings.layer, settings.cell, named)
    models = {k: named.make(layer) if layer else named.make() for k, layer in layers}
    states = {}
    for region, cell in models.items():
        states[region] = cell.initial_state()
        if settings.prepace:
            last = pace(cell, settings.s1, settings.prepace).y
            states[region] = jax.tree.map(lambda x: x[-1], last)
    first = next(iter(models))
    sample, start = _single(models[first]), _single(states[first])
    free = free_velocity(sample, start=start)
    return Cells(named, models, sample, start, states, free)


def of_regions(found: Cells, regions: np.ndarray) -> tuple[Any, Any]:
    """The cell and its state for the nodes' regions; one without a cell is named."""
    if set(found.model) == {0}:
        return found.model[0], found.states[0]
    return (
        tissue.by_region(found.model, regions),
        tissue.by_region(found.states, regions),
    )


def _layers(text: str, cell: str, named: names.Cell) -> list[tuple[int, str]]:
    pairs: list[tuple[int, str]] = []
    for part in text.split(",") if text else []:
        region, _, layer = part.strip().rpartition("=")
        if region and not region.strip().isdigit():
            raise ValueError(
                f"--layer takes a name, or REGION=NAME,...; got {part.strip()!r}."
            )
        pairs.append((int(region) if region else 0, layer))
    unknown = [layer for _, layer in pairs if layer not in named.layers]
    if unknown:
        held = ", ".join(named.layers) or "no layers"
        raise ValueError(f"{cell} has {held}; got --layer {unknown[0]!r}.")
    if len(pairs) > 1 and any(region == 0 for region, _ in pairs):
        raise ValueError("Give --layer one name, or one for each region: 1=epi,2=endo")
    return pairs or [(0, "")]


def ready(settings: Settings, heart: Heart, found: Cells) -> Ready:
    """The tissue, its pacing and the step.

    **Raises** ValueError for a step above the stability limit, a stimulus or a lesion
    that touches no node, and velocities that the spacing does not allow.
    """
    geometry = tissue.discretise(heart.geometry)
    scheme = _scheme(found.sample)
    dt = settings.dt or _step(settings, heart, found)
    conductivity, told = _conductivity(settings, heart, found, geometry, dt, scheme)
    cell, start = of_regions(found, heart.regions)
    model = tissue.Monodomain(cell, geometry, conductivity, scheme=scheme, start=start)
    mask = struck(settings, heart)
    dead = lesion(settings, heart)
    if dead is not None:
        model = lesions.ablate(dead)(model)
        mask = _living(mask, dead)
    model = tissue.as_dtype(model, _KIND)
    if heart.voxels is None and settings.dt is None:
        limit = float(eqx.filter_jit(lambda m: largest_step(m.operator()))(model))
        dt = _largest(min(dt, 0.9 * limit), limit)
    tissue.check_step(model, dt)
    strength, width = found.pulse
    pulses = pacing.stimulate(
        mask, starts=settings.pulses, strength=strength, duration=width, dtype=_KIND,
        onset=None if heart.sinus is None else heart.sinus.onset,
    )  # fmt: skip
    stimulus = {"strength": strength, "duration_ms": width}
    if settings.strength is not None:
        stimulus["threshold"] = threshold(model, pulses, dt=dt)
        stimulus["strength"] = settings.strength * stimulus["threshold"]
        given = jnp.asarray(stimulus["strength"], _KIND)
        pulses = eqx.tree_at(lambda p: p.strength, pulses, given)
    return Ready(model, pulses, mask, dt, told, stimulus)


def struck(settings: Settings, heart: Heart) -> np.ndarray:
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


def _scheme(cell: Any) -> AbstractScheme:
    rule = cell.excitation
    return BondAverage() if rule is not None and rule.ratio else SecondOrder()


def _step(settings: Settings, heart: Heart, found: Cells) -> float:
    """The cell's step, or less where the grid's stability asks for it."""
    if settings.conductivity:
        given = Conductivity(*three(settings.conductivity))
        total = float(Membrane().diffusivity(given).sum())
    else:
        fast = [FAST] * 3 if heart.sinus is not None else settings.wanted
        total = sum((v / found.free) ** 2 for v in fast)
    # tuned diffusivities exceed the continuum's by some tens of per cent
    limit = 0.6 * heart.length**2 / (2.0 * total)
    return _largest(min(found.named.step, limit), limit)


def _largest(wanted: float, limit: float) -> float:
    steps = [step for step in _STEPS if step <= wanted * (1 + 1e-9)]
    if not steps:
        raise ValueError(
            f"Stability asks for a step below {limit:.2g} ms. Take a coarser mesh, or "
            "voxels of a wider --spacing."
        )
    return steps[0]


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
        return conductivity, told
    wanted = Velocities(*settings.wanted)
    told = {"wanted_m_per_s": list(settings.wanted)}
    if heart.sinus is not None:
        wanted = Velocities(*(heart.sinus.velocity(v) for v in settings.wanted))
        told["fast_layer_m_per_s"] = FAST
    if isinstance(heart.geometry, Mesh):
        tuned = tune_mesh(found.sample, wanted, heart.geometry, dt=dt, scheme=scheme)
    else:
        tuned = tune_velocity(
            found.sample, wanted, geometry, dt=dt, scheme=scheme, start=found.start
        )
    told["errors_percent"] = {k: PERCENT * float(x) for k, x in tuned.errors.items()}
    return tuned.conductivity, told


def _measured(
    conductivity: Conductivity, heart: Heart, found: Cells, dt: float,
    scheme: AbstractScheme,
) -> list[float]:  # fmt: skip
    """Velocities (m/s) of plane waves along fibre, sheet and normal, on the axes."""
    d = Membrane().diffusivity(conductivity).astype(_KIND)[:, None]
    axes = jnp.eye(3, dtype=_KIND)
    whole = tensor(d, axes[:1], axes[1:2])[0]
    directions = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    lines = stack([line(whole, heart.length, p) for p in directions])
    measured = velocities(found.sample, lines, dt=dt, scheme=scheme, start=found.start)
    return [float(v) for v in measured]


def _single(thing: Any) -> Any:
    return tissue.as_dtype(thing, _KIND)
