"""The converged activation times of the Niederer slab, down to 0.05 mm.

    python benchmarks/slab_convergence.py [--finest 0.05]

Runs both schemes on finer and finer grids in 32 bits, takes away what the step and 32
bits add (the difference, on the coarsest grid, from 64 bits and two steps extrapolated
to none), and extrapolates to a spacing of zero by its square. An hour on 2 cores: 3.4
million nodes at 0.05 mm. What is done is kept in build/ and not done again.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import cordax  # noqa: E402 (after the path)
from benchmarks import acceptance  # noqa: E402
from cordax.bench import niederer  # noqa: E402
from cordax.bench.niederer_table import CONVERGED  # noqa: E402

DONE = ROOT / "build" / "slab_convergence.json"
LEAST = 0.05  # ms: of P1, beside the stimulus, no uncertainty is stated
STEP = {0.2: 0.01, 0.1: 0.01, 0.0667: 0.01, 0.05: 0.005}  # ms; stable at each spacing
COARSE = max(STEP)
FINE_STEPS = (0.005, 0.0025)  # ms, of 64 bits on the coarsest grid


def times(dx: float, scheme: str, dt: float, *, single: bool = True) -> np.ndarray:
    """Activation of the nine points (ms), kept from an earlier run or run now."""
    known = json.loads(DONE.read_text()) if DONE.is_file() else {}
    key = f"{scheme} {dx:g} mm {dt:g} ms {32 if single else 64} bits"
    if key not in known:
        known[key] = niederer.run(dx, scheme, dt=dt, single=single)
        DONE.parent.mkdir(exist_ok=True)
        DONE.write_text(json.dumps(known, indent=1))
    print(key, *(f"{t:.3f}" for t in known[key].values()), flush=True)
    return np.array([known[key][name] for name in CONVERGED])


def added(scheme: str, dt: float) -> np.ndarray:
    """What the step and 32 bits add to each time (ms), by the coarsest grid."""
    long, short = (times(COARSE, scheme, step, single=False) for step in FINE_STEPS)
    return times(COARSE, scheme, dt) - (2.0 * short - long)  # errors grow with the step


def extrapolated(found: dict[float, np.ndarray]) -> np.ndarray:
    """A straight line in the square of the spacing through the two finest, at zero."""
    fine, coarse = sorted(found)[:2]
    return found[fine] + fine**2 / (coarse**2 - fine**2) * (found[fine] - found[coarse])


def main() -> None:
    """Run, print and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--finest", type=float, default=0.05, choices=sorted(STEP))
    finest = parser.parse_args().finest
    cordax.setup(fuse=True)
    limits = []
    for scheme in niederer.SCHEMES:
        at = {
            dx: times(dx, scheme, dt) - added(scheme, dt)
            for dx, dt in STEP.items()
            if dx >= finest
        }
        limits.append(extrapolated(at))
        print(scheme, "extrapolated", *(f"{t:.3f}" for t in limits[-1]), flush=True)
    wanted, within = np.array(list(CONVERGED.values())).T
    shares = np.abs(np.mean(limits, axis=0) - wanted) / np.maximum(within, LEAST)
    print("shares of the uncertainty", *(f"{share:.2f}" for share in shares))
    if finest == min(STEP):
        found = {"points": len(shares), "worst_share": float(shares.max())}
        print(acceptance.record("ep-slab-converged", found))


if __name__ == "__main__":
    main()
