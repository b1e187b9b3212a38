"""Patients' own parameters and weights they share, by least squares over a cohort.

Levenberg-Marquardt with the patients' blocks eliminated, on periodic beats whose
slopes are implicit: one compiled program per model, lanes of (patient, posture, loss).
It stands beside ``learned.training.loop``, whose Adam needs thousands of steps where
parameters are known to a thousandth and others to a tenth.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from physio import get, settle
from physio.hemodynamics.indices.beat import beat_mean
from physio.interventions import shift, then
from physio.periodic import periodic_beat

INDICES = ("MAP", "CVP", "SV")
ERROR = np.array([0.1, 0.01, 0.1])  # sd of MAP and CVP (mmHg) and SV (mL)
VEINS = "systemic_veins"
STEPS = 100
LANES = 48
SOUND = 0.05  # mL: change over a beat that still counts as periodic


class Runs(NamedTuple):
    """What lanes return: indices, how the law was asked, states, slopes, soundness."""

    seen: np.ndarray
    asked: np.ndarray
    state: Any
    by_patient: np.ndarray
    by_shared: np.ndarray
    ok: np.ndarray


class Method(NamedTuple):
    """A model with what is shared between patients and what is a patient's own.

    ``build(shared, bounds)`` is the circulation, ``own(model, z)`` makes it a
    patient's, ``penalty(shared)`` are rows of the least squares, ``projected(shared)``
    what a step is brought back to, ``born(seed)`` where the shared weights start.
    """

    build: Callable[[Array, Array], Any]
    own: Callable[[Any, Array], Any]
    born: Callable[[int], np.ndarray]
    penalty: Callable[[Array], Array]
    projected: Callable[[np.ndarray], np.ndarray] = np.asarray


def _indices(model: Any, y0: Any) -> tuple[Array, Any]:
    # mL and mL/s; one more Newton step follows, and its error is about the square
    periodic = settle(model, y0=y0, tol=1e-3, max_iterations=12, steps_per_beat=STEPS)
    beat = periodic_beat(periodic, steps_per_beat=STEPS)
    pressure, volume = beat.observed.pressure, beat.observed.volume
    # all blood passes the lungs; the ventricle's own extremes have kinks
    stroke = beat_mean(beat.t, beat.observed.flow["pulmonary"]) * (
        beat.t[-1] - beat.t[0]
    )
    seen = jnp.stack(
        [
            beat_mean(beat.t, pressure["aortic_root"]),
            beat_mean(beat.t, pressure["right_atrium"]),
            stroke,
        ]
    )
    rest = get(periodic.system, f"{VEINS}.unstressed_volume")
    stressed = beat_mean(beat.t, volume[VEINS]) - rest
    arteries = beat_mean(beat.t, pressure["systemic_arteries"])
    # at a valve's kink the search may end above its tolerance
    ok = periodic.residual < SOUND
    return seen, (jnp.stack([stressed, arteries]), periodic.state, ok)


def _nearest(ok: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """For every lane of (n, p) the same patient's nearest sound lane, flat."""
    n, p = ok.shape
    apart = np.abs(amount[:, None] - amount[None, :])[None]
    best = np.where(ok[:, None, :], apart, np.inf).argmin(-1)
    return (best + p * np.arange(n)[:, None]).ravel()


