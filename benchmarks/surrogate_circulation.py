"""A surrogate of our own circulation: error, speed, and a posterior that stays exact.

    python benchmarks/surrogate_circulation.py [--json]

The circulation of ``benchmarks/recovery.py``, its eight free parameters and their
priors. Fixed beforehand: seeds, a training spread of 1.25 prior sd, degree 3, and the
figures: relative errors at fresh prior draws, medians of alternating runs, means of the
posterior in sd of the exact one. The circulation runs as fast as this house can make
it (compiled for populations, in lanes, on all cores, 200 steps a beat).
"""

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
import jax.numpy as jnp
import numpy as np

import cordax

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks import recovery  # noqa: E402 (after the path)
from benchmarks.pages import Section, table  # noqa: E402
from calibration import Experiment, Free, LogNormal, Space, fit_many  # noqa: E402
from calibration.lanes import VALUE_LANES, in_chunks  # noqa: E402
from calibration.samplers import Target, importance, laplace  # noqa: E402
from learned.surrogate import Surrogate, train_surrogate  # noqa: E402
from learned.surrogate_polynomial import fit_polynomial  # noqa: E402
from physio.hemodynamics.indices import aortic_site  # noqa: E402
from physio.parameters import get, parameters  # noqa: E402

SEED = 20260102
RUNS, SPREAD, DEGREE = 8192, 1.25, 3
BATCH, ROUNDS = 1024, 7  # of the race
PATIENTS = 20
CHAINS, MOVES, STEPS, DROPPED = 64, 200, 56, 4  # delayed acceptance
ESS = 4000.0  # of the exact draws: their mean is within 0.016 sd
OUTSIDE = 50.0  # by a width of the range, off the surrogate's log density
#: Constant here, or not defined in every beat (no atrial wave, a fall too short)
LEFT_OUT = {
    "heart_rate", "e_a_ratio", "tau", "aortic_regurgitant_volume",
    "aortic_regurgitant_fraction", "mitral_regurgitant_volume",
    "mitral_regurgitant_fraction",
}  # fmt: skip
WAVE = "aortic_pressure"


def space() -> Space:
    """The free parameters with their priors."""
    base = recovery.heart()
    return Space(
        tuple(Free(k, LogNormal(get(base, k), sd)) for k, sd in recovery.FREE.items())
    )


@eqx.filter_jit
def _beats(model: Any, experiment: Experiment, space: Space, x: Any) -> Any:
    def one(x: Any) -> Any:
        varied = space.put(model, dict(zip(space.names, x, strict=True)))
        periodic, beat = experiment.beat(varied)
        seen = experiment.features(beat, periodic.system)
        outputs = {name: v for name, v in seen.items() if name not in LEFT_OUT}
        pressure = beat.observed.pressure
        outputs[WAVE] = pressure[aortic_site(pressure)][:-1:2]
        return outputs, periodic.ok & beat.ok

    return jax.vmap(one)(x)


def simulator() -> Any:
    """x (n, 8), physical values -> indices and aortic pressure by name, ok."""
    model, experiment, free = recovery.heart(), Experiment(steps_per_beat=200), space()
    return lambda x: in_chunks(
        lambda x: _beats(model, experiment, free, x), VALUE_LANES, np.asarray(x)
    )


def draws(key: Any, n: int, spread: float = 1.0) -> Any:
    """Parameters (n, 8) of the prior, or of one ``spread`` times as wide."""
    free = space()
    values = jax.vmap(free.physical)(spread * jax.random.normal(key, (n, free.size)))
    return jnp.stack([values[name] for name in free.names], axis=1)


def trained(simulate: Any) -> Surrogate:
    """The surrogate of the whole benchmark."""
    told = parameters(recovery.heart())
    return train_surrogate(
        simulate, partial(draws, spread=SPREAD), space().names,
        tuple(told[name].unit for name in recovery.FREE), key=jax.random.key(SEED),
        runs=RUNS, learn=partial(fit_polynomial, degree=DEGREE),
    )  # fmt: skip


