"""Every cell against the published runs: 100 beats at 1 Hz, then restitution tables.

    python benchmarks/cells.py [--only NAMES] [--beats N] [--json]

Data are looked for in $CORDAX_DATA, else in ../shared/data beside the repository. The
action potential is measured as there: a sample every 0.5 ms, from the steepest
upstroke. A column that starts with d is the difference from the published run in %.
All models with 100 beats are recorded in docs/acceptance.toml, unless --json.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cordax  # noqa: E402 (after the path)
from benchmarks import acceptance  # noqa: E402
from physio.electrophysiology import cells  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CORDAX_DATA") or ROOT.parent / "shared" / "data")

#: by model: builder and layers, and the names of the published runs; those of
#: Bueno-Orovio are of the older form in CellML, not of the paper's equations
MODELS: dict[str, tuple[Any, tuple[str, ...], tuple[str, ...]]] = {
    "bueno_orovio_2008_cellml": (
        cells.bueno_orovio_2008_cellml,
        ("epi", "endo"),
        ("bueno_orovio_2008_epi", "bueno_orovio_2008_endo"),
    ),
    "ten_tusscher_2006": (
        cells.ten_tusscher_2006,
        ("epi", "endo", "m"),
        ("ten_tusscher_2006_epi", "ten_tusscher_2006_endo", "ten_tusscher_2006_m"),
    ),
    "courtemanche_1998": (
        lambda _: cells.Courtemanche1998(),
        ("",),
        ("courtemanche_1998",),
    ),
    "tor_ord_2019": (
        cells.tor_ord_2019,
        ("endo", "epi", "m"),
        ("tor_ord_dyncl_endo", "tor_ord_dyncl_epi", "tor_ord_dyncl_mid"),
    ),
}
#: V rest, V peak (mV; Bueno-Orovio's dimensionless), APD50, APD90 (ms) after 100 beats
#: at 1 Hz: the CellML models recomputed at a tolerance of 1e-8, the peak between
#: samples; Bueno-Orovio's rest is zero to print
PUBLISHED = {
    "ten_tusscher_2006_epi": (-85.5, 38.0, 275, 303.0),
    "ten_tusscher_2006_endo": (-86.0, 39.0, 271, 298.9),
    "ten_tusscher_2006_m": (-85.9, 37.8, 363, 394.4),
    "courtemanche_1998": (-81.2, 23.3, 165, 291.6),
    "tor_ord_dyncl_endo": (-89.7, 33.2, 219, 272.2),
    "tor_ord_dyncl_epi": (-90.7, 32.5, 195, 236.4),
    "tor_ord_dyncl_mid": (-91.3, 30.9, 286, 349.8),
    "bueno_orovio_2008_endo": (0.0, 1.50, 221, 262.8),
    "bueno_orovio_2008_epi": (0.0, 1.46, 221, 268.6),
}
#: published figure by ours
FIGURES = {"apd50": "APD50_ms", "apd90": "APD90_ms", "rest": "rest", "peak": "peak"}
INTERVALS = (310.0, 355.0, 400.0, 500.0, 700.0, 990.0)
CYCLES = (300.0, 350.0, 400.0, 500.0, 600.0, 800.0, 1000.0)


def stacked(built: list[Any]) -> Any:
    """The layers of a model as lanes of one cell."""
    first = built[0]
    if "layer" in {field.name for field in dataclasses.fields(first)}:
        built = [dataclasses.replace(cell, layer=first.layer) for cell in built]
    return jax.tree.map(lambda *x: jnp.stack(x), *built)


def published_states(name: str, key: str, folder: Path = DATA / "cell_models") -> Any:
    """The states a file of the data holds under ``key``, the layers as lanes.

    Our states' fields are in the order of the files' ``state_names``.
    """
    build, layers, runs = MODELS[name]
    files = [np.load(folder / f"{run}.npz") for run in runs]
    columns = np.stack([file[key] for file in files], axis=-1)
    return type(build(layers[0]).initial_state())(*map(jnp.asarray, columns))


def hundred_beats(
    name: str,
    beats: int = 100,
    folder: Path = DATA / "cell_models",
    dt: float = 0.01,
) -> dict[str, dict[str, float]]:
    """Figures of the last of ``beats`` beats by layer, with the published ones."""
    build, layers, runs = MODELS[name]
    cell = stacked([build(layer) for layer in layers])
    y0 = published_states(name, "published_initial", folder)
    published = json.loads((folder / "summary.json").read_text())
    start = time.perf_counter()
    beat = cells.pace(cell, 1000.0, beats, y0=y0, onset=10.0, dt=dt)
    jax.block_until_ready(beat.y.v)
    seconds = time.perf_counter() - start
    out = {}
    for lane, run in enumerate(runs):
        got = cells.action_potential(beat.t[::5], beat.y.v[::5, lane])
        row = {"seconds": seconds}
        height = published[run]["peak"] - published[run]["rest"]
        for ours, theirs in FIGURES.items():
            row[ours] = float(getattr(got, ours))
            wanted = published[run][theirs]
            # a dimensionless rest near zero is compared with the height of the pulse
            size = abs(wanted) if abs(wanted) > 0.01 * height else height
            row[f"d{ours}"] = 100 * (row[ours] - wanted) / size
        if "calcium" in published[run]:
            low, high, _ = published[run]["calcium"]
            calcium = np.asarray(beat.y.cai[::5, lane])
            row |= {"calcium_low": calcium.min(), "calcium_high": calcium.max()}
            row["dcalcium_low"] = 100 * (calcium.min() / low - 1)
            row["dcalcium_high"] = 100 * (calcium.max() / high - 1)
        out[run] = {k: float(x) for k, x in row.items()}
    return out


def acceptance_rows(
    runs: dict[str, dict[str, float]],
) -> dict[str, dict[str, float]]:
    """Worst differences (%) from the published runs and from the printed table."""
    apd90 = [abs(row["apd90"] / PUBLISHED[run][-1] - 1) for run, row in runs.items()]
    differ = [abs(x) for row in runs.values() for k, x in row.items() if k[0] == "d"]
    return {
        "ep-cell-beats": {"models": len(runs), "worst_percent": max(differ)},
        "ep-cell-published": {"models": len(runs), "worst_percent": 100 * max(apd90)},
    }


def restitution(name: str, layer: str) -> dict[str, list[float]]:
    """S1-S2 and dynamic restitution of one cell."""
    cell = MODELS[name][0](layer)
    curves = {
        "s1s2": cells.s1s2(cell, 1000.0, INTERVALS, beats=10),
        "dynamic": cells.dynamic(cell, CYCLES, beats=20),
    }
    return {
        f"{kind}_{field.name}": np.asarray(getattr(curve, field.name)).tolist()
        for kind, curve in curves.items()
        for field in dataclasses.fields(curve)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Every cell against published runs.")
    parser.add_argument("--only", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--beats", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    cordax.setup()
    found: dict[str, Any] = {}
    for name in asked.only:
        runs = hundred_beats(name, asked.beats)
        layer = MODELS[name][1][0]
        found[name] = {"beats": runs, "restitution": restitution(name, layer)}
        if not asked.json:
            _print(name, layer, found[name])
    if asked.json:
        print(json.dumps(found))
    elif asked.beats == 100 and set(asked.only) == set(MODELS):
        runs = {
            run: row for model in found.values() for run, row in model["beats"].items()
        }
        for id, values in acceptance_rows(runs).items():
            print(id, acceptance.record(id, values))


def _print(name: str, layer: str, found: dict[str, Any]) -> None:
    for run, row in found["beats"].items():
        print(run, "  ".join(f"{k} {x:.4g}" for k, x in row.items()))
    print(f"\n{name} {layer}: restitution (ms)")
    for key, values in found["restitution"].items():
        print(f"  {key:20s}", "  ".join(f"{x:8.1f}" for x in values))
    print()


if __name__ == "__main__":
    main()
