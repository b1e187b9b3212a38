"""A heart of 43 free parameters: emulated, its sensitivities, one patient's posterior.

LNODE (Salvador et al. 2023, 10.48550/arXiv.2305.11855) emulates a whole heart of 43
parameters from 400 simulations, answers at 300 times real time, and finds sensitivities
and a posterior of 4 to 11 parameters in 3 h on one core. Its simulator is a
three-dimensional heart and this one is not: the problem's size is the same, the cost of
its simulations is not. Fixed beforehand: parameters, spreads, degree and seeds.
"""

import time
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import recovery
from benchmarks.pages import Section, table
from benchmarks.simulated import WAVE, draws, median_errors, simulator, space_of
from calibration import Experiment, Observation, Space, fit
from calibration.sampling.posterior import sample_fit
from learned.surrogates.polynomial import fit_polynomial
from learned.surrogates.surrogate import Surrogate, train_surrogate
from physio import march, settle
from physio.parameters import get, parameters

SEED = 20260103
RUNS, FRESH, DEGREE = 4096, 1024, 2
SOBOL = 2048  # points of each of the two sets
ESS = 1000.0
_CHAMBERS = ("left_atrium", "left_ventricle", "right_atrium", "right_ventricle")
_VALVES = ("aortic_valve", "mitral_valve", "pulmonary_valve", "tricuspid_valve")
_TIMES = (
    "rhythm.atrioventricular_delay", "atria.contraction", "atria.relaxation",
    "ventricles.contraction", "ventricles.relaxation",
)  # fmt: skip
_ELASTIC = (
    "aortic_root", "systemic_arteries", "systemic_veins", "pulmonary_arteries",
    "pulmonary_veins", "coronary_vessels",
)  # fmt: skip
_LINKS = (
    "aorta", "systemic", "pulmonary", "pulmonary_venous_return", "venous_return",
    "coronary_arteries", "coronary_veins",
)  # fmt: skip
#: sd of the logarithms: narrow where the volume in the veins hangs on it, or a time
SPREAD: dict[str, float] = {
    "rhythm.rate": 0.1,
    **dict.fromkeys(_TIMES, 0.05),
    **{
        f"{chamber}.{law}": 0.15
        for chamber in _CHAMBERS
        for law in ("active_elastance", "passive_elastance", "unstressed_volume")
    },
    **{f"{vessel}.compliance": 0.15 for vessel in _ELASTIC},
    "systemic_veins.stiffening_pressure": 0.1,
    "systemic_veins.unstressed_volume": 0.03,
    "systemic_arteries.unstressed_volume": 0.05,
    "pulmonary_arteries.unstressed_volume": 0.1,
    "pulmonary_veins.unstressed_volume": 0.1,
    **{f"{link}.resistance": 0.15 for link in _LINKS},
    "aorta.inertance": 0.15,
    **{f"{valve}.open_area": 0.1 for valve in _VALVES},
    "coronary_vessels.squeeze_share": 0.1,
    "blood_volume": 0.03,
}


def space() -> Space:
    """The 43 parameters with their priors."""
    return space_of(recovery.heart(), SPREAD)


def _kept(index: str) -> bool:
    return index in recovery.MEASURED


def _draws(key: Any, n: int) -> Any:
    return draws(space(), key, n)


def trained(simulate: Any) -> tuple[Surrogate, float]:
    """The surrogate, and the seconds of its simulations and its training."""
    told = parameters(recovery.heart())
    start = time.perf_counter()
    surrogate = train_surrogate(
        simulate, _draws, space().names, tuple(told[name].unit for name in SPREAD),
        key=jax.random.key(SEED), runs=RUNS,
        learn=partial(fit_polynomial, degree=DEGREE),
    )  # fmt: skip
    return surrogate, time.perf_counter() - start


def errors(surrogate: Surrogate, simulate: Any) -> dict[str, float]:
    """Median relative error (%) of every output at fresh draws; a wave over a beat."""
    x = _draws(jax.random.key(SEED + 1), FRESH)
    truth, ok = simulate(x)
    means = eqx.filter_jit(eqx.filter_vmap(surrogate.mean))(x)
    found = median_errors(means, truth, ok)
    return {name: 100 * error for name, error in found.items()}


def times_real(surrogate: Surrogate) -> float:
    """Seconds of a beat over those of one patient's answer, wave and indices."""
    x = _draws(jax.random.key(SEED + 2), 1)[0]
    answer = eqx.filter_jit(surrogate.mean)
    jax.block_until_ready(answer(x))
    taken = []
    for _ in range(200):
        start = time.perf_counter()
        jax.block_until_ready(answer(x))
        taken.append(time.perf_counter() - start)
    return 60.0 / float(get(recovery.heart(), "rhythm.rate")) / float(np.median(taken))


def plain_times_real() -> float:
    """The same of the circulation itself: one marched beat, nothing learned."""
    heart = recovery.heart()
    y0 = settle(heart, steps_per_beat=200).state
    taken = []
    for _ in range(51):
        start = time.perf_counter()
        beat = march(heart, y0=y0, beats=1, steps_per_beat=200)
        jax.block_until_ready(beat.y)
        taken.append(time.perf_counter() - start)
    return 60.0 / float(get(heart, "rhythm.rate")) / float(np.median(taken[1:]))


