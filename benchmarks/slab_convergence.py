"""The converged activation times of the Niederer slab, down to 0.05 mm.

    python benchmarks/slab_convergence.py [--finest 0.05]

Runs both schemes on finer and finer grids in 64 bits (32 lose what a short step adds to
the voltage: at 0.05 mm the wave came 0.4 ms late), takes away what the step adds (two
steps on the coarsest grid, extrapolated to none) and extrapolates to a spacing of zero
by its square. The limit is the bond average's: its nodes lie on the slab's corners and
its stimulus fills the cube exactly, where a cell-centred code reads a point up to half
a cell early and stimulates whole cells, errors that go with the spacing itself (second
order is printed beside, up to 0.3 ms away). An hour and a quarter on 2 cores: 3.4
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
SPACINGS = (0.2, 0.1, 0.0667, 0.05)  # mm
DT = 0.01  # ms, stable at each of them


def times(dx: float, scheme: str, dt: float = DT) -> np.ndarray:
    """Activation of the nine points (ms), kept from an earlier run or run now."""
    known = json.loads(DONE.read_text()) if DONE.is_file() else {}
    key = f"{scheme} {dx:g} mm {dt:g} ms 64 bits"
    if key not in known:
        known[key] = niederer.run(dx, scheme, dt=dt, single=False)
        DONE.parent.mkdir(exist_ok=True)
        DONE.write_text(json.dumps(known, indent=1))
    print(key, *(f"{t:.3f}" for t in known[key].values()), flush=True)
    return np.array([known[key][name] for name in CONVERGED])


def added(scheme: str) -> np.ndarray:
    """What the step adds to each time (ms): its error grows with the step."""
    return 2.0 * (times(SPACINGS[0], scheme) - times(SPACINGS[0], scheme, DT / 2))


def extrapolated(found: dict[float, np.ndarray]) -> np.ndarray:
    """A straight line in the square of the spacing through the two finest, at zero."""
    fine, coarse = sorted(found)[:2]
    return found[fine] + fine**2 / (coarse**2 - fine**2) * (found[fine] - found[coarse])


def main() -> None:
    """Run, print and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--finest", type=float, default=0.05, choices=sorted(SPACINGS))
    finest = parser.parse_args().finest
    cordax.setup(fuse=True)
    limits = {}
    for scheme in niederer.SCHEMES:
        step = added(scheme)
        at = {dx: times(dx, scheme) - step for dx in SPACINGS if dx >= finest}
        limits[scheme] = extrapolated(at)
        print(scheme, "extrapolated", *(f"{t:.3f}" for t in limits[scheme]), flush=True)
    wanted, within = np.array(list(CONVERGED.values())).T
    shares = np.abs(limits["bond-average"] - wanted) / np.maximum(within, LEAST)
    print("shares of the uncertainty", *(f"{share:.2f}" for share in shares))
    if finest == min(SPACINGS):
        found = {"points": len(shares), "worst_share": float(shares.max())}
        print(acceptance.record("ep-slab-converged", found))


if __name__ == "__main__":
    main()