def errors(surrogate: Surrogate, simulate: Any) -> dict[str, Any]:
    """Relative errors at fresh draws of the prior, and what the intervals cover."""
    x = draws(jax.random.key(SEED + 1), BATCH)
    truth, ok = simulate(x)
    means = eqx.filter_jit(eqx.filter_vmap(surrogate.mean))(x)
    ends = jax.jit(jax.vmap(lambda x: surrogate.interval(x, 0.95)))(x)
    relative, covered = {}, {}
    for name, value in truth.items():
        off = np.abs(np.asarray(means[name]) - value)[ok]
        size = np.abs(value[ok])
        if name == WAVE:  # over a beat, of its mean
            off, size = np.sqrt(np.mean(off**2, axis=1)), size.mean(axis=1)
        relative[name] = float(np.median(off / size))
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


# --- delayed acceptance ---------------------------------------------------------------
@eqx.filter_jit
def _log_density(surrogate: Surrogate, space: Space, data: Any, z: Any) -> Any:
    """The surrogate's log posterior at z (n_chain, 8), up to a constant."""

    def one(z: Any) -> Any:
        values = space.physical(z)
        x = jnp.stack([values[name] for name in space.names])
        seen = surrogate.mean(x)
        off = [(seen[k] - value) / sd for k, (value, sd) in data.items()]
        told = -0.5 * (jnp.sum(jnp.square(jnp.stack(off))) + jnp.sum(z**2))
        # where the surrogate was never trained its word counts for less and less
        return told - OUTSIDE * jnp.sum(surrogate.range.excess(x))

    return jax.vmap(one)(z)


@eqx.filter_jit
def _moved(
    key: Any, surrogate: Surrogate, space: Space, data: Any, z: Any, root: Any
) -> Any:
    """Metropolis moves on the surrogate alone: where they end and its log density."""

    def move(state: Any, key: Any) -> Any:
        z, log_p = state
        step, toss = jax.random.split(key)
        trial = z + jax.random.normal(step, z.shape) @ root.T
        log_trial = _log_density(surrogate, space, data, trial)
        accept = jnp.log(jax.random.uniform(toss, log_p.shape)) < log_trial - log_p
        z = jnp.where(accept[:, None], trial, z)
        return (z, jnp.where(accept, log_trial, log_p)), None

    start = (z, _log_density(surrogate, space, data, z))
    return jax.lax.scan(move, start, jax.random.split(key, MOVES))[0]


def delayed(fit: Any, surrogate: Surrogate, key: Any) -> tuple[np.ndarray, float]:
    """Draws of the exact posterior and the share of proposals it accepts.

    Every chain moves ``MOVES`` times on the surrogate; the end is a proposal that the
    simulator accepts with min(1, p(z') s(z) / (p(z) s(z'))), s being the surrogate's
    density (Christen & Fox 2005, 10.1198/106186005X76983; Liu 2001, ch. 9.4.3).
    """
    data = {o.kind: (jnp.asarray(o.values), jnp.asarray(o.total_sd))
            for o in fit.problem.observations}  # fmt: skip
    proposal, target, free = laplace(fit), Target(fit), fit.problem.space
    rng = np.random.default_rng(int(jax.random.randint(key, (), 0, 2**31 - 1)))
    root = jnp.asarray(proposal.root * 2.38 / np.sqrt(proposal.mean.size))
    first = jnp.asarray(proposal.draw(CHAINS, rng))
    z = np.asarray(_moved(key, surrogate, free, data, first, root)[0])
    log_p, log_s = target(z)[0], np.asarray(_log_density(surrogate, free, data, z))
    kept, accepted = [], []
    for k in range(STEPS):
        trial, log_trial_s = (np.asarray(v) for v in _moved(
            jax.random.fold_in(key, k), surrogate, free, data, jnp.asarray(z), root
        ))  # fmt: skip
        log_trial = target(trial)[0]
        gain = log_trial - np.maximum(log_p, -1e300) + log_s - log_trial_s
        accept = np.log(rng.random(CHAINS)) < gain
        z = np.where(accept[:, None], trial, z)
        log_p = np.where(accept, log_trial, log_p)
        log_s = np.where(accept, log_trial_s, log_s)
        kept.append(z)
        accepted.append(accept.mean())
    return np.concatenate(kept[DROPPED:]), float(np.mean(accepted))


