"""A posterior density from a surrogate of one patient's circulation."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calibration.observations.numbers import Observation
from calibration.optimise.fit import Fit
from calibration.parameters.space import Space
from calibration.problems.problem import Problem
from learned.storage.file import LearnedError
from learned.storage.hybrid import Learned
from learned.surrogates.surrogate import Surrogate
from physio.compose import mechanistic
from physio.parameters import get, parameters

#: Nats by a width of the training range outside of it: steep enough that chains seldom
#: leave it, finite so that no part of the posterior is out of their reach.
_OUTSIDE = 50.0


#: sd between surrogate and model, from which it is of another circulation
_STRANGE = 3.0


_TRAIN = "Train one of this patient: cordax learn surrogate PATIENT -o FILE"


def _away(o: Any) -> bool:
    """Whether this is a number taken at a site away from the aorta."""
    return isinstance(o, Observation) and o.site not in ("", "aortic")


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
