"""A surrogate of one patient's circulation: free parameters to every index.

It is trained on draws a little wider than the prior, and judged on draws it has not
seen. Outside its training range it says so. ``log_density`` turns it into what leads
the chains of ``calibration.posterior`` by delayed acceptance.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from calibration.fit import Fit
from calibration.lanes import VALUE_LANES, in_chunks
from calibration.misfit import Experiment, Indices, Problem, predict
from calibration.observations import Observation, Observations
from calibration.space import Space
from cordax import build
from cordax.record import Record
from learned import storage
from learned.storage import Learned, LearnedError
from learned.surrogate import Surrogate, train_surrogate
from learned.surrogate_polynomial import fit_polynomial
from physio.compose import mechanistic
from physio.hemodynamics.indices import UNITS
from physio.parameters import get, parameters

STEPS = 150  # of a beat
WIDER = 1.25  # of the prior's sd, so that its tails are not extrapolated
JUDGED = 256  # draws that training has not seen
#: Not smooth in the parameters, or not defined in every beat.
_LEFT_OUT = ("e_a_ratio", "tau", "heart_rate")
#: Nats by a width of the training range outside of it: steep enough that chains seldom
#: leave it, finite so that no part of the posterior is out of their reach.
_OUTSIDE = 50.0
#: sd between surrogate and model, from which it is of another circulation
_STRANGE = 3.0
_TRAIN = "Train one of this patient: cordax learn surrogate PATIENT -o FILE"

Say = Callable[[str, float], None]


@eqx.filter_jit
def _beats(
    model: Any, experiment: Experiment, space: Space, away: Observations, x: Array
) -> Any:
    """Every index, and what is seen at the sites away from the aorta, by label."""

    def one(x: Array) -> Any:
        varied = space.put(model, dict(zip(space.names, x, strict=True)))
        seen = predict(varied, away, experiment)
        kept = {
            k: v for k, v in seen.features.items() if k in UNITS and k not in _LEFT_OUT
        }
        told = {o.label: v for o, v in zip(away, seen.values, strict=True)}
        return kept | told, seen.ok

    return jax.vmap(one)(x)


def _away(o: Any) -> bool:
    """Whether this is a number taken at a site away from the aorta."""
    return isinstance(o, Observation) and o.site not in ("", "aortic")


def learn(
    record: Record, *, seed: int, runs: int, say: Say
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
        progress=lambda share: say("simulator", share),
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
    mark = storage.digest(*jax.tree.leaves(found.factors))
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


class SurrogateDensity(eqx.Module):
    """The log posterior density at z (n, n_z) as a surrogate has it, up to a constant.

    -(|(seen - measured) / sd|^2 + |z|^2) / 2, less 50 for each width of its training
    range that z lies outside. ``fixed`` are values of what it varies and the fit does
    not.
    """

    surrogate: Surrogate
    space: Space
    observations: tuple[Observation, ...]
    fixed: dict[str, Array]

    def seen(self, z: Float[Array, " n_z"]) -> tuple[dict[str, Array], Array]:
        """Every output, and how far outside the range the question lies."""
        # by name: what comes out of jit is sorted
        values = self.fixed | self.space.physical(z)
        x = jnp.stack([values[name] for name in self.surrogate.range.names])
        return self.surrogate.mean(x), jnp.sum(self.surrogate.range.excess(x))

    def __call__(self, z: Float[Array, "n n_z"]) -> Float[Array, " n"]:
        def one(z: Array) -> Array:
            seen, outside = self.seen(z)
            off = [
                (o.observed(seen[_output(o)]) - o.value) / o.total_sd
                for o in self.observations
            ]
            misfit = jnp.sum(jnp.square(jnp.stack(off)))
            return -0.5 * (misfit + jnp.sum(z**2)) - _OUTSIDE * outside

        return jax.vmap(one)(z)


def _output(o: Observation) -> str:
    """What a surrogate calls the quantity that was observed."""
    return o.label if _away(o) else o.kind


def log_density(learned: Learned, found: Fit) -> SurrogateDensity:
    """What ``sample_fit(found, method="delayed", surrogate=...)`` wants of a surrogate.

    Raises ``LearnedError`` where it is no surrogate, of another system, does not vary
    what the fit frees or does not tell what was observed, and where at the fit it is
    3 sd from the model: then it was learned of another circulation.
    """
    surrogate, problem = learned.part, found.problem
    if not isinstance(surrogate, Surrogate):
        raise LearnedError(f"A {type(surrogate).__name__} is no surrogate. {_TRAIN}")
    kind = type(mechanistic(problem.model)).__name__
    if kind != learned.system:
        raise LearnedError(
            f"This surrogate was learned of a {learned.system}; this is a {kind}. "
            f"{_TRAIN}"
        )
    terms = _terms(surrogate, problem)
    fixed = _fixed(surrogate, problem.space, problem.model)
    made = SurrogateDensity(surrogate, problem.space, terms, fixed)
    seen, _ = made.seen(found.z)
    for o in terms:
        value, model = o.observed(seen[_output(o)]), found.predictions[o.label]
        if not abs(float(value - model)) < _STRANGE * float(o.total_sd):
            raise LearnedError(
                f"At the fit the surrogate says {o.label} {float(value):.4g}, the "
                f"model {float(model):.4g} {o.unit}: it was learned of another "
                f"circulation. {_TRAIN}"
            )
    return made


def _terms(surrogate: Surrogate, problem: Problem) -> tuple[Observation, ...]:
    """The likelihood's observations, where the surrogate varies and tells enough."""
    free = set(problem.space.names) - set(surrogate.range.names)
    if free:
        raise LearnedError(
            f"This fit frees {', '.join(sorted(free))}, which the surrogate does not "
            f"vary. {_TRAIN}, or sample without it."
        )
    terms = [o for o in problem.observations if o.role == "likelihood"]
    known = (*surrogate.outputs.indices, *surrogate.outputs.waves)
    told = [o for o in terms if isinstance(o, Observation) and _output(o) in known]
    if len(told) < len(terms):
        labels = [o.label for o in told]
        missing = [o.label for o in terms if o.label not in labels]
        raise LearnedError(
            f"{', '.join(missing)} was observed; the surrogate does not tell it. "
            f"{_TRAIN}, or sample without it."
        )
    return tuple(told)


def _fixed(surrogate: Surrogate, space: Space, model: Any) -> dict[str, Array]:
    """Values of what the surrogate varies and the fit does not."""
    known, fixed = parameters(model), {}
    box = surrogate.range
    for name, unit in zip(box.names, box.units, strict=True):
        there = known[name].unit if name in known else "none"
        if there != unit:
            raise LearnedError(
                f"This surrogate wants {name} in {unit}; the model has it in {there}."
            )
        if name not in space.names:
            fixed[name] = get(model, name)
    return fixed
