"""The converged activation times of the Niederer slab, down to 0.05 mm.

    python benchmarks/slab_convergence.py [--finest 0.05]

Runs both schemes on finer and finer grids and extrapolates each to a spacing of zero by
the square of the spacing. Half an hour on 2 cores: 3.4 million nodes at 0.05 mm.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cordax  # noqa: E402 (after the path)
from benchmarks import acceptance  # noqa: E402
from cordax.bench import niederer  # noqa: E402
from cordax.bench.niederer_table import CONVERGED  # noqa: E402

LEAST = 0.05  # ms: of P1, beside the stimulus, no uncertainty is stated
STEP = {0.2: 0.01, 0.1: 0.01, 0.0667: 0.01, 0.05: 0.005}  # ms; stable at each spacing


def extrapolated(times: dict[float, dict[str, float]]) -> dict[str, float]:
    """A straight line in the square of the spacing through the two finest, at zero."""
    coarse, fine = sorted(times)[1], sorted(times)[0]
    share = fine**2 / (coarse**2 - fine**2)
    return {
        name: t + share * (t - times[coarse][name]) for name, t in times[fine].items()
    }


def main() -> None:
    """Run, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--finest", type=float, default=0.05, choices=sorted(STEP))
    finest = parser.parse_args().finest
    cordax.setup(fuse=True)
    limits = {}
    for scheme in niederer.SCHEMES:
        times = {}
        for dx in (h for h in STEP if h >= finest):
            times[dx] = niederer.run(dx, scheme, dt=STEP[dx])
            print(scheme, dx, json.dumps(times[dx]), flush=True)
        limits[scheme] = extrapolated(times)
        print(scheme, "extrapolated", json.dumps(limits[scheme]), flush=True)
    both = {k: np.mean([limit[k] for limit in limits.values()]) for k in CONVERGED}
    shares = {
        k: abs(both[k] - t) / max(within, LEAST) for k, (t, within) in CONVERGED.items()
    }
    print("shares of the uncertainty", json.dumps(shares))
    if finest == min(STEP):
        found = {"points": len(shares), "worst_share": max(shares.values())}
        print(acceptance.record("ep-slab-converged", found))


if __name__ == "__main__":
    main()
