"""Re-entry around a ring and a spiral on a sheet: set up, run, measured.

    python benchmarks/reentry.py

A ring's period is compared with L / velocity(DI), the velocity measured on a cable at
the diastolic interval found on the ring.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from physio.electrophysiology.anatomy.shapes import Cable, Ring
from physio.electrophysiology.cells import CorradoNiederer2016
from physio.electrophysiology.diffusion.bond_average import AbstractScheme, BondAverage
from physio.electrophysiology.diffusion.conductivity import Conductivity
from physio.electrophysiology.tissue.lesions import ablate
from physio.electrophysiology.tissue.monodomain import Monodomain, TissueState, as_dtype
from physio.electrophysiology.tissue.pacing import stimulate
from physio.electrophysiology.tissue.recording import Recorder, Run, run
from physio.interventions import set_to

EDGE, DT = 0.4, 0.05  # mm, ms


def cell() -> Any:
    """The modified Mitchell-Schaeffer cell with an action potential of about 70 ms."""
    return set_to("closing_time", 20.0)(CorradoNiederer2016())


def tissue(geometry: Any, scheme: AbstractScheme | None = None) -> Monodomain:
    """32-bit tissue of that cell."""
    scheme = BondAverage() if scheme is None else scheme
    return as_dtype(
        Monodomain(cell(), geometry, Conductivity(), scheme=scheme), jnp.float32
    )


def one_way(on: Monodomain, circumference: float) -> TissueState:
    """The state of a ring with one wave, going counter-clockwise.

    It starts beside a block, which is lifted before the wave has come around.
    """
    x, y = np.asarray(on.nodes)[:, :2].T
    along = circumference * (np.arctan2(y, x) % (2 * np.pi)) / (2 * np.pi)
    blocked = ablate(along > circumference - 4.0)(on)
    pacing = stimulate(along < 3.0, strength=0.6, duration=2.0, dtype=jnp.float32)
    return run(blocked, 110.0, pacing, dt=DT, record=Recorder(every=5.0)).state


def period(seen: Run) -> float:
    """The median of the last intervals between activations of all nodes (ms)."""
    return float(np.nanmedian(np.diff(seen.activations()[-4:], axis=0)))


def diastolic_interval(seen: Run) -> float:
    """The median time from a recovery to the next activation, late in the run (ms)."""
    late = seen.duration / 2
    gaps = []
    for node in np.unique(seen.node)[::7]:
        up = seen.time[(seen.node == node) & (seen.time > late)]
        down = seen.recovered_time[seen.recovered_node == node]
        gaps += [t - down[down < t].max() for t in up if (down < t).any()]
    return float(np.median(gaps))


def around(
    circumference: float = 100.0, duration: float = 1500.0
) -> tuple[float, float]:
    """Period and diastolic interval (ms) of a wave around a ring."""
    on = tissue(Ring(circumference).as_mesh(EDGE))
    seen = run(
        on, duration, dt=DT, record=Recorder(every=5.0), y0=one_way(on, circumference)
    )
    return period(seen), diastolic_interval(seen)


def velocity_at(interval: float, length: float = 48.0) -> float:
    """Velocity (mm/ms) of the second of two waves on a cable, at that interval (ms)."""
    on = tissue(Cable(length).as_mesh(EDGE))
    x = np.asarray(on.nodes)[:, 0]
    middle = (x > 0.4 * length) & (x < 0.7 * length)
    found = []
    for s2 in (interval + 85.0, interval + 100.0, interval + 115.0, interval + 130.0):
        pacing = stimulate(
            x < 2.0, starts=[0.0, s2], strength=0.6, duration=2.0, dtype=jnp.float32
        )
        seen = run(
            on, 5.0 * round((s2 + 150.0) / 5), pacing, dt=DT, record=Recorder(every=5.0)
        )
        first, second = seen.activations()[0], seen.activations()[-1]
        if np.isnan(second[middle]).any() or (second[middle] <= first[middle]).any():
            continue
        gap = np.median((second - seen.recoveries()[0])[middle])
        found.append((gap, 1 / np.polyfit(x[middle], second[middle], 1)[0]))
    gaps, speeds = np.array(sorted(found)).T
    return float(np.interp(interval, gaps, speeds))


def ring(circumference: float = 100.0) -> dict[str, float]:
    """Period over L / velocity(DI), and both (ms)."""
    turned, interval = around(circumference)
    predicted = circumference / velocity_at(interval)
    return {"ratio": turned / predicted, "period_ms": turned, "interval_ms": interval}


if __name__ == "__main__":
    import cordax

    cordax.setup(fuse=True)
    print(ring())
