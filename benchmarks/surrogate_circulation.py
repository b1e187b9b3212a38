"""A surrogate of our own circulation: error, speed, and a posterior that stays exact.

    python benchmarks/surrogate_circulation.py [--json] [--kept] [--patients 20]

The circulation of ``benchmarks/recovery.py``, its eight free parameters and their
priors. Fixed beforehand: seeds, a training spread of 1.25 prior sd, degree 3, and the
figures: relative errors at fresh prior draws, medians of alternating runs, means of the
posterior in sd of the exact one. The circulation runs as fast as this house can make
it (compiled for populations, in lanes, on all cores, 200 steps a beat). ``--kept``
takes the surrogate that the last run left in ``build/``: for looking, not for figures.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

import cordax

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks import acceptance, recovery, simulated  # noqa: E402 (after the path)
from benchmarks.pages import Section, table  # noqa: E402
from benchmarks.simulated import (  # noqa: E402
    WAVE,
    median_errors,
    simulator,
    space_of,
)
from calibration import Space, fit_many  # noqa: E402
from calibration.sampling.importance import Draws, Student, Target, importance, spread  # noqa: E402
from calibration.sampling.pareto import TRUSTED, effective, smooth  # noqa: E402
from calibration.sampling.posterior import sample_fit  # noqa: E402
from cordax.twins.surrogate_density import log_density  # noqa: E402
from learned.storage import hybrid as storage  # noqa: E402
from learned.storage.hybrid import Learned  # noqa: E402
from learned.surrogates.polynomial import fit_polynomial  # noqa: E402
from learned.surrogates.surrogate import Surrogate, train_surrogate  # noqa: E402
from physio.parameters import parameters  # noqa: E402

SEED = 20260102
RUNS, SPREAD, DEGREE = 8192, 1.25, 3
BATCH, ROUNDS = 1024, 7  # of the race
PATIENTS = 20
#: Effective draws of both samplers: the standard error of each mean is 0.016 sd, so
#: that of 160 differences the largest is about 0.065 sd where there is none.
ESS, MOST = 4000.0, 40_000
ONCE = 8_000  # bounds the exact sampler to one refined proposal
WIDE = 8_192  # draws where that proposal will not do
KEPT = ROOT / "build" / "surrogate_circulation.h5"
#: Constant here, or not defined in every beat (no atrial wave, a fall too short)
LEFT_OUT = {
    "heart_rate", "e_a_ratio", "tau", "aortic_regurgitant_volume",
    "aortic_regurgitant_fraction", "mitral_regurgitant_volume",
    "mitral_regurgitant_fraction",
}  # fmt: skip


def space() -> Space:
    """The free parameters with their priors."""
    return space_of(recovery.heart(), recovery.FREE)


def _kept(index: str) -> bool:
    return index not in LEFT_OUT


def draws(key: Any, n: int, spread: float = 1.0) -> Any:
    """Parameters (n, 8) of the prior, or of one ``spread`` times as wide."""
    return simulated.draws(space(), key, n, spread)


def trained(simulate: Any) -> Learned:
    """The surrogate of the whole benchmark, with what training it took; kept."""
    told, start = parameters(recovery.heart()), time.perf_counter()
    surrogate = train_surrogate(
        simulate, partial(draws, spread=SPREAD), space().names,
        tuple(told[name].unit for name in recovery.FREE), key=jax.random.key(SEED),
        runs=RUNS, learn=partial(fit_polynomial, degree=DEGREE),
    )  # fmt: skip
    figures = {"seconds": time.perf_counter() - start, "runs": surrogate.runs}
    figures["failed"] = surrogate.failed
    kind = type(recovery.heart()).__name__
    learned = Learned(surrogate, None, kind, figures)
    KEPT.parent.mkdir(exist_ok=True)
    storage.save(KEPT, learned)
    return learned


def errors(surrogate: Surrogate, simulate: Any) -> dict[str, Any]:
    """Relative errors at fresh draws of the prior, and what the intervals cover."""
    x = draws(jax.random.key(SEED + 1), BATCH)
    truth, ok = simulate(x)
    means = eqx.filter_jit(eqx.filter_vmap(surrogate.mean))(x)
    ends = jax.jit(jax.vmap(lambda x: surrogate.interval(x, 0.95)))(x)
    relative, covered = median_errors(means, truth, ok), {}
    for name, value in truth.items():
        low, high = (np.asarray(end) for end in ends[name])
        covered[name] = float(((low <= value) & (value <= high))[ok].mean())
    return {"relative": relative, "covered": covered, "sound": int(np.sum(ok))}


def race(surrogate: Surrogate, simulate: Any) -> dict[str, float]:
    """Seconds of one batch, simulator and surrogate in turns, medians."""
    answer = eqx.filter_jit(eqx.filter_vmap(surrogate.mean))
    x = draws(jax.random.key(SEED + 2), BATCH)
    jax.block_until_ready((answer(x), simulate(x)))
    taken: dict[str, list[float]] = {"simulator": [], "surrogate": []}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        simulate(x)
        middle = time.perf_counter()
        jax.block_until_ready(answer(x))
        taken["simulator"].append(middle - start)
        taken["surrogate"].append(time.perf_counter() - middle)
    return {name: float(np.median(v)) for name, v in taken.items()}


def exact(fit: Any, rng: np.random.Generator) -> Draws:
    """Draws without a surrogate: importance sampling as the application does it.

    Where its k says that its proposal may lack a tail (a few of twenty patients, others
    with other seeds), from a t distribution with those draws' moments, which lacks none
    and wants more draws.
    """
    drawn = importance(fit, rng, ess=ESS, most=ONCE)
    if drawn.diagnostics["pareto_k"] <= TRUSTED:
        return drawn
    w = np.exp(drawn.log_weights)
    centred = drawn.z - w @ drawn.z
    root = np.linalg.cholesky((w[:, None] * centred).T @ centred)
    wide, target = Student(w @ drawn.z, root), Target(fit)
    z = wide.draw(WIDE, rng)
    log_p, seen = target(z)
    log_w, k = smooth(log_p - wide.log_density(z))
    told = drawn.diagnostics | {"pareto_k": k, "ess": effective(log_w)}
    told["evaluations"] += len(z)
    return Draws(z, log_w, seen, "importance", told)


def compared(fit: Any, learned: Learned, k: int) -> dict[str, float]:
    """Patient k with delayed acceptance against importance sampling, in sd."""
    start = time.perf_counter()
    drawn = exact(fit, np.random.default_rng([SEED, k]))
    middle = time.perf_counter()
    chains = sample_fit(
        fit, key=jax.random.fold_in(jax.random.key(SEED), k), method="delayed",
        surrogate=log_density(learned, fit), ess=ESS, draws=int(ESS), most=MOST,
    )  # fmt: skip
    end = time.perf_counter()
    sd, known = spread(drawn.z, drawn.log_weights), drawn.diagnostics
    off = np.asarray(chains.weights @ chains.weighted_z)
    off = np.abs(off - np.exp(drawn.log_weights) @ drawn.z) / sd
    ratio = np.array([*chains.shrinkage.values()]) / sd
    told = {name: float(v) for name, v in chains.diagnostics.items()}
    return {
        "worst": float(off.max()), "median": float(np.median(off)),
        "least_sd": float(ratio.min()), "most_sd": float(ratio.max()),
        "trusted": float(chains.ok and known["pareto_k"] <= TRUSTED),
        "exact_ess": known["ess"], "exact_k": known["pareto_k"],
        "exact_runs": known["evaluations"],
        "exact_seconds": middle - start, "seconds": end - middle, **told,
    }  # fmt: skip


def posteriors(learned: Learned, n: int) -> list[dict[str, float]]:
    """The comparison of the first n patients; the exact sampler is checked elsewhere
    (simulation-based calibration, ``benchmarks/recovery.py``)."""
    rng = np.random.default_rng(SEED)
    _, data = recovery.patients(PATIENTS, recovery.heart(), rng)
    fits = fit_many(
        [p.model for p in data], [p.space for p in data],
        [p.observations for p in data], [p.experiment for p in data],
    )  # fmt: skip
    found = []
    for k, fit in enumerate(fits[:n]):
        found.append(compared(fit, learned, k))
        print(k, found[-1], file=sys.stderr, flush=True)
    return found


def summary(patients: list[dict[str, float]]) -> dict[str, float]:
    """The worst of all patients, and the typical."""
    column = {name: np.array([p[name] for p in patients]) for name in patients[0]}
    least = ("least_sd", "ess", "exact_ess", "accepted")
    most = ("worst", "most_sd", "r_hat", "surrogate_pareto_k", "exact_k")
    typical = ("median", "evaluations", "exact_runs", "seconds", "exact_seconds")
    return (
        {"patients": float(len(patients)), "trusted": float(column["trusted"].sum())}
        | {name: float(column[name].min()) for name in least}
        | {name: float(column[name].max()) for name in most}
        | {name: float(np.median(column[name])) for name in typical}
    )


def measured(patients: int = PATIENTS, kept: bool = False) -> dict[str, Any]:
    """Everything, in this process; ``kept``: with the surrogate of the last run."""
    simulate = simulator(recovery.heart(), space(), _kept)
    learned = storage.load(KEPT) if kept and KEPT.is_file() else trained(simulate)
    surrogate, found = learned.part, dict(learned.training)
    found["modes"] = len(surrogate.outputs.waves[WAVE].modes)
    found["errors"] = errors(surrogate, simulate)
    found["race"] = race(surrogate, simulate)
    found["posterior"] = summary(posteriors(learned, patients))
    return found


def circulation() -> Section:
    """The surrogate of the circulation; measured in a process of its own."""
    # without the options this process gave itself: they would win
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    said = subprocess.run(
        [sys.executable, __file__, "--json"], check=True, env=environment,
        stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    return section(json.loads(said.splitlines()[-1]))


def section(found: dict[str, Any]) -> Section:
    """The page of what was measured."""
    relative, covered = found["errors"]["relative"], found["errors"]["covered"]
    race, posterior = found["race"], found["posterior"]
    worst = sorted(relative, key=lambda name: -relative[name])[:4]
    ratio = race["simulator"] / race["surrogate"]
    figures = {
        "surrogate-speed": {
            "ratio": ratio,
            "median_percent": 100 * float(np.median([*relative.values()])),
            "worst_percent": 100 * relative[worst[0]],
        },
        "surrogate-posterior": {
            "patients": posterior["patients"],
            "worst": posterior["worst"],
        },
    }
    lines = [
        f"{len(relative) - 1} indices and the aortic pressure ({found['modes']} modes) "
        f"from {len(recovery.FREE)} parameters, {found['runs']} simulations "
        f"({found['failed']} failed), trained in {found['seconds']:.0f} s with them. "
        f"At {found['errors']['sound']} fresh draws of the prior:",
        "",
        *table(
            ["", "median relative error %", "95 % intervals cover %"],
            [[name, 100 * relative[name], 100 * covered[name]]
             for name in [WAVE, "systolic_pressure", "mean_pressure", "stroke_volume",
                          "cardiac_output", *worst]]
            + [["median of all", 100 * float(np.median([*relative.values()])),
                100 * float(np.median([*covered.values()]))]],
        ),
        f"A batch of {BATCH} patients: simulator {race['simulator']:.2f} s, surrogate "
        f"{1e3 * race['surrogate']:.2f} ms, ratio {ratio:.0f}.",
        "",
        f"Posteriors of {posterior['patients']:.0f} patients with delayed acceptance "
        f"against importance sampling, both until {ESS:.0f} effective draws (standard "
        f"error of a mean {1 / np.sqrt(ESS):.3f} sd): means at most "
        f"{posterior['worst']:.3f} sd apart (median {posterior['median']:.3f}), "
        f"sd {posterior['least_sd']:.2f} to "
        f"{posterior['most_sd']:.2f} of the exact one. Effective draws at least "
        f"{posterior['ess']:.0f} and {posterior['exact_ess']:.0f}, R-hat at most "
        f"{posterior['r_hat']:.3f}, pareto-k of model over surrogate at most "
        f"{posterior['surrogate_pareto_k']:.2f}, at least "
        f"{100 * posterior['accepted']:.0f} % of the proposals accepted; both "
        f"samplers' own diagnostics trust {posterior['trusted']:.0f} of them. Runs of "
        f"the model, median: {posterior['evaluations']:.0f} against "
        f"{posterior['exact_runs']:.0f}; seconds {posterior['seconds']:.1f} against "
        f"{posterior['exact_seconds']:.1f}.",
    ]  # fmt: skip
    return figures, lines


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="figures, nothing recorded")
    parser.add_argument("--kept", action="store_true", help="nothing recorded")
    parser.add_argument(
        "--patients", type=int, default=PATIENTS, help="of fewer nothing is recorded"
    )
    asked = parser.parse_args()
    cordax.setup(fuse=True)
    told = measured(asked.patients, asked.kept)
    if asked.json:
        print(json.dumps(told))
        return
    figures, lines = section(told)
    if not asked.kept and asked.patients == PATIENTS:
        for id, values in figures.items():
            acceptance.record(id, values)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
