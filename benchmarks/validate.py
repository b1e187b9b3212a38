"""Every check on real data, and docs/validation.md with what it gave.

    python benchmarks/validate.py [--only NAMES]

Data are looked for in $CORDAX_DATA, else in ../shared/data beside the repository;
where they are absent, sections that need them fail. Figures go to docs/acceptance.toml
as well; with --only the other sections and rows stay as they were.
"""

import argparse
import datetime
import importlib
import os
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np

import cordax

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks.pages import Section, table  # noqa: E402 (after the path)

PAGE = ROOT / "docs" / "validation.md"
DATA = Path(os.environ.get("CORDAX_DATA") or ROOT.parent / "shared" / "data")
PERIOP = DATA / "periop_haemodynamics"


# --- a real patient -------------------------------------------------------------------
def _waveform_record(folder: Path) -> Path:
    """The embedded patient's record with its whole arterial beat to be fitted."""
    from cordax.patients import find

    source = find("periop")
    text = source.read_text()
    fitted = text.replace(
        'signal = "arterial_pressure"',
        'signal = "arterial_pressure"\nrole = "likelihood"',
    )
    (folder / "periop_beat.csv").write_bytes(
        (source.parent / "periop_beat.csv").read_bytes()
    )
    path = folder / "periop_wave.toml"
    path.write_text(fitted)
    return path


def real_patient() -> Section:
    """Numbers of one minute, and its mean arterial beat."""
    from cordax.patients import find
    from cordax.records import examine
    from cordax.reports.from_twin import report_data, summary
    from cordax.twins.calibrate import calibrate

    twin = calibrate(examine.read(find("periop")))
    rows = summary(twin)["observations"]
    told = [
        [r["name"], r["value"], f"{r['predicted'][0]:.4g} ({r['predicted'][1]:.4g} to "
         f"{r['predicted'][2]:.4g})", r["unit"], r["residual"], r["role"]]
        for r in rows
    ]  # fmt: skip
    worst = max(abs(r["residual"]) for r in rows)
    with tempfile.TemporaryDirectory() as folder:
        wave = calibrate(examine.read(_waveform_record(Path(folder))))
    fits = {}
    for o, value in zip(wave.start.observations, wave.rest.values, strict=True):
        if np.ndim(o.values) and o.role == "likelihood":
            fits[o.label] = float(np.sqrt(np.mean((value[0] - o.values) ** 2)))
    lines = [
        "One minute of an anaesthetised patient (periop_haemodynamics, patient 26): "
        "what was measured against the posterior predictive, residuals in sd of "
        "measurement and model together.",
        "",
        *table(["", "measured", "predicted (90 %)", "unit", "residual", ""], told),
        "The mean arterial beat, its limb's transfer and clock free: RMSE "
        + ", ".join(f"{k} {v:.2f} mmHg" for k, v in fits.items())
        + ".",
        "",
        "In words: " + " ".join(twin.verdict),
        "",
        *(f"- {line}" for line in report_data(twin).identifiability),
        "",
    ]
    got = {
        "real-numbers": {"worst_sd": worst},
        "real-beat": {"rmse": max(fits.values())},
    }
    return got, lines


# --- prediction -----------------------------------------------------------------------
def fluid() -> Section:
    """What fluid does, foreseen from the values before it: leave-one-out scores."""
    from benchmarks import fluid_response_priors as derived
    from cordax.bench import fluid_response

    file = PERIOP / "fluid_response_odd_ids.csv"
    frozen = fluid_response.details(file)
    out = derived.leave_one_out(file)
    got: dict[str, dict[str, float]] = {}
    rows, intervals, baselines = [], 0, {}
    for name, s in out.items():
        for figure in ("rmse", "crps"):
            got[f"fluid-{name}-{figure}"] = {"n": s["n"], figure: s[figure]}
            baselines[f"{name}_{figure}"] = s[f"{figure}_mean_change"]
            seen = frozen["scores"][name]
            rows.append(
                [name, figure, s[figure], s[f"{figure}_mean_change"], seen[figure],
                 seen[f"{figure}_mean_change"], s[f"{figure}_no_change"],
                 *(f"{d['value']:+.3f} ({d['lower']:+.3f} to {d['upper']:+.3f})"
                   for d in (s[f"{figure}_minus_no_change"],
                             s[f"{figure}_minus_mean_change"]))]
            )  # fmt: skip
            intervals += 2
        got[f"fluid-{name}-coverage"] = {"n": s["n"], "coverage90": s["coverage90"]}
    got["fluid-intervals"] = {"intervals": intervals}
    got["fluid-baselines"] = baselines
    header = ["", "", "twin, left out", "mean change, left out", "twin, in-sample",
              "mean change, in-sample", "no change", "twin - no change, left out",
              "twin - mean change, left out"]  # fmt: skip
    covered = ", ".join(f"{k} {s['coverage90']:.2f}" for k, s in out.items())
    lines = [
        "Calibrated to the values before a fluid challenge of 250 mL, every patient "
        "left out when priors were tuned; differences with 95 % bootstrap intervals. "
        "In-sample: priors frozen from these same patients, beside these same "
        "patients' own mean change; neither says anything of a new patient. "
        "The choice of settings was made on the same patients: see "
        "cordax/cohorts/fluid_response_priors.toml.",
        "",
        *table(header, rows),
        f"Coverage of 90 % intervals: {covered}. No difference from the mean change is "
        "beyond its interval: at this size the twin is as good as, not better than, "
        "the mean change.",
        "",
        *(f"- {line}" for line in frozen["assumptions"]),
        "",
    ]
    return got, lines


