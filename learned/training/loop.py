"""One loop for everything that is learned in cordax.

    min over shared, own   mean over patients loss(shared, own_i, data_i, horizon)
                           + penalty(shared, own, data)

What every patient has (``shared``: a network, a closure's weights) and who each one is
(``own``: the physics parameters, one row a patient) are trained together, physics
first, then both: the mixed-effects case. Held-out patients' own rows are trained with
the shared part held, and the shared part that served them best is kept. Same key, same
result; a killed run goes on from its checkpoint bit for bit.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from learned.storage.file import digest
from learned.training import checkpoints
from learned.training import split as cohort

_LOST = 20  # steps in a row without a finite gradient that end a training
_CLIP = 10.0  # norm of a step's gradient above which it is shortened

#: (shared, own row, one patient's data, horizon) -> misfit, its prior included
Loss = Callable[[Any, Array, Any, int], Array]
#: (shared, own rows of the batch, their data) -> what is added once
Penalty = Callable[[Any, Array, Any], Array]


class Stage(NamedTuple):
    """A part of the training: what moves, how far and for how long.

    ``trains`` is ``own``, ``shared`` or ``both``; ``horizon`` is handed to the loss
    (samples of a window, growing from stage to stage); ``batch`` patients a step, all
    where 0.
    """

    steps: int
    rate: float | Array = 1e-2
    trains: str = "both"
    horizon: int = 0
    batch: int = 0


class TrainingFigures(NamedTuple):
    """What is told while it trains: step, of how many, losses, seconds to go."""

    step: int
    steps: int
    loss: float
    held_out: float
    remaining: float


@dataclass(frozen=True)
class Trained:
    """What training gave: the best shared part, everyone's own rows, the curves.

    ``own`` has its rows in the order of the data, held-out patients included;
    ``curve`` (n_step, 2) loss and held-out loss, NaN where it was not judged.
    ``best`` is the step whose shared part was kept; ``finished`` False where patience
    or Ctrl-C ended it.
    """

    shared: Any
    own: Float[np.ndarray, "n_patient n_own"]
    held_out: Int[np.ndarray, " n_held"]
    curve: Float[np.ndarray, "n_step 2"]
    best: int
    finished: bool

    @property
    def figures(self) -> dict[str, float | int]:
        """What a stored part says of its training."""
        seen = self.curve[np.isfinite(self.curve[:, 1]), 1]
        return {
            "steps": len(self.curve),
            "best_step": self.best,
            "loss": float(self.curve[-1, 0]) if len(self.curve) else 0.0,
            "held_out_loss": float(seen.min()) if seen.size else 0.0,
            "patients": len(self.own),
            "held_out": len(self.held_out),
        }


class _Moving(eqx.Module):
    """Every array that a step changes. ``held`` are held-out patients' own rows."""

    shared: Array
    own: Array
    held: Array
    rules: dict[str, Any]
    best: Array
    best_held: Array
    best_loss: Array


@dataclass
class _State:
    """A training under way."""

    moving: _Moving
    step: int = 0
    stage: int = -1
    best_step: int = 0
    since: int = 0
    lost: int = 0
    curve: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    """What a training is about, fixed; its compiled programs."""

    static: Any
    unravel: Any
    trained: Callable[[Any], Any]
    loss: Loss
    penalty: Penalty | None
    projected: Callable[[Any], Any] | None

    def assembled(self, flat: Array) -> Any:
        return eqx.combine(self.unravel(flat), self.static)

    def value(
        self, both: tuple[Array, Array], data: PyTree, horizon: int
    ) -> tuple[Array, Array]:
        """What is minimised over a batch, and its misfit without the penalty."""
        shared, own = self.assembled(both[0]), both[1]
        each = jax.vmap(lambda o, d: self.loss(shared, o, d, horizon))(own, data)
        misfit = jnp.mean(each)
        extra = 0.0 if self.penalty is None else self.penalty(shared, own, data)
        return misfit + extra, misfit


