"""Velocities on cables, voxels and meshes: how true they are on coarse grids."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks.pages import Section, table
from physio.electrophysiology import cells
from physio.electrophysiology.anatomy.shapes import Sheet, Slab
from physio.electrophysiology.diffusion.bond_average import (
    AbstractScheme,
    BondAverage,
    SecondOrder,
)
from physio.electrophysiology.diffusion.conductivity import Velocities
from physio.electrophysiology.diffusion.grid import full_grid
from physio.electrophysiology.tissue.monodomain import as_dtype
from physio.electrophysiology.velocity.mesh_tuning import tune_mesh, typical_edge
from physio.electrophysiology.velocity.plane_waves import (
    FITTED_AT,
    cable,
    free_velocity,
    stack,
    velocities,
)
from physio.electrophysiology.velocity.tuning import Tuned, tune_velocity
from physio.interventions import scale

KIND = jnp.float32
WANTED = Velocities(0.65, 0.25, 0.25)
_DT = 0.01  # ms


#: Six published models, Mitchell and Schaeffer's in both its forms.
CELLS: dict[str, Callable[[], Any]] = {
    "Mitchell-Schaeffer 2003": cells.MitchellSchaeffer2003,
    "Corrado-Niederer 2016, its modified form": cells.CorradoNiederer2016,
    "Aliev-Panfilov 1996": cells.AlievPanfilov1996,
    "Bueno-Orovio 2008": cells.bueno_orovio_2008,
    "ten Tusscher 2006": cells.ten_tusscher_2006,
    "Courtemanche 1998": cells.Courtemanche1998,
    "ToR-ORd 2019": lambda: cells.tor_ord_2019("endo"),
}
PUBLISHED = len(CELLS) - 1
REDUCED = ("ten Tusscher 2006", "Courtemanche 1998", "ToR-ORd 2019")
RATIOS = (1.0, 0.6, 0.5)  # of the sodium conductance; 0.6 lies between fitted ones


def misses(
    make: Callable[[], Any], scheme: AbstractScheme, sodium: float = 1.0
) -> np.ndarray:
    """Errors (%) of a cable's velocity at every spacing; NaN where no wave came."""
    cell = make() if sodium == 1 else scale("sodium", sodium)(make())
    cell, one = as_dtype(cell, KIND), jnp.ones((), KIND)
    lines = stack([cable(one, jnp.asarray(h, KIND)) for h in FITTED_AT])
    found = velocities(cell, lines, dt=_DT, scheme=scheme)
    return 100 * (found / free_velocity(cell, dt=_DT) - 1)


def cables() -> Section:
    """Plane waves along a cable, with and without averaging."""
    healthy = {name: misses(make, BondAverage()) for name, make in CELLS.items()}
    plain = {name: misses(make, SecondOrder()) for name, make in CELLS.items()}
    reduced = {
        name: {
            ratio: misses(CELLS[name], BondAverage(), ratio)
            for ratio in RATIOS
            if ratio < 1
        }
        for name in REDUCED
    }
    got = {
        "ep-bond-cells": {"cells": PUBLISHED, "worst_percent": _worst(healthy)},
        "ep-bond-excitability": {
            "cells": len(reduced),
            **{
                f"worst_percent_{100 * ratio:.0f}": _worst(
                    {name: by[ratio] for name, by in reduced.items()}
                )
                for ratio in RATIOS
                if ratio < 1
            },
        },
    }
    rows = [
        [name, scheme, *(_percent(x) for x in errors[name])]
        for name in CELLS
        for scheme, errors in (("averaged", healthy), ("second order", plain))
    ] + [
        [f"{name}, g_Na x {ratio:g}", "averaged", *(_percent(x) for x in errors)]
        for name, by in reduced.items()
        for ratio, errors in by.items()
    ]
    lines = [
        f"A cable, 32 bits, dt {_DT:g} ms: error (%) of the velocity at h / sqrt(D) "
        "(sqrt(ms)) against second order extrapolated to no spacing. b and c of the "
        "average are each cell's own; with less sodium they are interpolated (0.6 lies "
        "between conductances they were fitted at). A dash: no wave within 200 ms.",
        "",
        *table(["", "", *(f"{h:g}" for h in FITTED_AT)], rows),
    ]
    return got, lines


def _worst(errors: dict[str, np.ndarray]) -> float:
    return float(np.abs(np.stack(list(errors.values()))).max())


def _percent(x: float) -> str:
    return f"{x:+.2f}" if np.isfinite(x) else "–"


def tuned() -> Section:
    """Plane waves where conductivities were found from wanted velocities."""
    cell = as_dtype(cells.ten_tusscher_2006(), KIND)
    # right-angled, so that the median edge of six to a cube is 1.2 of its side
    tetra, triangle = Slab(5.8, 2.9, 2.9).as_mesh(0.29), Sheet(6.6, 6.6).as_mesh(0.33)
    found: dict[str, Tuned] = {
        f"voxels, {h:g} mm": tune_velocity(cell, WANTED, full_grid((9, 9, 9), h))
        for h in (0.35, 0.5)
    }
    for kind, mesh in (("tetra", tetra), ("triangle", triangle)):
        name = f"{kind}, median edge {typical_edge(mesh, kind):.2f} mm"
        found[name] = tune_mesh(cell, WANTED, mesh)
    _, half, mesh, _ = (
        {f"{k}_percent": 100 * x for k, x in one.errors.items()}
        for one in found.values()
    )
    rows = [
        [name, *(float(x) for x in (one.conductivity.fibre, one.conductivity.normal)),
         *(100 * one.errors[k] for k in ("along", "across", "between"))]
        for name, one in found.items()
    ]  # fmt: skip
    header = ["", "fibre mS/mm", "normal mS/mm", "along %", "across %", "between %"]
    lines = [
        f"Ten Tusscher 2006, 32 bits, dt 0.02 ms, the averaged current, tuned to "
        f"{WANTED.fibre:g} m/s along and {WANTED.normal:g} across: largest errors of "
        "plane waves. Voxels: fibres at 0, 22.6 and 45 degrees and 45 out of the "
        "plane. Meshes: blocks of other elements than those tuned on, fibres at 0, "
        "22.5, 45 and 90 degrees.",
        "",
        *table(header, rows),
    ]
    return {"ep-velocity-half": half, "ep-velocity-mesh": mesh}, lines


def waves() -> Section:
    """Both."""
    (one, first), (other, second) = cables(), tuned()
    return one | other, first + second
