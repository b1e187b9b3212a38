"""A simulator's answer without running it: parameters to indices and waveforms.

``train_surrogate`` draws parameters, runs the simulator and fits; ``fit_surrogate``
fits runs that exist. What is fitted is a matter of cost: ``fit_processes`` (Gaussian
processes) for hundreds of dear runs, ``fit_polynomial`` for thousands of cheap ones.

Error bars are made true by split conformal prediction over inner refits (cross-
conformal, Vovk 2015, 10.1007/s10472-013-9368-4): the regression is refitted without a
quarter of the runs at a time, standardisation and modes included, and its own sd is
multiplied by what the errors on that quarter ask for, for each output and level. A
refit's own sd is in another measure than that of the regression of all runs (with few
runs to a coefficient it is larger by far), so errors are told in the latter's: the two
are compared at points between the runs, which neither has seen.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, PRNGKeyArray

from learned.blocks.ranges import Range
from learned.surrogates.gaussian_process import fit_processes
from learned.surrogates.outputs import Outputs

LEVELS = (0.6827, 0.8, 0.9, 0.95)
REFITS = 4
COMPARED = 256  # points at which a refit's sd is compared, at most
FEWEST_RUNS = 20  # whose largest error is the half-width at 95 %
MOST_FAILED = 0.1
LOGARITHM_FROM = 1.5  # largest over smallest value from which an input is logged

#: (x, y, start) -> what gives ``mean`` and ``moments``: standardised inputs (n, n_in)
#: and outputs (n, n_out), and the result for nearly the same rows or None
Learner = Callable[[np.ndarray, np.ndarray, Any], Any]


class Emulated(eqx.Module):
    """Outputs by name, their calibrated sd, and whether the question was in range.

    ``sd``: 68 % of the simulator's answers lie within it. ``excess``: how far outside
    the training range the parameters lie, in its widths, summed; 0 inside.
    """

    values: dict[str, Array]
    sd: dict[str, Array]
    excess: Float[Array, ""]

    @property
    def inside(self) -> Bool[Array, "..."]:
        """Whether the parameters lie in the training range."""
        return self.excess == 0.0


class Surrogate(eqx.Module):
    """Indices and waveforms of a simulator, by name, at given parameters.

    Every method takes one point x (n_in,) in the units of ``range``; many points are
    ``jax.vmap``. Outside of the range the answer is an extrapolation and says so.
    ``factors[name]`` (n_level, ...) multiplies the regression's own sd so that the
    share ``LEVELS`` of errors lies within; ``runs`` and ``failed`` count the training.
    """

    stored_as: ClassVar[str] = "Surrogate"

    range: Range
    logged: tuple[bool, ...] = eqx.field(static=True)
    centre: Float[Array, " n_in"]
    scale: Float[Array, " n_in"]
    regression: Any
    outputs: Outputs
    factors: dict[str, Array]
    runs: int = eqx.field(static=True)
    failed: int = eqx.field(static=True)

    def _standard(self, x: Array) -> Array:
        # the other branch's derivative must be finite too
        logged = jnp.asarray(self.logged)
        y = jnp.where(logged, jnp.log(jnp.where(logged, x, 1.0)), x)
        return (y - self.centre) / self.scale

    def mean(self, x: Float[Array, " n_in"]) -> dict[str, Array]:
        """The outputs alone: all that a likelihood needs, at a fraction of the cost."""
        return self.outputs.decoded(self.regression.mean(self._standard(x)))

    def _moments(self, x: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        mean, variance = self.regression.moments(self._standard(x))
        return self.outputs.decoded(mean), self.outputs.spread(mean, variance)

    def __call__(self, x: Float[Array, " n_in"]) -> Emulated:
        values, sd = self._moments(x)
        sd = {name: sd[name] * self.factors[name][0] for name in sd}
        return Emulated(values, sd, jnp.sum(self.range.excess(x)))

    def interval(
        self, x: Float[Array, " n_in"], level: float = 0.95
    ) -> dict[str, tuple[Array, Array]]:
        """Lower and upper end between which the simulator's answer lies.

        Raises ``ValueError`` for a level that was not calibrated.
        """
        if level not in LEVELS:
            raise ValueError(
                f"Error bars are calibrated at {', '.join(map(str, LEVELS))}; got "
                f"{level}. Ask for one of these."
            )
        values, sd = self._moments(x)
        half = {name: sd[name] * self.factors[name][LEVELS.index(level)] for name in sd}
        return {name: (v - half[name], v + half[name]) for name, v in values.items()}


def _checked(y: dict[str, Any], n: int) -> dict[str, np.ndarray]:
    """Outputs as arrays (n,) or (n, n_t). Raises where nothing can be learned."""
    if not y:
        raise ValueError("A surrogate needs one output at least; got none.")
    checked = {}
    for name, given in y.items():
        value = np.asarray(given, float)
        if value.ndim not in (1, 2) or len(value) != n:
            raise ValueError(
                f"{name}: one value or one waveform for each of {n} runs is wanted; "
                f"got shape {value.shape}."
            )
        bad = ~np.isfinite(value).reshape(n, -1).all(axis=1)
        if bad.any():
            raise ValueError(
                f"{name} is not finite in {int(bad.sum())} of {n} runs, the first "
                f"number {int(np.argmax(bad))}. Leave those runs or that output out."
            )
        if np.ptp(value, axis=0).max() <= 1e-12 * np.abs(value).max():
            raise ValueError(
                f"{name} is {value.flat[0]:g} in all {n} runs: there is nothing to "
                "learn. Leave it out."
            )
        checked[name] = value
    return checked


def _logged(x: np.ndarray) -> tuple[bool, ...]:
    """Inputs that are positive and spread: what multiplies is told by logarithms."""
    least, most = x.min(axis=0), x.max(axis=0)
    return tuple((bool(a > 0.0 and b >= LOGARITHM_FROM * a))
                 for a, b in zip(least, most, strict=True))  # fmt: skip


def _fitted(
    x: np.ndarray,
    y: dict[str, np.ndarray],
    logged: tuple[bool, ...],
    learn: Learner,
    like: Surrogate | None,
) -> dict[str, Any]:
    """Standardisation, modes and regression of runs, as fields of a Surrogate."""
    x = np.where(logged, np.log(np.where(logged, x, 1.0)), x)
    centre, scale = x.mean(axis=0), x.std(axis=0)
    x = (x - centre) / scale
    outputs = Outputs.of(x, y, like.outputs if like else None)
    regression = learn(x, outputs.encoded(y), like.regression if like else None)
    return {
        "centre": jnp.asarray(centre),
        "scale": jnp.asarray(scale),
        "outputs": outputs,
        "regression": regression,
    }


@eqx.filter_jit
def _moments_of_many(surrogate: Surrogate, x: Array) -> Any:
    return jax.vmap(surrogate._moments)(x)


def _standard_errors(
    refit: Surrogate,
    x: np.ndarray,
    y: dict[str, np.ndarray],
    between: np.ndarray,
    whole_sd: dict[str, Array],
) -> dict[str, np.ndarray]:
    """|error| of a refit in every run that it has not seen, over the sd of the whole.

    That is the refit's own sd there, over the median of what it is of ``whole_sd``
    at the points ``between``.
    """
    values, sd = _moments_of_many(refit, jnp.asarray(x))
    _, new = _moments_of_many(refit, jnp.asarray(between))
    larger = {k: np.median(np.asarray(new[k] / whole_sd[k]), axis=0) for k in y}
    return {k: larger[k] * np.abs(y[k] - values[k]) / np.asarray(sd[k]) for k in y}


def conformal_factors(errors: Float[np.ndarray, "n ..."]) -> np.ndarray:
    """(n_level, ...): below the k-th smallest of n errors, k = ⌈(n + 1) level⌉, a new
    one lies with a probability of ``level`` at least."""
    n = len(errors)
    ranks = [min(int(np.ceil((n + 1) * level)), n) for level in LEVELS]
    return np.sort(errors, axis=0)[np.array(ranks) - 1]


def _calibrated(
    whole: Surrogate,
    x: np.ndarray,
    y: dict[str, np.ndarray],
    learn: Learner,
    key: PRNGKeyArray,
) -> Surrogate:
    """The surrogate with the factors that refits without a part of the runs ask for."""
    order = np.asarray(jax.random.permutation(key, len(x)))
    some = x[order[:COMPARED]]
    between = 0.5 * (some + np.roll(some, 1, axis=0))
    _, whole_sd = _moments_of_many(whole, jnp.asarray(between))
    errors = {name: np.empty_like(value) for name, value in y.items()}
    for out in np.array_split(order, REFITS):
        kept = np.setdiff1d(order, out)
        part = {name: value[kept] for name, value in y.items()}
        refit = Surrogate(
            range=whole.range, logged=whole.logged, factors={}, runs=len(kept),
            failed=whole.failed, **_fitted(x[kept], part, whole.logged, learn, whole),
        )  # fmt: skip
        held = {name: value[out] for name, value in y.items()}
        told = _standard_errors(refit, x[out], held, between, whole_sd)
        for name, error in told.items():
            errors[name][out] = error
    factors = {k: jnp.asarray(conformal_factors(v)) for k, v in errors.items()}
    return eqx.tree_at(lambda s: s.factors, whole, factors)


def fit_surrogate(
    x: Float[ArrayLike, "n n_in"],
    y: dict[str, Any],
    names: tuple[str, ...],
    units: tuple[str, ...],
    *,
    key: PRNGKeyArray,
    learn: Learner = fit_processes,
    failed: int = 0,
) -> Surrogate:
    """A surrogate of runs: parameters x (n, n_in), outputs by name (n,) or (n, n_t).

    ``key`` parts the runs for the inner refits. Raises ``ValueError`` for values that
    are not finite, for an input or output that does not vary and for too few runs.
    """
    x = np.asarray(x, float)
    range_ = Range.of(tuple(names), tuple(units), x)
    n, n_in = x.shape
    fewest = max(FEWEST_RUNS, n_in + 2)
    if n < fewest:
        raise ValueError(
            f"{n} runs of a simulator of {n_in} inputs; {fewest} are the fewest. Run "
            "it more often, or free fewer parameters."
        )
    y = _checked(y, n)
    logged = _logged(x)
    whole = Surrogate(
        range=range_, logged=logged, factors={}, runs=n, failed=failed,
        **_fitted(x, y, logged, learn, None),
    )  # fmt: skip
    return _calibrated(whole, x, y, learn, key)


def train_surrogate(
    simulate: Callable[[Array], tuple[dict[str, Array], Array]],
    sample: Callable[[PRNGKeyArray, int], Array],
    names: tuple[str, ...],
    units: tuple[str, ...],
    *,
    key: PRNGKeyArray,
    runs: int,
    batch: int = 1024,
    learn: Learner = fit_processes,
    progress: Callable[[float], None] = lambda share: None,
) -> Surrogate:
    """A surrogate of a simulator, from draws of its parameters.

    ``sample(key, n)`` gives parameters (n, n_in), ``simulate(x)`` the outputs of a
    batch by name and which runs are sound (n,). Runs that are not are left out and
    counted in ``failed``; raises ``ValueError`` where they are more than a tenth.
    ``progress`` is told the share of runs done.
    """
    drawing, parting = jax.random.split(key)
    x = np.asarray(sample(drawing, runs), float)
    parts, sound = [], []
    for k in range(0, runs, batch):
        outputs, ok = simulate(jnp.asarray(x[k : k + batch]))
        parts.append({name: np.asarray(value) for name, value in outputs.items()})
        sound.append(np.asarray(ok, bool))
        progress(min(1.0, (k + batch) / runs))
    ok = np.concatenate(sound)
    failed = int((~ok).sum())
    if failed > MOST_FAILED * runs:
        raise ValueError(
            f"{failed} of {runs} runs failed: the draws reach where the simulator has "
            "no answer. Narrow what `sample` draws from."
        )
    y = {name: np.concatenate([p[name] for p in parts])[ok] for name in parts[0]}
    return fit_surrogate(
        x[ok], y, names, units, key=parting, learn=learn, failed=failed
    )
