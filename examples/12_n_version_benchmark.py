"""How close is a coarse grid to the converged activation of the N-version slab?

Runs the slab of Niederer 2011 by second-order differences and with the fast current
averaged over bonds, both on the same coarse grid.
"""

import os

import cordax
from cordax.bench import niederer

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
DX, DT = (0.5, 0.04) if SMALL else (0.2, 0.02)
cordax.setup(fuse=True)

times = {scheme: niederer.run(DX, scheme, dt=DT) for scheme in niederer.SCHEMES}
print(f"{DX} mm      converged   " + "   ".join(times))
for point, (limit, _) in niederer.CONVERGED.items():
    row = "   ".join(
        f"{found[point]:6.2f} ({found[point] / limit - 1:+4.0%})"
        for found in times.values()
    )
    print(f"{point} (ms)     {limit:6.2f}   {row}")
worst = {
    scheme: max(
        abs(found[p] / niederer.CONVERGED[p][0] - 1)
        for p in niederer.CONVERGED
        if p != "P1"
    )
    for scheme, found in times.items()
}
print(
    f"Answer: at {DX} mm second-order differences are up to "
    f"{worst['second-order']:.0%} late, the "
    f"averaged current {worst['bond-average']:.0%}."
)