def _rule(rate: Any) -> optax.GradientTransformation:
    clip = optax.clip_by_global_norm(_CLIP)
    return optax.chain(clip, optax.adam(rate, b1=0.9, b2=0.99))


def _partition(shared: Any, trained: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The leaves that move, and the rest."""
    spec = eqx.tree_at(
        trained,
        jax.tree.map(lambda _: False, shared),
        replace_fn=lambda t: jax.tree.map(lambda _: True, t),
    )
    return eqx.partition(shared, spec)


def _moved(x: Array, change: Any) -> Array:
    return x + change


def _finite(*arrays: Array) -> Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in arrays]))


def _advance(
    task: _Task, moving: _Moving, rows: Array, data: PyTree, stage: Stage
) -> tuple[_Moving, Array, Array]:
    """One step on a batch: what moved, the loss, and whether it was sound.

    A step without a finite gradient moves nothing.
    """
    batch = jax.tree.map(lambda x: x[rows], data)
    start = (moving.shared, moving.own[rows])
    (value, _), (slope, own) = jax.value_and_grad(task.value, has_aux=True)(
        start, batch, stage.horizon
    )
    sound = _finite(value, slope, own)
    rule, rules = _rule(stage.rate), dict(moving.rules)
    shared, everyone = moving.shared, moving.own
    if stage.trains != "own":
        change, rules["shared"] = rule.update(slope, rules["shared"])
        shared = _moved(shared, change)
        if task.projected is not None:
            whole = task.projected(task.assembled(shared))
            shared = ravel_pytree(_partition(whole, task.trained)[0])[0]
    if stage.trains != "shared" and everyone.size:
        # of a batch's mean: a row's own slope must not depend on the batch's size
        full = jnp.zeros_like(everyone).at[rows].set(len(rows) * own)
        change, rules["own"] = rule.update(full, rules["own"])
        everyone = _moved(everyone, change)
    after = eqx.tree_at(
        lambda m: (m.shared, m.own, m.rules), moving, (shared, everyone, rules)
    )
    kept = jax.tree.map(lambda a, b: jnp.where(sound, a, b), after, moving)
    return kept, value, sound


def _judge(
    task: _Task, moving: _Moving, data: PyTree, stage: Stage, follow: int
) -> tuple[_Moving, Array, Array]:
    """The held-out misfit, and whether it is the best.

    Their own rows first follow what is shared by as many steps as it has made.
    """
    rule = _rule(stage.rate)

    def misfit(own: Array) -> Array:
        return task.value((moving.shared, own), data, stage.horizon)[1]

    def step(k: Array, carry: tuple[Array, Any, Array]) -> tuple[Array, Any, Array]:
        own, kept, _ = carry
        mean, slope = jax.value_and_grad(misfit)(own)
        slope = jnp.where(_finite(slope), len(own) * slope, 0.0)
        change, after = rule.update(slope, kept)
        # the last round only looks: a second copy of the model would compile twice
        moved = jax.tree.map(
            lambda a, b: jnp.where(k < follow, a, b),
            (_moved(own, change), after), (own, kept),
        )  # fmt: skip
        return *moved, mean

    held, rules = moving.held, dict(moving.rules)
    if held.size:
        carry = (held, rules["held"], moving.best_loss)
        held, rules["held"], mean = jax.lax.fori_loop(0, follow + 1, step, carry)
    else:
        mean = misfit(held)
    better = mean < moving.best_loss
    best = jax.tree.map(
        lambda a, b: jnp.where(better, a, b),
        (moving.shared, held, mean),
        (moving.best, moving.best_held, moving.best_loss),
    )
    after = eqx.tree_at(
        lambda m: (m.best, m.best_held, m.best_loss, m.held, m.rules),
        moving,
        (*best, held, rules),
    )
    return after, mean, better


def _begun(moving: _Moving, stage: Stage) -> _Moving:
    """A stage starts with fresh rules, and its best is its own."""
    rule = _rule(stage.rate)
    parts = {"shared": moving.shared, "own": moving.own, "held": moving.held}
    rules = {name: rule.init(part) for name, part in parts.items()}
    none = jnp.asarray(jnp.inf, moving.best_loss.dtype)
    return eqx.tree_at(lambda m: (m.rules, m.best_loss), moving, (rules, none))


def train(
    shared: Any,
    own: Float[np.ndarray, "n_patient n_own"],
    data: PyTree,
    loss: Loss,
    *,
    ids: Sequence[str],
    stages: Sequence[Stage],
    key: PRNGKeyArray,
    trained: Callable[[Any], Any],
    penalty: Penalty | None = None,
    projected: Callable[[Any], Any] | None = None,
    held_out: float | Int[np.ndarray, " n_held"] = 0.2,
    patience: int = 0,
    judge_every: int = 5,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 50,
    progress: Callable[[TrainingFigures], None] | None = None,
) -> Trained:
    """Train a shared part and everyone's own parameters, by Adam on clipped gradients.

    ``data`` is a pytree with one entry per patient on each leaf's first axis, ``own``
    a row for each of them (no columns where nothing is one's own). ``trained`` picks
    the leaves of ``shared`` that move, ``lambda r: (r.network.weights,
    r.network.biases)``; ``projected`` is applied after every step. ``held_out`` is a
    share of the patients, or their rows. The last stage stops after ``patience``
    judgements without a better held-out loss (0: never). On Ctrl-C the checkpoint is
    written, then ``KeyboardInterrupt`` goes on: the same call resumes.

    Raises ``ValueError`` for a cohort too small to split, a patient on both sides,
    NaN in the data, a checkpoint of another training, or gradients that stay infinite.
    """
    own = np.asarray(own, float).reshape(len(ids), -1)
    cohort.require_finite((own, data))
    cohort.require_rows(data, len(ids))
    given = not isinstance(held_out, float | int)
    rows, out = (
        cohort.chosen(ids, held_out) if given else cohort.split(ids, held_out, key)
    )
    part, static = _partition(shared, trained)
    flat, unravel = ravel_pytree(part)
    task = _Task(static, unravel, trained, loss, penalty, projected)
    start = _Moving(
        flat, jnp.asarray(own[rows]), jnp.asarray(own[out]), {}, flat,
        jnp.asarray(own[out]), jnp.asarray(jnp.inf, flat.dtype),
    )  # fmt: skip
    state = _State(_begun(start, stages[0]))
    mark = _mark(flat, own, data, stages, key)
    keep = partial(_keep, checkpoint, mark)
    if checkpoint is not None and Path(checkpoint).exists():
        state = _resumed(checkpoint, mark, state)
    halves = (_rows(data, rows), _rows(data, out))
    told = _Told(progress, sum(s.steps for s in stages), state.step)
    try:
        finished = _run(
            task, state, halves, stages, key, patience, judge_every,
            lambda s, every: keep(s) if every % checkpoint_every == 0 else None, told,
        )  # fmt: skip
    except KeyboardInterrupt:
        keep(state)
        raise
    keep(state)
    return _found(task, state, own, rows, out, finished)


class _Told:
    """Tells the progress, with the seconds to go."""

    def __init__(self, progress: Any, steps: int, done: int):
        self.progress, self.steps = progress, steps
        self.first, self.begun = done, time.monotonic()

    def __call__(self, state: _State) -> None:
        if self.progress is None:
            return
        done = max(state.step - self.first, 1)
        each = (time.monotonic() - self.begun) / done
        seen = [held for _, held in state.curve if np.isfinite(held)]
        self.progress(
            TrainingFigures(
                state.step,
                self.steps,
                state.curve[-1][0],
                seen[-1] if seen else float("nan"),
                each * (self.steps - state.step),
            )
        )


def _rows(data: PyTree, rows: np.ndarray) -> PyTree:
    return jax.tree.map(lambda x: jnp.asarray(x)[rows], data)


def _run(
    task: _Task, state: _State, halves: tuple[PyTree, PyTree],
    stages: Sequence[Stage], key: PRNGKeyArray, patience: int, judge_every: int,
    keep: Callable[[_State, int], None], told: _Told,
) -> bool:  # fmt: skip
    """Every step from where the state is; True where it was not stopped early."""
    advance = eqx.filter_jit(partial(_advance, task))
    judge = eqx.filter_jit(partial(_judge, task))
    last = 0
    for number, stage in enumerate(stages):
        last += stage.steps
        if state.step < last and state.stage < number:
            state.moving, state.stage = _begun(state.moving, stage), number
            state.since = 0
        # stages that differ in their rate and length alone share their programs
        rate = jnp.asarray(stage.rate, state.moving.best_loss.dtype)
        asked = stage._replace(steps=0, rate=rate)
        while state.step < last:
            rows = _batch(key, state.step, len(state.moving.own), stage.batch)
            moving, value, sound = advance(state.moving, rows, halves[0], asked)
            held, better = float("nan"), False
            step = state.step + 1
            if step % judge_every == 0 or step == last:
                moving, mean, found = judge(moving, halves[1], asked, judge_every)
                held, better = float(mean), bool(found)
            # all of a step is taken over at once: Ctrl-C finds it done or not begun
            state.moving, state.step = moving, step
            state.curve.append((float(value), held))
            state.lost = 0 if bool(sound) else state.lost + 1
            if state.lost >= _LOST:
                raise ValueError(
                    f"{_LOST} steps in a row had no finite gradient (step {step}): the "
                    "model does not run with these parameters. Use a smaller rate or a "
                    "narrower output scale."
                )
            if np.isfinite(held):
                state.since = 0 if better else state.since + 1
                state.best_step = step if better else state.best_step
            told(state)
            keep(state, step)
            if patience and state.since >= patience and number == len(stages) - 1:
                return False
    return True


def _batch(key: PRNGKeyArray, step: int, n: int, size: int) -> Array:
    """Rows of a step's patients; all of them in order where the batch is whole."""
    if not 0 < size < n:
        return jnp.arange(n)
    order = jax.random.permutation(jax.random.fold_in(key, step), n)
    return jnp.sort(order[:size])


def _found(
    task: _Task, state: _State, own: Any, rows: Any, out: Any, finished: bool
) -> Trained:
    everyone = np.array(own)
    everyone[rows] = np.asarray(state.moving.own)
    everyone[out] = np.asarray(state.moving.best_held)
    curve = np.asarray(state.curve, float).reshape(-1, 2)
    whole = task.assembled(state.moving.best)
    return Trained(whole, everyone, np.asarray(out), curve, state.best_step, finished)


def _mark(flat: Any, own: Any, data: PyTree, stages: Any, key: Any) -> str:
    """What a checkpoint belongs to: start, data, stages and key."""
    leaves = [np.asarray(x) for x in jax.tree.leaves(data)]
    plan = np.frombuffer(repr(tuple(stages)).encode(), np.uint8)
    return digest(flat, own, *leaves, plan, jax.random.key_data(key))


def _keep(path: str | Path | None, mark: str, state: _State) -> None:
    if path is None:
        return
    counts = {
        name: getattr(state, name)
        for name in ("step", "stage", "best_step", "since", "lost")
    }
    curve = np.asarray(state.curve, float).reshape(-1, 2)
    checkpoints.write(path, mark, counts, (state.moving, curve))


def _resumed(path: str | Path, mark: str, like: _State) -> _State:
    counts, (moving, curve) = checkpoints.read(path, mark, (like.moving, np.zeros(0)))
    return _State(moving, curve=[tuple(r) for r in curve.tolist()], **counts)