class Runner:
    """One compiled program for a method: lanes of (patient, posture, loss)."""

    def __init__(self, method: Method, *, slopes: bool = True):
        self.method = method

        def lane(own, shared, bounds, moved, y0):
            def seen(own, shared):
                model = method.own(method.build(shared, bounds), own)
                act = then(
                    shift(f"{VEINS}.unstressed_volume", moved[0]),
                    shift("blood_volume", -moved[1]),
                )
                return _indices(act(model), y0)

            mode = jax.jacrev if shared.size > 20 else jax.jacfwd
            value, aux = seen(own, shared)
            if not slopes:
                none = jnp.zeros((3, 0))
                return value, aux, (none, none)
            found, _ = mode(seen, argnums=(0, 1), has_aux=True)(own, shared)
            return value, aux, found

        self._lanes = jax.jit(jax.vmap(lane, in_axes=(0, None, None, 0, 0)))

    def penalised(self, penalty: Callable[[Array], Array]) -> "Runner":
        """The same program under another penalty."""
        other = copy.copy(self)
        other.method = self.method._replace(penalty=penalty)
        return other

    def start(self, shared: np.ndarray, bounds: np.ndarray) -> Any:
        model = self.method.build(jnp.asarray(shared), jnp.asarray(bounds))
        return model.initial_state()

    def __call__(
        self, own: np.ndarray, shared: np.ndarray, bounds: np.ndarray,
        moves: np.ndarray, state: Any = None,
    ) -> Runs:  # fmt: skip
        """Every patient (n, n_own) at every move (p, 2): shapes (n, p, ...).

        A search for the beat that fails begins again from where the same patient's
        nearest move ended.
        """
        n, p = len(own), len(moves)
        z, moved = np.repeat(own, p, axis=0), np.tile(moves, (n, 1))
        if state is None:
            one = self.start(shared, bounds)
            state = jax.tree.map(lambda x: np.broadcast_to(x, (n, p)), one)
        found = self._run(z, moved, shared, bounds, jax.tree.map(np.ravel, state))
        for _ in range(2):
            ok = found[1][2].reshape(n, p)
            lost = np.flatnonzero(~ok & ok.any(1, keepdims=True))
            if not lost.size:
                break
            near = _nearest(ok, moves.sum(1))[lost]
            begin = jax.tree.map(lambda x: x[near], found[1][1])  # noqa: B023
            again = self._run(z[lost], moved[lost], shared, bounds, begin)
            for old, new in zip(
                jax.tree.leaves(found), jax.tree.leaves(again), strict=True
            ):
                old[lost] = new
        ok = found[1][2].reshape(n, p)
        lost = np.flatnonzero(~ok & ok.any(1, keepdims=True))
        if lost.size:
            near = _nearest(ok, moves.sum(1))[lost]
            self._led(found, lost, near, z, moved, shared, bounds)
        whole = jax.tree.map(lambda x: x.reshape(n, p, *x.shape[1:]), found)
        seen, (asked, state, ok), (by_own, by_shared) = whole
        ok = ok & np.isfinite(seen).all(-1)
        return Runs(seen, asked, state, by_own, by_shared, ok)

    def _led(
        self, found: Any, lost: np.ndarray, near: np.ndarray, z: np.ndarray,
        moved: np.ndarray, shared: np.ndarray, bounds: np.ndarray,
    ) -> None:  # fmt: skip
        """Lanes still lost are led from their nearest sound move, a quarter a time."""
        state = jax.tree.map(lambda x: x[near], found[1][1])
        away, again = moved[lost] - moved[near], None
        for share in (0.25, 0.5, 0.75, 1.0, 1.0, 1.0):
            at = moved[near] + share * away
            again = self._run(z[lost], at, shared, bounds, state)
            sound = np.isfinite(again[0]).all(-1)
            state = jax.tree.map(
                lambda new, old: np.where(
                    sound.reshape(-1, *[1] * (new.ndim - 1)),  # noqa: B023
                    new, old,
                ), again[1][1], state,
            )  # fmt: skip
        for old, new in zip(
            jax.tree.leaves(found), jax.tree.leaves(again), strict=True
        ):
            old[lost] = new

    def _run(
        self, z: np.ndarray, moved: np.ndarray, shared: Any, bounds: Any, begin: Any
    ) -> Any:
        """All lanes, a full set at a time."""
        n = len(z)
        rows = np.minimum(np.arange(-(-n // LANES) * LANES), n - 1)
        parts = [
            self._lanes(
                z[k], shared, bounds, moved[k],
                jax.tree.map(lambda x: x[k], begin),  # noqa: B023
            )
            for k in np.split(rows, len(rows) // LANES)
        ]  # fmt: skip
        return jax.tree.map(lambda *x: np.concatenate(x)[:n].copy(), *parts)


class Patients(NamedTuple):
    """What was measured (n, p, 3) at moves (p, 2), and the prior of each one's z."""

    data: np.ndarray
    moves: np.ndarray
    centre: np.ndarray
    sd: np.ndarray


class Found(NamedTuple):
    """Parameters found, the runs there and each patient's sum of squares."""

    own: np.ndarray
    shared: np.ndarray
    runs: Runs
    misfit: np.ndarray


def _misfit(runs: Runs, data: np.ndarray) -> np.ndarray:
    residual = (runs.seen - data) / ERROR
    found = (residual**2).sum((1, 2))
    return np.where(runs.ok.all(1), found, np.inf)


def _linear(
    runs: Runs, cohort: Patients, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residuals with the prior's, and their slopes by patient and by what is shared."""
    n, n_own = own.shape
    r = ((runs.seen - cohort.data) / ERROR).reshape(n, -1)
    a = (runs.by_patient / ERROR[:, None]).reshape(n, -1, n_own)
    b = (runs.by_shared / ERROR[:, None]).reshape(n, r.shape[1], -1)
    weight = np.broadcast_to(np.diag(1.0 / cohort.sd), (n, n_own, n_own))
    r = np.concatenate([r, (own - cohort.centre) / cohort.sd], axis=1)
    a = np.concatenate([a, weight], axis=1)
    return r, a, np.concatenate([b, np.zeros((n, n_own, b.shape[2]))], axis=1)


def _within(
    whole: np.ndarray, gradient: np.ndarray, shared: np.ndarray,
    projected: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:  # fmt: skip
    """The Newton step of what is shared; what it would take out of bounds stays at
    them, and the rest is solved again."""
    free, step = np.ones(len(shared), bool), np.zeros(len(shared))
    for _ in range(8):
        rest = gradient[free] + whole[np.ix_(free, ~free)] @ step[~free]
        step[free] = -np.linalg.solve(whole[np.ix_(free, free)], rest)
        kept = projected(shared + step) - shared
        out = free & (kept != step)
        if not out.any():
            break
        step, free = kept, free & ~out
    return step


def _step(
    linear: tuple[np.ndarray, ...], rows: np.ndarray, slope: np.ndarray,
    damp: np.ndarray, bounded: Callable[..., np.ndarray] | None,
) -> tuple[np.ndarray, Any]:  # fmt: skip
    """The damped Gauss-Newton step of patients and, where ``bounded`` is given, of what
    is shared."""
    r, a, b = linear
    block = np.einsum("nri,nrj->nij", a, a)
    # and a share of rounding, where slopes are so steep that nothing else would count
    ridge = damp + 1e-13 * np.abs(block).max((1, 2))
    block = block + ridge[:, None, None] * np.eye(a.shape[2])
    g = np.einsum("nri,nr->ni", a, r)
    if bounded is None:
        return -np.linalg.solve(block, g[..., None])[..., 0], 0.0
    cross = np.einsum("nri,nrs->nis", a, b)
    solved = np.linalg.solve(block, np.concatenate([cross, g[..., None]], axis=-1))
    whole = np.einsum("nrs,nrt->st", b, b, optimize=True) + slope.T @ slope
    whole = whole + damp[0] * np.eye(len(whole))
    whole = whole - np.einsum("nis,nit->st", cross, solved[..., :-1], optimize=True)
    gs = np.einsum("nrs,nr->s", b, r) + slope.T @ rows
    gs = gs - np.einsum("nis,ni->s", cross, solved[..., -1])
    shared = bounded(whole, gs)
    return -solved[..., -1] - solved[..., :-1] @ shared, shared


def calibrate(
    runner: Runner, cohort: Patients, own: np.ndarray, shared: np.ndarray,
    bounds: np.ndarray, *, joint: bool, most: int = 80,
) -> Found:  # fmt: skip
    """Patients' parameters, and what they share where ``joint``."""
    method, n = runner.method, len(own)
    damp, done = np.full(n, 1e2 if joint else 1.0), np.zeros(n, bool)

    @jax.jit
    def sloped(shared: Array) -> tuple[Array, Array]:
        return method.penalty(shared), jax.jacfwd(method.penalty)(shared)

    def penalties(shared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, slope = sloped(jnp.asarray(shared))
        return np.asarray(rows), np.asarray(slope)

    def cost(runs: Runs, own: np.ndarray, rows: np.ndarray) -> np.ndarray:
        prior = (((own - cohort.centre) / cohort.sd) ** 2).sum(1)
        each = _misfit(runs, cohort.data) + prior
        return np.full(n, each.sum() + (rows**2).sum()) if joint else each

    runs = runner(own, shared, bounds, cohort.moves)
    rows, slope = penalties(shared)
    value = cost(runs, own, rows)
    for _ in range(most):
        within = partial(_within, shared=shared, projected=method.projected)
        bounded = within if joint else None
        step, change = _step(_linear(runs, cohort, own), rows, slope, damp, bounded)
        longest = np.abs(step).max(1, keepdims=True)
        trial = own + step * np.minimum(1.0, 0.5 / np.maximum(longest, 1e-12))
        now = method.projected(shared + change) if joint else shared
        after = runner(trial, now, bounds, cohort.moves, runs.state)
        new = penalties(now) if joint else (rows, slope)
        level = cost(after, trial, new[0])
        better = level < value
        # a small gain counts as an end only where damping did not make it small
        small = value - np.where(better, level, -np.inf) < 1e-4 * value + 1e-3
        done |= (small & (damp < 1e3)) | (damp > 1e8)
        own = np.where(better[:, None], trial, own)
        runs = jax.tree.map(
            lambda new, old: np.where(
                better.reshape(n, *[1] * (new.ndim - 1)),  # noqa: B023
                new, old,
            ), after, runs,
        )  # fmt: skip
        if joint and better[0]:
            shared, (rows, slope) = now, new
        value = np.where(better, level, value)
        damp = np.clip(np.where(better, damp / 5.0, damp * 8.0), 1e-4, 1e9)
        if done.all():
            break
    return Found(own, shared, runs, _misfit(runs, cohort.data))