def sensitivities(surrogate: Surrogate) -> dict[str, dict[str, float]]:
    """Total Sobol indices of every scalar output (Jansen 1999)."""
    names = space().names
    first, second = (_draws(jax.random.key(SEED + k), SOBOL) for k in (3, 4))
    answer = eqx.filter_jit(eqx.filter_vmap(surrogate.mean))
    at = answer(first)
    found: dict[str, dict[str, float]] = {k: {} for k in recovery.MEASURED}
    for j, name in enumerate(names):
        moved = answer(first.at[:, j].set(second[:, j]))
        for kind, shares in found.items():
            change = 0.5 * jnp.mean((moved[kind] - at[kind]) ** 2)
            shares[name] = float(change / jnp.var(at[kind]))
    return found


def posterior(simulate: Any) -> dict[str, float]:
    """One patient of known parameters: all 43 sampled with the simulator itself."""
    heart, free = recovery.heart(), space()
    rng = np.random.default_rng(SEED)
    x = _draws(jax.random.key(SEED + 5), 1)
    truth, ok = simulate(x)
    if not ok.all():
        raise RuntimeError("The patient drawn has no beat; take another seed.")
    seen = tuple(
        Observation(
            kind, float(truth[kind][0]) + sd * rng.standard_normal(), sd, unit,
            discrepancy_sd=0.0,
        )
        for kind, (sd, unit) in recovery.MEASURED.items()
    )  # fmt: skip
    start = time.perf_counter()
    found = fit(heart, free, seen, Experiment(steps_per_beat=200))
    drawn = sample_fit(found, key=jax.random.key(SEED), ess=ESS, most=32_768)
    seconds = time.perf_counter() - start
    told = drawn.diagnostics
    return {
        "seconds": seconds, "ess": told["ess"], "pareto_k": told["pareto_k"],
        "narrowed": float(sum(v < 0.9 for v in map(float, found.shrinkage.values()))),
    }  # fmt: skip


def measured() -> tuple[dict[str, float], list[str]]:
    """The row's figures, and what the page says."""
    simulate = simulator(recovery.heart(), space(), _kept)
    surrogate, seconds = trained(simulate)
    start = time.perf_counter()
    shares = sensitivities(surrogate)
    ranked = time.perf_counter() - start
    off, sampled = errors(surrogate, simulate), posterior(simulate)
    got = {
        "parameters": len(SPREAD), "runs": surrogate.runs,
        "real_time": times_real(surrogate), "plain_real_time": plain_times_real(),
        "hours": (seconds + ranked + sampled["seconds"]) / 3600.0,
        "error_percent": float(np.median([*off.values()])), "wave_percent": off[WAVE],
        "train_s": seconds, "sobol_s": ranked, "sample_s": sampled["seconds"],
        "ess": sampled["ess"], "pareto_k": sampled["pareto_k"],
    }  # fmt: skip
    return got, _page(got, shares, sampled)


def section() -> Section:
    """The row and its page."""
    got, page = measured()
    return {"hybrid-speed-lnode": got}, page


def _page(
    got: dict[str, float], shares: dict[str, dict[str, float]], sampled: dict[str, Any]
) -> list[str]:
    most = {
        kind: sorted(found, key=lambda name: -found[name])[:3]
        for kind, found in shares.items()
    }
    return [
        "LNODE (Salvador et al. 2023): published figures, of a three-dimensional heart",
        "on another machine. Both: 43 parameters of a whole heart and circulation.",
        "",
        *table(
            ["", "LNODE, published", "here"],
            [
                ["simulations trained on", "400", f"{got['runs']:.0f}"],
                ["times real time, one patient", "300", f"{got['real_time']:.0f}"],
                [
                    "of a plain beat, nothing learned",
                    "below 1",
                    f"{got['plain_real_time']:.0f}",
                ],
                ["parameters sampled", "4 to 11", "43"],
                [
                    "sensitivities and posterior",
                    "3 h, one core",
                    f"{(got['sobol_s'] + got['sample_s']) / 60:.1f} min, two cores",
                ],
                [
                    "simulations and training",
                    "not told",
                    f"{got['train_s'] / 60:.1f} min, two cores",
                ],
                [
                    "posterior",
                    "of the emulator, one chain",
                    f"of the simulator, {got['ess']:.0f} effective draws, "
                    f"k {got['pareto_k']:.2f}",
                ],
            ],
        ),  # fmt: skip
        f"Median relative error at {FRESH} fresh draws: {got['error_percent']:.2g} % "
        f"of the indices, {got['wave_percent']:.2g} % of the aortic pressure. "
        f"{sampled['narrowed']:.0f} of 43 parameters are narrowed by a tenth or more "
        "by the patient's eleven measurements. Largest total Sobol indices:",
        "",
        *table(
            ["", "first", "second", "third"],
            [
                [kind, *(f"{name} {shares[kind][name]:.2f}" for name in names)]
                for kind, names in most.items()
            ],
        ),
    ]
