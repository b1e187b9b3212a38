"""What the N-version benchmark is judged by: typed from its sources, in ms.

Niederer et al. 2011, Phil Trans R Soc A 369:4331, 10.1098/rsta.2011.0139: mean and
standard deviation of 11 codes at dt 0.01 ms. The converged values are extrapolated
from runs at 0.1 and 0.067 mm, with their uncertainty; benchmarks/slab_convergence.py
is there to confirm them at 0.05 mm.
"""

_NAMES: tuple[str, ...] = ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9")

_CONVERGED = (1.22, 26.6, 31.45, 41.1, 8.28, 27.9, 32.65, 42.05, 19.45)
_UNCERTAIN = (0.0, 0.25, 0.1, 0.15, 0.08, 0.2, 0.1, 0.15, 0.05)

#: Point -> converged activation time and its uncertainty.
CONVERGED: dict[str, tuple[float, float]] = dict(
    zip(_NAMES, zip(_CONVERGED, _UNCERTAIN, strict=True), strict=True)
)

_MEANS = {
    0.1: (1.04, 29.76, 32.23, 43.97, 8.95, 31.32, 33.70, 44.93, 20.50),
    0.2: (1.05, 38.56, 34.43, 52.56, 11.29, 40.52, 36.67, 53.81, 24.58),
    0.5: (1.04, 105.7, 47.7, 117.3, 27.4, 106.8, 54.6, 117.9, 55.2),
}
_SPREADS = {
    0.1: (0.38, 1.65, 0.56, 2.83, 0.56, 2.12, 1.00, 3.22, 1.30),
    0.2: (0.40, 5.0, 1.48, 7.1, 1.6, 6.1, 3.0, 8.2, 3.8),
    0.5: (0.38, 33.0, 8.3, 35.0, 11.0, 35.0, 12.0, 36.0, 17.0),
}

#: dx (mm) -> point -> mean and standard deviation of 11 codes.
CODES: dict[float, dict[str, tuple[float, float]]] = {
    dx: dict(zip(_NAMES, zip(means, _SPREADS[dx], strict=True), strict=True))
    for dx, means in _MEANS.items()
}

#: dx (mm) -> point -> cell-centred second-order differences in 32 bits, dt 0.01 ms.
FINITE_DIFFERENCES: dict[float, dict[str, float]] = {
    dx: dict(zip(_NAMES, times, strict=True))
    for dx, times in {
        0.1: (1.23, 30.54, 32.34, 43.59, 9.31, 32.00, 33.56, 44.52, 20.12),
        0.2: (1.23, 39.36, 34.35, 52.27, 11.03, 41.05, 35.64, 53.18, 23.35),
        0.5: (1.23, 120.5, 45.5, 131.1, 34.0, 121.9, 54.3, 132.0, 56.2),
    }.items()
}