def breathing() -> Section:
    """Pulse pressure variation over tidal volumes and rates."""
    from benchmarks.ventilation_population import patient_phase
    from cordax.bench import ventilation

    d = ventilation.details(PERIOP / "vent_protocol_odd_ids.csv")
    phase = patient_phase(PERIOP)
    if phase is None:
        raise FileNotFoundError(f"{PERIOP} has no recording of patient 26.")
    got = {
        "vent-ratio-vt8": {"ratio": d["ratio_31_10_vt8"]},
        "vent-ratio-vt6": {"ratio": d["ratio_31_10_vt6"]},
        "vent-ratio-classic": {"ratio": d["ratio_classic_31_10_vt8"]},
        "vent-vt4": {"ratio": d["ratio_vt4_vt8"]},
        "vent-vt10": {"ratio": d["ratio_vt10_vt8"]},
        "vent-gain": {"gain": d["median_gain"]},
        "vent-phase": {"rms": phase["rms"]},
        "vent-rmse": {"rmse": d["rmse"]},
        "vent-intervals": {
            "intervals": sum(k.endswith("_lower") for k in d),
            **{k: d[k] for k in ("rmse_gain_vt", "rmse_power", "rmse_median_shape")},
        },
    }
    rows = [[k, v] for k, v in d.items() if isinstance(v, float | int)]
    lines = [
        f"{d['n']} settings of {d['patients']} patients; the model's ratios beside "
        "`observed_` ones; each setting predicted from the patient's others, with "
        "95 % intervals over patients of the model's RMSE less each comparator's.",
        "",
        *table(["figure", "value"], [*rows, *([f"phase_{k}", v] for k, v in
                                                phase.items())]),
    ]  # fmt: skip
    return got, lines


# --- recovery, others -----------------------------------------------------------------
def recovered() -> Section:
    """Synthetic patients of known parameters."""
    from benchmarks.recovery import misspecified, recovery

    r, wrong = recovery(), misspecified()
    got = {
        "recovery-identifiable": {
            k: r[k] for k in ("patients", "parameters", "identifiable")
        },
        "recovery-coverage": {
            "patients": r["patients"],
            "outside": r["outside_coverage"],
        },
        "recovery-rank": {"patients": r["patients"], "outside": r["outside_rank"]},
        "recovery-misspecified": {k: wrong[k] for k in ("patients", "coverage90")},
    }
    rows = [
        [name, r["shrinkage"][name], *(r["coverage"][level][name] for level in
                                        (0.5, 0.8, 0.9)),
         wrong["coverage"][name], wrong["bias"][name]]
        for name in r["shrinkage"]
    ]  # fmt: skip
    header = ["parameter", "posterior / prior sd", "50 %", "80 %", "90 %",
              "90 %, wrong valves", "bias, wrong valves (prior sd)"]  # fmt: skip
    lines = [
        f"{r['patients']} patients drawn from the fit's own prior, seed fixed "
        "beforehand; bands hold an exact sampler 99 times in 100 over all parameters "
        f"and levels: {r['outside_coverage']} coverages and {r['outside_rank']} points "
        f"of the rank ECDF lie outside. With data from another valve law (a plain "
        f"diode) {wrong['patients']} patients were fitted: median chi2 "
        f"{wrong['chi2']:.1f}.",
        "",
        *table(header, rows),
    ]
    return got, lines


def others() -> Section:
    """Other programs' results, through the tests that show them."""
    from benchmarks import against_others as against

    networks = DATA / "oracle_networks_1d0d" / "svZeroDSolver"
    tables = {
        "svZeroDSolver": against.compare_svzerod(networks),
        "Regazzoni": against.compare_regazzoni(DATA / "regazzoni_limit_cycle"),
        "Korakianitis and Shi": against.compare_korakianitis_shi(
            DATA / "korakianitis_shi"
        ),
        "Radau at 1e-10": against.compare_stiff(),
    }
    rows = [
        [program, case, max(v for v in signals.values())]
        for program, table in tables.items()
        for case, signals in table.items()
    ]
    lines = [
        "Largest difference over peak-to-peak range of any signal (of Radau: mmHg, %). "
        "svZeroDSolver's chamber, valve and closed loops are compared at its own time "
        "steps: its stored results are not converged (its own scheme at 40 times the "
        "steps moves the closed loops by 25 to 29 %), and our elements run with our "
        "steps agree with its scheme at short ones to 3e-5.",
        "",
        *table(["program", "case", "difference"], rows),
    ]
    return {}, lines


