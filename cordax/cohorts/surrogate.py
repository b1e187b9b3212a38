"""A surrogate of one patient's circulation: free parameters to every index.

It is trained on draws a little wider than the prior, and judged on draws it has not
seen. Outside its training range it says so. ``log_density`` turns it into what leads
the chains of ``calibration.sampling.posterior`` by delayed acceptance.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from calibration.observations.independence import Observations
from calibration.optimise.batches import VALUE_LANES, in_chunks
from calibration.parameters.space import Space
from calibration.problems.circulation import Experiment, Indices
from cordax.progress import Progress
from cordax.records.record import Record
from cordax.twins import prepare as build
from cordax.twins.surrogate_density import _away
from learned.storage import file as learned_file
from learned.storage.hybrid import Learned
from learned.surrogates.polynomial import fit_polynomial
from learned.surrogates.surrogate import Surrogate, train_surrogate
from physio.hemodynamics.indices.beat import UNITS

STEPS = 150  # of a beat
WIDER = 1.25  # of the prior's sd, so that its tails are not extrapolated
JUDGED = 256  # draws that training has not seen
#: Not smooth in the parameters, or not defined in every beat.
_LEFT_OUT = ("e_a_ratio", "tau", "heart_rate")


@eqx.filter_jit
def _beats(
    model: Any, experiment: Experiment, space: Space, away: Observations, x: Array
) -> Any:
    """Every index, and what is seen at the sites away from the aorta, by label."""

    def one(x: Array) -> Any:
        varied = space.put(model, dict(zip(space.names, x, strict=True)))
        seen = experiment.predict(varied, away)
        kept = {
            k: v for k, v in seen.features.items() if k in UNITS and k not in _LEFT_OUT
        }
        told = {o.label: v for o, v in zip(away, seen.values, strict=True)}
        return kept | told, seen.ok

    return jax.vmap(one)(x)


def learn(
    record: Record, *, seed: int, runs: int, progress: Progress
) -> tuple[Learned, dict[str, dict[str, float]]]:
    """Train; the surrogate, and by index its error and coverage on fresh draws.

    The relative error is the median, the coverage that of the 95 % interval. Raises
    ``ValueError`` where more than a tenth of the runs fail.
    """
    start = build.start(record)
    free = tuple(f for f in start.space.free if f.of == "model")
    space = Space(free)
    experiment = Experiment(Indices(start.body_surface_area), steps_per_beat=STEPS)
    away = tuple(o for o in start.observations if _away(o))

    def simulate(x: Any) -> Any:
        program = partial(_beats, start.model, experiment, space, away)
        outputs, ok = in_chunks(program, VALUE_LANES, np.asarray(x))
        return {k: v for k, v in outputs.items() if np.ptp(v) > 0.0}, ok

    def sample(key: PRNGKeyArray, n: int, spread: float = WIDER) -> Array:
        z = spread * jax.random.normal(key, (n, space.size))
        values = jax.vmap(space.physical)(z)
        return jnp.stack([values[name] for name in space.names], axis=1)

    key = jax.random.key(seed)
    found = train_surrogate(
        simulate, sample, space.names, tuple(f.unit for f in free), key=key, runs=runs,
        learn=partial(fit_polynomial, degree=3 if runs >= 2000 else 2),
        progress=lambda share: progress("simulator", share),
    )  # fmt: skip
    judged = _judged(found, simulate, sample(jax.random.fold_in(key, 1), JUDGED, 1.0))
    told = {
        "runs": found.runs,
        "failed": found.failed,
        "median_error": float(np.median([row["error"] for row in judged.values()])),
        "median_coverage95": float(
            np.median([row["coverage95"] for row in judged.values()])
        ),
    }
    kind = type(start.model).__name__
    mark = learned_file.digest(*jax.tree.leaves(found.factors))
    return Learned(found, None, kind, told, mark), judged


def _judged(
    surrogate: Surrogate, simulate: Callable[[Any], Any], x: Array
) -> dict[str, dict[str, float]]:
    truth, ok = simulate(x)
    answer = jax.jit(jax.vmap(surrogate.mean))(x)
    ends = jax.jit(jax.vmap(lambda x: surrogate.interval(x, 0.95)))(x)
    rows = {}
    for name, mean in answer.items():
        value, (low, high) = truth[name], map(np.asarray, ends[name])
        error = np.abs(np.asarray(mean) - value)[ok] / np.abs(value[ok])
        inside = ((low <= value) & (value <= high))[ok]
        rows[name] = {
            "error": float(np.median(error)),
            "coverage95": float(inside.mean()),
        }
    return rows
