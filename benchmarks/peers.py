"""How fast the peers that pip installs are on this machine, each in its own words.

    PYTHON benchmarks/peers.py

prints {name: {"ms": of one beat, ...} or null where a peer is absent or will not load}
as JSON. It imports nothing of ours: haemflow-cl0 wants a numpy below 2, so the peers
live in an environment of their own (benchmarks/circulation_speed.py says how).
`numba` is a hand-written loop of Regazzoni's equations, 10.1016/j.jcp.2022.111083.
"""

import contextlib
import json
import logging
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import IO, Any

BEATS = 10
STEPS = 400
PATIENTS = 10_000


def _median(run: Callable[[], Any], repeats: int = 5) -> float:
    run()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def circulation() -> dict[str, float]:
    """Regazzoni's loop in Python: explicit Euler, its default step of 1 ms."""
    from circulation.regazzoni2020 import Regazzoni2020

    logging.disable(logging.CRITICAL)
    model = Regazzoni2020()
    return {"ms": 1e3 * _median(lambda: model.solve(num_beats=1, dt=1e-3))}


def modularcirc() -> dict[str, float]:
    """Four chambers after Korakianitis, stiff solver at its default tolerances."""
    from ModularCirc.Models.KorakianitisMixedModel import KorakianitisMixedModel
    from ModularCirc.Models.KorakianitisMixedModel_parameters import (
        KorakianitisMixedModel_parameters,
    )
    from ModularCirc.Solver import Solver

    clock = {
        "name": "race", "ncycles": BEATS, "tcycle": 1.0, "dt": 1e-3,
        "export_min": BEATS,
    }  # fmt: skip

    def run() -> None:
        parameters = KorakianitisMixedModel_parameters()
        model = KorakianitisMixedModel(clock, parameters, suppress_printing=True)
        solver = Solver(model=model)
        solver.setup(suppress_output=True)
        start = time.perf_counter()
        solver.solve()
        taken.append((time.perf_counter() - start) / BEATS)

    taken: list[float] = []
    for _ in range(3):
        run()
    return {"ms": 1e3 * statistics.median(taken)}


def haemflow() -> dict[str, float]:
    """Korakianitis and Shi's loop in Fortran: RK4, its default 2000 steps a beat."""
    from src import load_defaults, solve_system  # the name haemflow-cl0 installs

    given = load_defaults()
    given["generic_params"]["ncycle"] = BEATS
    return {"ms": 1e3 * _median(lambda: solve_system(**given)) / BEATS}


def numba() -> dict[str, float]:
    """A loop written for one machine and one model: what compiled code can do."""
    import numpy as np
    from numba import njit, prange

    period, delay = 60.0 / 72.0, 1.0 / 6.0
    diode, shut = 0.0075, 75006.2

    @njit
    def activation(since, up, down):
        since -= math.floor(since / period) * period
        if since < up:
            return 0.5 * (1.0 - math.cos(math.pi * since / up))
        if since < up + down:
            return 0.5 * (1.0 + math.cos(math.pi * (since - up) / down))
        return 0.0

    @njit
    def valve(drop):
        return drop / diode if drop > 0.0 else drop / shut

    @njit
    def rate(t, y, resistance, elastance, out):
        systole = activation(t, 0.34 * period, 0.17 * period)
        atrial = activation(t + delay, 0.17 * period, 0.17 * period)
        left_atrium = (0.09 + 0.07 * atrial) * (y[0] - 4.0)
        left = (0.08 + elastance * systole) * (y[1] - 5.0)
        right_atrium = (0.07 + 0.06 * atrial) * (y[2] - 4.0)
        right = (0.05 + 0.55 * systole) * (y[3] - 10.0)
        arteries, veins = y[4] / 1.2, y[5] / 60.0
        lung_arteries, lung_veins = y[6] / 10.0, y[7] / 16.0
        mitral, aortic = valve(left_atrium - left), valve(left - arteries)
        tricuspid, pulmonary = valve(right_atrium - right), valve(right - lung_arteries)
        out[0] = y[11] - mitral
        out[1] = mitral - aortic
        out[2] = y[9] - tricuspid
        out[3] = tricuspid - pulmonary
        out[4] = aortic - y[8]
        out[5] = y[8] - y[9]
        out[6] = pulmonary - y[10]
        out[7] = y[10] - y[11]
        out[8] = (arteries - veins - resistance * y[8]) / 5e-3
        out[9] = (veins - right_atrium - 0.26 * y[9]) / 5e-4
        out[10] = (lung_arteries - lung_veins - 0.1625 * y[10]) / 5e-4
        out[11] = (lung_veins - left_atrium - 0.1625 * y[11]) / 5e-4

    @njit
    def beat(y, resistance, elastance, steps):
        dt = period / steps
        k1, k2, k3, k4 = np.empty(12), np.empty(12), np.empty(12), np.empty(12)
        z = np.empty(12)
        for step in range(steps):
            t = step * dt
            rate(t, y, resistance, elastance, k1)
            for i in range(12):
                z[i] = y[i] + 0.5 * dt * k1[i]
            rate(t + 0.5 * dt, z, resistance, elastance, k2)
            for i in range(12):
                z[i] = y[i] + 0.5 * dt * k2[i]
            rate(t + 0.5 * dt, z, resistance, elastance, k3)
            for i in range(12):
                z[i] = y[i] + dt * k3[i]
            rate(t + dt, z, resistance, elastance, k4)
            for i in range(12):
                y[i] += dt * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]) / 6.0

    @njit(parallel=True)
    def population(y, resistance, elastance, steps):
        for k in prange(y.shape[0]):
            beat(y[k], resistance[k], elastance[k], steps)

    start = np.array([65.0, 120.0, 65.0, 145.0, 96.0, 1800.0, 350.0, 384.0] + 4 * [0.0])
    factors = np.random.default_rng(0).uniform(0.8, 1.25, (2, PATIENTS))
    many = np.tile(start, (PATIENTS, 1))
    end = start.copy()
    beat(end, 0.8, 2.75, STEPS)
    alone = _median(lambda: beat(start.copy(), 0.8, 2.75, STEPS), 51)
    all_of_them = _median(
        lambda: population(many.copy(), 0.8 * factors[0], 2.75 * factors[1], STEPS)
    )
    return {
        "ms": 1e3 * alone,
        "us_each_of_10000": 1e6 * all_of_them / PATIENTS,
        "arterial_pressure_at_the_end": float(end[4] / 1.2),
    }


PEERS: dict[str, Callable[[], dict[str, float]]] = {
    "circulation": circulation,
    "modularcirc": modularcirc,
    "haemflow-cl0": haemflow,
    "numba": numba,
}


def _tried(measure: Callable[[], dict[str, float]], nowhere: IO[str]) -> Any:
    """What a peer measured; ``None`` where it does not load."""
    try:
        with contextlib.redirect_stdout(nowhere):
            return measure()
    except (ImportError, OSError) as why:  # OSError: a library it wants is absent
        print(f"  {measure.__name__}: {why}", file=sys.stderr)
        return None


def main() -> None:
    """Times those that load; standard output is JSON alone."""
    # their progress goes nowhere, and what they leave where they run goes with it
    with (
        tempfile.TemporaryDirectory() as scratch,
        contextlib.chdir(scratch),
        open(os.devnull, "w") as nowhere,
    ):
        found = {name: _tried(run, nowhere) for name, run in PEERS.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
