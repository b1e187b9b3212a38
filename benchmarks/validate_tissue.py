"""Cells against published runs, the N-version slab, and re-entry."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from benchmarks import cells as published
from benchmarks import reentry as turning
from benchmarks.pages import Section, table
from cordax.bench import niederer
from cordax.bench.niederer_table import CODES, CONVERGED, FINITE_DIFFERENCES
from physio.electrophysiology.diffusion.bond_average import (
    AbstractScheme,
    BondAverage,
    SecondOrder,
)
from physio.electrophysiology.diffusion.grid import full_grid
from physio.electrophysiology.signals import phase, rotors
from physio.electrophysiology.tissue.recording import Recorder, Run, run

SIDE, DT = 30.0, 0.02  # of the spiral's sheet: mm, ms
TRANSIENT, SEEN, FRAME = 500.0, 1000.0, 2.0  # ms
_LAG = 4  # frames: a phase needs the voltage some time before
_FAR = 5.0  # mm: nodes whose period is taken are that far from the tip's path


def cells() -> Section:
    """Every cell after 100 beats, beside the published runs and table."""
    runs: dict[str, dict[str, float]] = {}
    for name in published.MODELS:
        runs |= published.hundred_beats(name)
    columns = (*(f"d{k}" for k in published.FIGURES), "dcalcium_low", "dcalcium_high")
    rows = [
        [name, f"{row['apd90']:.1f}", f"{published.PUBLISHED[name][-1]:.1f}",
         *(f"{row[k]:+.3f}" if k in row else "–" for k in columns)]
        for name, row in runs.items()
    ]  # fmt: skip
    header = ["", "APD90 ms", "table ms", "APD50 %", "APD90 %", "rest %", "peak %",
              "lowest calcium %", "highest calcium %"]  # fmt: skip
    lines = [
        "Beat 100 at 1 Hz from the published initial state, 64 bits, dt 0.01 ms; in % "
        "the difference from the published models' own run at a tolerance of 1e-8 "
        "(a rest near zero: of the pulse's height). `table`: another computation of "
        "the same CellML models, printed to a few digits. Bueno-Orovio's are of the "
        "older form in CellML (`bueno_orovio_2008_cellml`), not of the paper's "
        "equations.",
        "",
        *table(header, rows),
    ]
    return published.acceptance_rows(runs), lines


def slab() -> Section:
    """The N-version benchmark by both schemes."""
    plain = {dx: niederer.run(dx, "second-order") for dx in (0.5, 0.2, 0.1)}
    averaged = {
        (dx, dt): niederer.run(dx, "bond-average", dt=dt)
        for dx, dt in ((0.2, 0.01), (0.2, 0.02), (0.2, 0.04), (0.3, 0.01))
    }
    inside = [
        abs(plain[dx][k] - mean) <= spread
        for dx in (0.2, 0.1)
        for k, (mean, spread) in CODES[dx].items()
    ]
    shares = [
        max(abs(plain[dx][k] - t) / max(0.04 * t, 0.3) for k, t in row.items())
        for dx, row in FINITE_DIFFERENCES.items()
    ]
    worst, early = _from_converged(averaged[0.2, 0.01])
    got = {
        "ep-slab-second-order": {"points": len(inside), "outside": inside.count(False)},
        "ep-slab-finite-differences": {"rows": len(shares), "worst_share": max(shares)},
        "ep-slab-bond-average": {"worst_percent": worst, "p1_ms": early},
    }
    return got, _slab_lines(plain, averaged)


def _from_converged(times: dict[str, float]) -> tuple[float, float]:
    """Worst difference in % of all points but P1, and that of P1 in ms."""
    off = {k: times[k] - t for k, (t, _) in CONVERGED.items()}
    early = abs(off.pop("P1"))
    return max(100 * abs(x) / CONVERGED[k][0] for k, x in off.items()), early


def _slab_lines(plain: dict[float, Any], averaged: dict[Any, Any]) -> list[str]:
    def row(name: str, dx: Any, dt: Any, times: dict[str, float]) -> list[Any]:
        worst, early = _from_converged(times)
        told = [f"{times[k]:.2f}" for k in CONVERGED]
        return [name, dx, dt, *told, f"{worst:.1f}", f"{early:.2f}"]

    def spread(name: str, dx: Any, values: dict[str, tuple[float, float]]) -> list[Any]:
        return [
            name,
            dx,
            "",
            *(f"{t:g} ± {s:g}" if s else t for t, s in values.values()),
            "",
            "",
        ]

    rows = [
        *(row("second order", dx, 0.01, t) for dx, t in plain.items()),
        *(row("finite differences", dx, 0.01, t) for dx, t in
          sorted(FINITE_DIFFERENCES.items(), reverse=True)),
        *(spread("eleven codes, mean ± SD", dx, CODES[dx]) for dx in (0.2, 0.1)),
        *(row("bond average", dx, dt, t) for (dx, dt), t in averaged.items()),
        spread("converged", "", CONVERGED),
    ]  # fmt: skip
    header = ["", "dx mm", "dt ms", *CONVERGED, "worst %", "P1 ms"]
    return [
        "Activation times (ms) of the slab of Niederer et al. 2011, 32 bits. `finite "
        "differences`: the same stencil in another program, to be met within max(4 %, "
        "0.3 ms). `worst %`: largest difference from the converged value at P2 to P9, "
        "`P1 ms` at P1.",
        "",
        *table(header, rows),
    ]


@dataclasses.dataclass(frozen=True)
class Spiral:
    """A spiral's period (ms), and its tip's path (mm)."""

    period: float
    meander: float
    extent: np.ndarray
    turns: float


def spiral(spacing: float, scheme: AbstractScheme) -> Spiral:
    """A spiral on a sheet of ``SIDE``, fibres along x, the benchmark's conductivity.

    The left half starts excited, the lower half refractory; what is left of the first
    turns is not looked at.
    """
    count = round(SIDE / spacing)
    sheet = turning.tissue(full_grid((count, count), spacing), scheme)
    x, y = np.asarray(sheet.nodes)[:, :2].T
    start = eqx.tree_at(
        lambda y0: (y0.cell.v, y0.cell.h),
        sheet.initial_state(),
        (
            jnp.asarray(x < SIDE / 2, jnp.float32),
            jnp.asarray(y > SIDE / 2, jnp.float32),
        ),
    )
    first = run(sheet, TRANSIENT, dt=DT, record=Recorder(every=5.0), y0=start)
    seen = run(
        sheet, SEEN, dt=DT, record=Recorder(every=FRAME, frames=True), y0=first.state
    )
    tip = _tip(seen, sheet.nodes, count)
    away = np.hypot(*(np.stack([x, y], 1) - tip.position.mean(axis=0)[:2]).T)
    far = away > _FAR + np.ptp(tip.position, axis=0).max()
    period = float(np.nanmedian(np.diff(seen.activations()[:, far], axis=0)))
    extent = np.ptp(tip.position, axis=0)[:2]
    return Spiral(period, tip.meander, extent, tip.lifetime / period)


def _tip(seen: Run, nodes: Any, count: int) -> singularities.Tip:
    """The one tip that lives from the first to the last frame."""
    angle = phase.delay_phase(seen.frames, _LAG)
    loops = rotors.grid_loops((count, count))
    frames = [rotors.singularities(frame, loops, nodes) for frame in angle]
    tips = rotors.track(seen.t[_LAG:], frames, reach=3.0, gap=2)
    whole = [tip for tip in tips if tip.lifetime > 0.9 * SEEN]
    if len(whole) != 1:
        raise ValueError(f"One lasting tip is wanted; {len(whole)} were found.")
    return whole[0]


def reentry() -> Section:
    """A ring's period, and a spiral on a coarse grid and on a fine one."""
    ring = turning.ring()
    schemes = {"second order": SecondOrder(), "bond average": BondAverage()}
    found = {
        (name, h): spiral(h, scheme)
        for name, scheme in schemes.items()
        for h in (0.3, 0.1)
    }
    coarse, fine = found["bond average", 0.3], found["bond average", 0.1]
    plain = found["second order", 0.3]
    got = {
        "ep-ring-period": ring,
        "ep-spiral": {"period_ms": fine.period, "meander_mm": fine.meander},
        "ep-bond-spirals": {
            "ratio": coarse.period / fine.period,
            "meander_ratio": coarse.meander / fine.meander,
            "plain_ratio": plain.period / fine.period,
            "plain_meander_ratio": plain.meander / fine.meander,
        },
    }
    rows = [
        [name, h, f"{s.period:.2f}", f"{s.meander:.2f}",
         f"{s.extent[0]:.1f} x {s.extent[1]:.1f}", f"{s.turns:.1f}"]
        for (name, h), s in found.items()
    ]  # fmt: skip
    header = ["", "dx mm", "period ms", "meander mm", "tip's path mm", "turns seen"]
    lines = [
        "The modified Mitchell-Schaeffer cell with a closing time of 20 ms, 32 bits.",
        "",
        f"A ring of 100 mm, edges of 0.4 mm: a turn takes {ring['period_ms']:.1f} ms "
        f"at a diastolic interval of {ring['interval_ms']:.1f} ms; over L / "
        f"velocity(DI), the velocity measured on a cable, {ring['ratio']:.4f}.",
        "",
        f"A spiral on a sheet of {SIDE:g} x {SIDE:g} mm, D 0.0953 and 0.0126 mm^2/ms "
        f"along x and y, dt {DT:g} ms, seen for {SEEN:g} ms after {TRANSIENT:g}. "
        "`period`: median over the nodes away from the tip; `meander`: root of the "
        "tip's mean squared distance from its mean place; its path: along x and y.",
        "",
        *table(header, rows),
    ]
    return got, lines
