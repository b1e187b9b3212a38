"""The cells of a run: named, paced, by region, and how a grid samples them."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cordax.ep.settings import Settings
from cordax.scenarios import names
from physio.electrophysiology.cells import Cell, pace
from physio.electrophysiology.diffusion.bond_average import AbstractScheme, SecondOrder
from physio.electrophysiology.tissue import monodomain as tissue
from physio.electrophysiology.velocity.averaging import fitted_average
from physio.electrophysiology.velocity.plane_waves import free_velocity
from physio.units import PERCENT

KIND = jnp.float32
WORTH_A_WARNING = 0.05  # share by which a velocity misses what was wanted
_STRONGER, _LONGER = 2.0, 2.0  # than the published pulse: it must start a wave


@dataclass(frozen=True)
class Cells:
    """Membrane models and their paced states by region (0: everywhere).

    ``sample`` and ``start`` are one of them in tissue's precision, ``free`` its
    velocity over the root of the diffusivity (1/sqrt(ms)). ``scheme`` samples the
    reaction on the grid; ``notes`` say what was not as usual.
    """

    named: Cell
    model: dict[int, Any]
    sample: Any
    start: Any
    states: dict[int, Any]
    free: float
    scheme: AbstractScheme
    notes: tuple[str, ...] = ()

    @property
    def pulse(self) -> tuple[float, float]:
        """Strength (uA/uF) and duration (ms) of a stimulus."""
        strength, width = self.sample.stimulus
        return _STRONGER * strength, _LONGER * width


def cells(settings: Settings) -> Cells:
    """The named cell, paced; one for each region where layers are given so.

    **Raises** ValueError where a wave does not travel through cells paced so.
    """
    layers = _layers(settings.layer)
    models, named = {}, names.cell(settings.cell)[0]
    for region, layer in layers:
        models[region] = names.cell(settings.cell, layer)[1]
    states = {}
    for region, cell in models.items():
        states[region] = cell.initial_state()
        if settings.prepace:
            last = pace(cell, settings.s1, settings.prepace).y
            states[region] = jax.tree.map(lambda x: x[-1], last)
    first = next(iter(models))
    sample, start = _single(models[first]), _single(states[first])
    free = free_velocity(sample, start=start)
    if not np.isfinite(free):
        raise ValueError(
            f"A wave does not travel through {settings.cell} after {settings.prepace} "
            f"beats at {settings.s1:g} ms: it has not recovered by then. Type a longer "
            f"--s1 {2 * settings.s1:g}, or --prepace 0"
        )
    scheme, notes = averaged(sample)
    notes += _layers_apart(models, states, free)
    return Cells(named, models, sample, start, states, free, scheme, notes)


def averaged(cell: Any) -> tuple[AbstractScheme, tuple[str, ...]]:
    """The bond average of a cell, and a note where it is not the published one."""
    try:
        found = fitted_average(cell)
    except ValueError as error:
        note = f"{error} Waves are slowed by the grid (second order)."
        return SecondOrder(), (note,)
    return found.scheme, ()


def _layers_apart(
    models: dict[int, Any], states: dict[int, Any], free: float
) -> tuple[str, ...]:
    """A note of the regions whose waves are faster or slower than the one tuned."""
    notes = []
    for region in list(models)[1:]:
        own = free_velocity(_single(models[region]), start=_single(states[region]))
        off = own / free - 1
        if not abs(off) <= WORTH_A_WARNING:
            notes.append(
                f"Conductivities are tuned with the cell of region {next(iter(models))}"
                f"; waves in region {region} are {abs(PERCENT * off):.0f} % "
                f"{'faster' if off > 0 else 'slower'} than wanted."
            )
    return tuple(notes)


def of_regions(found: Cells, regions: np.ndarray) -> tuple[Any, Any]:
    """The cell and its state for the nodes' regions; one without a cell is named."""
    if set(found.model) == {0}:
        return found.model[0], found.states[0]
    return (
        tissue.by_region(found.model, regions),
        tissue.by_region(found.states, regions),
    )


def _layers(text: str) -> list[tuple[int, str]]:
    """(region, layer) of what --layer says; region 0 is everywhere."""
    pairs: list[tuple[int, str]] = []
    for part in text.split(",") if text else []:
        region, _, layer = part.strip().rpartition("=")
        if region and not region.strip().isdigit():
            raise ValueError(
                f"--layer takes a name, or REGION=NAME,...; got {part.strip()!r}."
            )
        pairs.append((int(region) if region else 0, layer))
    if len(pairs) > 1 and any(region == 0 for region, _ in pairs):
        raise ValueError("Give --layer one name, or one for each region: 1=epi,2=endo")
    return pairs or [(0, "")]


def _single(thing: Any) -> Any:
    return tissue.as_dtype(thing, KIND)