def compared(fit: Any, surrogate: Surrogate, k: int) -> dict[str, float]:
    """Patient k with delayed acceptance against importance sampling, in sd."""
    rng = np.random.default_rng([SEED, k])
    exact = importance(fit, rng, ess=ESS, most=20_000)
    w = np.exp(exact.log_weights)
    mean = w @ exact.z
    sd = np.sqrt(w @ np.square(exact.z - mean))
    z, accepted = delayed(fit, surrogate, jax.random.key(SEED + k))
    off, spread = np.abs(z.mean(axis=0) - mean) / sd, z.std(axis=0) / sd
    return {
        "worst_mean": off.max(), "median_mean": float(np.median(off)),
        "least_sd": spread.min(), "most_sd": spread.max(), "accepted": accepted,
        "ess": exact.diagnostics["ess"], "pareto_k": exact.diagnostics["pareto_k"],
    }  # fmt: skip


def posteriors(
    surrogate: Surrogate, patients: range = range(PATIENTS)
) -> list[dict[str, float]]:
    """Every patient's comparison; the exact sampler is checked elsewhere."""
    rng = np.random.default_rng(SEED)
    _, data = recovery.patients(PATIENTS, recovery.heart(), rng)
    data = [data[k] for k in patients]
    fits = fit_many(
        [p.model for p in data], [p.space for p in data],
        [p.observations for p in data], [p.experiment for p in data],
    )  # fmt: skip
    found = []
    for k, fit in zip(patients, fits, strict=True):
        found.append(compared(fit, surrogate, k))
        print(k, found[-1], file=sys.stderr, flush=True)
    return found


def summary(patients: list[dict[str, float]]) -> dict[str, float]:
    """The worst of all patients, and the typical."""
    column = {name: np.array([p[name] for p in patients]) for name in patients[0]}
    return {
        "patients": float(len(patients)),
        "worst_mean": float(column["worst_mean"].max()),
        "median_mean": float(np.median(column["median_mean"])),
        "least_sd": float(column["least_sd"].min()),
        "most_sd": float(column["most_sd"].max()),
        "accepted": float(column["accepted"].min()),
        "least_ess": float(column["ess"].min()),
    }


def measured() -> dict[str, Any]:
    """Everything, in this process."""
    simulate = simulator()
    start = time.perf_counter()
    surrogate = trained(simulate)
    found: dict[str, Any] = {"seconds": time.perf_counter() - start}
    found |= {"failed": surrogate.failed, "runs": surrogate.runs}
    found["modes"] = len(surrogate.outputs.waves[WAVE].modes)
    found["errors"] = errors(surrogate, simulate)
    found["race"] = race(surrogate, simulate)
    found["posterior"] = summary(posteriors(surrogate))
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
        "surrogate-posterior": posterior,
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
        f"Posteriors of {PATIENTS} patients with delayed acceptance against importance "
        f"sampling: means at most {posterior['worst_mean']:.3f} sd apart (median "
        f"{posterior['median_mean']:.3f}), sd {posterior['least_sd']:.2f} to "
        f"{posterior['most_sd']:.2f} of the exact one; at least "
        f"{100 * posterior['accepted']:.0f} % of the proposals accepted.",
    ]  # fmt: skip
    return figures, lines


if __name__ == "__main__":
    cordax.setup(fuse=True)
    told = measured()
    if "--json" in sys.argv:
        print(json.dumps(told))
    else:
        print("\n".join(section(told)[1]))