def tests() -> Section:
    """The tests that show a row, and the seconds of the last whole run of .ci/run."""
    from benchmarks import acceptance

    written = acceptance.record_tests()
    stages = ROOT / "build" / "ci_seconds.toml"
    if stages.is_file():
        written |= acceptance.record_stages(tomllib.loads(stages.read_text()))
    counts = {state: list(written.values()).count(state) for state in set(
        written.values())}  # fmt: skip
    told = ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))
    return {}, [f"Promises shown by tests and by the checks' stages: {told}.", ""]


def _of(module: str, name: str) -> Callable[[], Section]:
    """A section of a module that is imported when it runs."""
    return lambda: getattr(importlib.import_module(f"benchmarks.{module}"), name)()


def hearts() -> Section:
    """Real hearts from root points."""
    from benchmarks import validate_hearts

    return validate_hearts.hearts(DATA)


#: What runs without any data.
FREE = frozenset(
    {
        "operators",
        "waves",
        "slab",
        "reentry",
        "recovered-laws",
        "recovered-current",
        "lnode",
    }
)
SECTIONS: dict[str, tuple[str, Callable[[], Section]]] = {
    "real": ("A real patient", real_patient),
    "fluid": ("Prediction of a fluid challenge", fluid),
    "breathing": ("Heart and lung", breathing),
    "recovery": ("Recovery of known parameters", recovered),
    "others": ("Against other programs", others),
    "cells": ("Single cells", _of("validate_tissue", "cells")),
    "operators": (
        "Diffusion on curved domains",
        _of("validate_operators", "operators"),
    ),
    "waves": ("Velocities of waves", _of("validate_waves", "waves")),
    "slab": ("The N-version benchmark of tissue", _of("validate_tissue", "slab")),
    "reentry": ("Re-entry", _of("validate_tissue", "reentry")),
    "hearts": ("Real hearts", hearts),
    "hybrid-ppv": (
        "A hybrid across ventilator settings",
        _of("validate_hybrid", "ppv"),
    ),
    "hybrid-fluid": ("A hybrid on the fluid table", _of("validate_hybrid", "fluid")),
    "recovered-laws": (
        "Removed laws of the circulation, learned back",
        _of("recover_circulation", "laws"),
    ),
    "recovered-current": (
        "A removed current of a cell, learned back",
        _of("recover_cell", "current"),
    ),
    "hybrid-learned-table": (
        "A residual learned from the fluid table",
        _of("validate_hybrid", "learned_table"),
    ),
    "surrogates": ("Surrogates of published tables", _of("surrogate_tables", "tables")),
    "lnode": ("A heart of 43 free parameters", _of("lnode_size", "section")),
    "tests": ("Tests", tests),
}
_HEAD = [
    "# Validation",
    "",
    "Written by `make validate`; every section says when and at which commit. A `+`:",
    "the tree held changes that were not committed.",
    "",
]


def _written() -> dict[str, list[str]]:
    """The sections there are, by title."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in PAGE.read_text().splitlines() if PAGE.is_file() else []:
        if line.startswith("## "):
            lines = found.setdefault(line.removeprefix("## "), [])
        lines.append(line)
    return found


def _keep(title: str, lines: list[str]) -> None:
    from benchmarks import acceptance

    stamp = f"{datetime.date.today().isoformat()}, commit {acceptance._commit()}."
    pages = _written() | {title: [f"## {title}", "", stamp, "", *lines]}
    ordered = [pages[name] for name, _ in SECTIONS.values() if name in pages]
    text = "\n\n".join("\n".join(page).strip() for page in [_HEAD, *ordered])
    PAGE.write_text(text + "\n")


def main() -> int:
    """The command line; 1 where data that are needed are absent."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), metavar="NAMES")
    asked = parser.parse_args()
    names = asked.only or list(SECTIONS)
    if not FREE.issuperset(names) and not PERIOP.is_dir():
        print(f"No real data in {DATA}. Set CORDAX_DATA to their folder.")
        return 1
    cordax.setup()
    from benchmarks import acceptance

    for name in names:
        title, run = SECTIONS[name]
        print(f"{title} ...", flush=True)
        figures, lines = run()
        for id, values in figures.items():
            acceptance.record(id, values)
        _keep(title, lines)
        print("\n".join(lines), flush=True)
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
