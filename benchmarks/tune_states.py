"""Fit the named states to their published ranges and write their values.

    python benchmarks/tune_states.py [NAME ...]

Each state's targets are the ``feasible`` table of tests/reference/states/NAME.toml,
in units of a quarter of the published range; parameters move in their logarithm,
held by a prior about the healthy values. Writes
physio/hemodynamics/loops/state_values.py.
"""

import sys
import tomllib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

import cordax

ROOT = Path(__file__).parents[1]
OUT = ROOT / "physio/hemodynamics/loops/state_values.py"
CHAMBERS = ("left_atrium", "left_ventricle", "right_atrium", "right_ventricle")
FREE = [
    *(f"{c}.{p}_elastance" for c in CHAMBERS for p in ("active", "passive")),
    *(f"{c}.unstressed_volume" for c in CHAMBERS),
    *("ventricles.contraction", "ventricles.relaxation", "atria.contraction"),
    *("aortic_root.compliance", "systemic_arteries.compliance", "aorta.resistance"),
    *("systemic.resistance", "venous_return.resistance", "pulmonary.resistance"),
    "pulmonary_venous_return.resistance",
    *("pulmonary_arteries.compliance", "pulmonary_veins.compliance"),
    "systemic_veins.unstressed_volume",
]
# What a disease changes beyond the free parameters, with where to start and how far
SPECIFIC = {
    "aortic_stenosis": {"aortic_valve.open_area": 0.8},
    "aortic_regurgitation": {"aortic_valve.leak_area": 0.3},
    "mitral_regurgitation": {"mitral_valve.leak_area": 0.4},
    "mitral_stenosis": {"mitral_valve.open_area": 1.2},
}
SPREAD = {"ventricles.contraction": 0.12, "ventricles.relaxation": 0.25,
          "atria.contraction": 0.3, "systemic_veins.unstressed_volume": 0.1,
          "aorta.resistance": 0.3}  # fmt: skip
DISEASE_SPREAD = {"mitral_stenosis": 1.0, "pulmonary_arterial_hypertension": 1.0}


def targets(name: str) -> tuple[dict[str, float], dict[str, float], dict]:
    """The feasible values, a quarter of each range, and the whole file."""
    path = ROOT / f"tests/reference/states/{name}.toml"
    data = tomllib.loads(path.read_text())
    wanted = {k: v for k, v in data["feasible"].items() if k != "heart_rate"}
    width = {r["index"]: 0.25 * (r["high"] - r["low"]) for r in data["range"]}
    return wanted, width, data


def tune(name: str, base, start: dict[str, float]) -> dict[str, float]:
    """The values of one state; prints what is outside its published range."""
    from physio import get, replace, settle
    from physio.hemodynamics.indices.beat import beat_mean, summarize
    from physio.periodic import periodic_beat

    wanted, width, data = targets(name)
    area = data["body_surface_area_m2"]
    base = replace(base, "rhythm.rate", data["feasible"]["heart_rate"])
    specific = SPECIFIC.get(name, {})
    for key, value in specific.items():
        base = replace(base, key, value)
    free = [*FREE, *specific]
    x0 = np.log([start.get(k, float(get(base, k))) for k in free])
    wide = DISEASE_SPREAD.get(name, 0.5)
    spread = np.array([SPREAD.get(k, 1.0 if k in specific else wide) for k in free])

    def model(x):
        out = base
        for key, value in zip(free, x, strict=True):
            out = replace(out, key, jnp.exp(value))
        return out

    def indices(x):
        circulation = model(x)
        periodic = settle(circulation, steps_per_beat=300)
        beat = periodic_beat(periodic, steps_per_beat=300)
        out = summarize(beat, circulation, body_surface_area=area)
        # blood at zero pressure everywhere is what is not stressed
        parts = circulation.compartments.values()
        out["stressed_blood_volume"] = circulation.blood_volume - sum(
            part.unstressed_volume for part in parts
        )
        return out, periodic.ok

    def residual(x):
        out, _ = indices(x)
        miss = [(out[k] - v) / width[k] for k, v in wanted.items()]
        return jnp.concatenate([jnp.stack(miss), 0.3 * (x - x0) / spread])

    compiled, slope = jax.jit(residual), jax.jit(jax.jacfwd(residual))

    def guarded(x):
        r = np.asarray(compiled(x))
        return np.where(np.isfinite(r), r, 1e3)

    fit = least_squares(
        guarded, x0, jac=lambda x: np.nan_to_num(np.asarray(slope(x))),
        bounds=(x0 - 3 * spread, x0 + 3 * spread), max_nfev=60,
    )  # fmt: skip
    out, ok = jax.jit(indices)(fit.x)
    print(f"{name}: cost {fit.cost:.2f}, evaluations {fit.nfev}, settled {bool(ok)}")
    for r in data["range"]:
        value = float(out[r["index"]]) if r["index"] in out else None
        if value is None or not r["low"] <= value <= r["high"]:
            print(f"   OUT {r['index']}: {value} not in {r['low']} - {r['high']}")
    values = {"rhythm.rate": data["feasible"]["heart_rate"]}
    values |= {k: float(f"{np.exp(v):.5g}") for k, v in zip(free, fit.x, strict=True)}
    tuned = base
    for key, value in values.items():
        tuned = replace(tuned, key, value)
    periodic = settle(tuned)
    beat = periodic_beat(periodic)
    sensed = beat_mean(beat.t, beat.observed.pressure["systemic_arteries"])
    values["reflex.set_point"] = round(float(sensed), 4)
    for part in tuned.compartments:
        volume = float(beat.observed.volume[part][0])
        values[f"{part}.start_volume"] = round(volume, 3)
    return values


def main() -> None:
    cordax.setup()
    from physio.hemodynamics.loops import state_values
    from physio.hemodynamics.loops.states import closed_loop

    known = dict(state_values.VALUES)
    files = sorted((ROOT / "tests/reference/states").glob("*.toml"))
    names = sys.argv[1:] or [
        "healthy_man", *(f.stem for f in files if f.stem != "healthy_man")
    ]  # fmt: skip
    base = closed_loop(reflex=False)
    for name in names:
        start = known.get("healthy_man", {})
        known[name] = tune(name, base, start)
        rows = "".join(
            f'    "{state}": {{\n'
            + "".join(f'        "{k}": {v!r},\n' for k, v in values.items())
            + "    },\n"
            for state, values in known.items()
        )
        OUT.write_text(
            '"""Parameter values of the named states, written by '
            'benchmarks/tune_states.py."""\n\n'
            "VALUES: dict[str, dict[str, float]] = {\n" + rows + "}\n"
        )


if __name__ == "__main__":
    main()
