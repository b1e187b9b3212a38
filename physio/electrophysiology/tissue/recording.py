"""Running tissue for long, and gathering on the way what one wants to see.

``run`` advances tissue in compiled chunks and returns a :class:`Run`: activations and
repolarisations of every beat, probes at full rate, frames and electrode signals at an
interval, never every state. Between chunks it reports progress, looks for values that
are not finite, and writes a checkpoint from which it resumes bit for bit.
``activation_map`` is the differentiable one.
"""
# pyright: reportCallIssue=false
# filter_jit's stubs do not know the compiler's options, which it passes on to jit.

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from physio.electrophysiology.diffusion.operator import largest_step
from physio.electrophysiology.tissue.checkpoint import Checkpoint, fingerprint
from physio.electrophysiology.tissue.monodomain import (
    Monodomain,
    TissueState,
    refuse_above,
)

CHUNK = 10  # samples; a chunk is shorter than any action potential
_WILD = 1e4  # mV: no membrane gets there
# XLA's CPU compiler leaves vector instructions alone where the nodes do not fill them:
# an odd number of nodes ran at a sixth of the speed. So the last node is repeated.
_LANES = 16
_SMALL = 1024  # nodes: below, there is nothing to gain
COMPILER = {"xla_cpu_prefer_vector_width": 512}  # its own choice is 256 bits


@dataclass(frozen=True)
class Recorder:
    """What a run gathers.

    ``every`` (ms) is the interval of ``frames`` (all voltages, as ``frame_dtype``) and
    of ``leads`` (``(n_electrode, n_node)``, what each electrode makes of v). ``probes``
    are nodes whose voltage is kept at every step. Crossings of the cell's threshold are
    activations, of ``recovered`` (mV) downward repolarisations.
    """

    every: float = 1.0
    frames: bool = False
    frame_dtype: str = "float32"
    probes: tuple[int, ...] = ()
    leads: np.ndarray | None = None
    recovered: float | None = None


@dataclass(frozen=True)
class Run:
    """What a run gathered. Times in ms, voltages in the cell's unit.

    ``node`` and ``time`` are the activations, ``recovered_node`` and
    ``recovered_time`` the repolarisations, in order of time; ``ok`` is False where the
    run stopped early, and ``stopped`` says when and why.
    """

    duration: float
    t: np.ndarray
    node: np.ndarray
    time: np.ndarray
    recovered_node: np.ndarray
    recovered_time: np.ndarray
    probe_t: np.ndarray
    probes: np.ndarray
    frames: np.ndarray
    leads: np.ndarray
    state: TissueState
    ok: bool = True
    stopped: str = ""
    n_node: int = field(default=0)

    def activation(self, beat: int = 0) -> Float[np.ndarray, " n_node"]:
        """Each node's ``beat``-th activation (ms), NaN where it had none."""
        table = self.activations()
        if not -len(table) <= beat < len(table):
            return np.full(self.n_node, np.nan)
        return table[beat]

    def activations(self) -> Float[np.ndarray, "n_beat n_node"]:
        """Every activation of every node (ms), NaN after its last."""
        return _by_node(self.node, self.time, self.n_node)

    def recoveries(self) -> Float[np.ndarray, "n_beat n_node"]:
        """Every repolarisation of every node (ms), NaN after its last."""
        return _by_node(self.recovered_node, self.recovered_time, self.n_node)


def _by_node(node: np.ndarray, time: np.ndarray, count: int) -> np.ndarray:
    order = np.lexsort((time, node))
    node, time = node[order], time[order]
    first = np.searchsorted(node, np.arange(count))
    rank = np.arange(node.size) - first[node]
    table = np.full((int(rank.max()) + 1 if rank.size else 0, count), np.nan)
    table[rank, node] = time
    return table


def recovery_level(tissue: Monodomain) -> float:
    """90 % of the way back from an upstroke that passes the threshold by a quarter."""
    rest = float(jnp.mean(tissue.initial_state().v))
    return rest + 0.125 * (tissue.cell.threshold - rest)


def run(
    tissue: Monodomain,
    duration: float,
    pacing: Any = None,
    *,
    dt: float = 0.02,
    record: Recorder | None = None,
    y0: TissueState | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: float = 60.0,
    progress: Callable[[float, float], None] | None = None,
) -> Run:
    """Advance tissue for ``duration`` ms and return what was gathered.

    ``pacing`` is a :class:`~physio.electrophysiology.tissue.pacing.Stimulus` or
    ``Pacing``. With ``checkpoint`` (a folder) the run saves itself every
    ``checkpoint_every`` seconds of the clock and, started again alike, goes on from
    there to the same bits. ``progress(done, duration)`` is called after every chunk.
    Raises ``ValueError`` where dt exceeds the stability limit, where times are no whole
    numbers of steps, and where a checkpoint belongs to another run.
    """
    record = Recorder() if record is None else record
    sample = _steps(record.every, dt, "record.every")
    total = _steps(duration, record.every, "duration")
    work = _Chunks(tissue, pacing, dt, sample, record)
    saved = None
    if checkpoint is not None:
        alike = fingerprint(tissue, pacing, dt, record, y0)
        saved = Checkpoint(Path(checkpoint), alike, checkpoint_every)
    state = tissue.initial_state() if y0 is None else y0
    state = jax.tree.map(lambda x: jnp.array(x), state)  # donated below
    done, gathered = 0, []
    if saved is not None and saved.exists():
        done, state, gathered = saved.load(state)
    problem = ""
    while done < total and not problem:
        count = min(CHUNK, total - done)
        state, seen = work(state, done, count)
        gathered.append(seen)
        problem = _problem(seen, state, tissue)
        done += count
        if saved is not None and not problem:
            saved.save(done, state, gathered, last=done == total)
        if progress is not None:
            progress(done * record.every, duration)
    return _assembled(duration, gathered, state, problem, tissue)


def _steps(span: float, step: float, name: str) -> int:
    count = round(span / step)
    if count < 1 or abs(count * step - span) > 1e-6 * span:
        raise ValueError(
            f"{name} ({span:g} ms) must be a whole number of steps of {step:g} ms."
        )
    return count


class _Chunks:
    """Runs one chunk after another; the compiled program is made once."""

    def __init__(
        self, tissue: Monodomain, pacing: Any, dt: float, sample: int, record: Recorder
    ) -> None:
        self.tissue, self.pacing = tissue, pacing
        self.prepared, limit = _prepared(tissue, dt)
        refuse_above(float(limit), dt)
        self.dt, self.sample, self.record = dt, sample, record
        kind = tissue.conductivity.fibre.dtype
        level = record.recovered
        level = recovery_level(tissue) if level is None else level
        self.levels = jnp.asarray([tissue.cell.threshold, level], kind)
        self.probes = jnp.asarray(record.probes, jnp.int32)
        self.leads = None if record.leads is None else jnp.asarray(record.leads, kind)

    def __call__(
        self, state: TissueState, first: int, count: int
    ) -> tuple[TissueState, dict[str, np.ndarray]]:
        # time starts at zero in every chunk: 32 bits resolve it to the end of any run
        start = first * self.record.every
        pacing = None if self.pacing is None else self.pacing.later(-start)
        world = (
            self.tissue,
            self.prepared,
            pacing,
            self.levels,
            self.probes,
            self.leads,
        )
        frames = self.record.frame_dtype if self.record.frames else ""
        state, seen = _chunk(world, state, self.dt, self.sample, count, frames)
        return state, self._told(start, count, jax.device_get(seen))

    def _told(
        self, start: float, count: int, seen: dict[str, Any]
    ) -> dict[str, np.ndarray]:
        told = {
            "t": start + self.record.every * np.arange(1, count + 1),
            "finite": np.asarray(seen["finite"]),
        }
        for name in ("activated", "recovered"):
            where = np.flatnonzero(np.isfinite(seen[name]))
            told[f"{name}_node"] = where.astype(np.int32)
            told[f"{name}_time"] = start + seen[name][where].astype(float)
        probes = np.asarray(seen["probes"])
        told["probes"] = probes.reshape(count * self.sample, self.probes.size)
        told["probe_t"] = start + self.dt * np.arange(1, count * self.sample + 1)
        told["frames"] = np.asarray(seen["frames"])
        told["leads"] = np.asarray(seen["leads"])
        return told


@eqx.filter_jit
def _prepared(tissue: Monodomain, dt: float) -> tuple[Any, Array]:
    """What every step needs, and the longest stable step (ms)."""
    prepared = tissue.prepare(dt)
    return prepared, largest_step(prepared[0])


def whole_vectors(tree: Any, count: int) -> Any:
    """The last node of every array ``(..., count)`` repeated to a multiple of 16.

    Fewer than 1024 nodes stay as they are. What the added nodes do reaches no other.
    """
    extra = -count % _LANES if count >= _SMALL else 0

    def grown(x: Any) -> Any:
        if not eqx.is_array(x) or x.ndim == 0 or x.shape[-1] != count:
            return x
        return jnp.concatenate([x, jnp.repeat(x[..., -1:], extra, axis=-1)], axis=-1)

    return jax.tree.map(grown, tree) if extra else tree


@partial(eqx.filter_jit, donate="all-except-first", compiler_options=COMPILER)
def _chunk(
    world: Any, given: TissueState, dt: float, sample: int, count: int, frames: str
) -> tuple[TissueState, dict[str, Any]]:
    """``count`` samples of ``sample`` steps; the state ``given`` is given up."""
    nodes = given.v.shape[0]
    tissue, prepared, pacing, levels, probes, leads = world
    tissue, prepared, pacing, state = whole_vectors(
        (tissue, prepared, pacing, given), nodes
    )
    kind = state.v.dtype
    never = jnp.full_like(state.v, jnp.nan)

    def step(carry: Any, index: Array) -> tuple[Any, Array]:
        state, activated, recovered = carry
        t = index.astype(kind) * jnp.asarray(dt, kind)
        after = tissue.step(prepared, t, state, dt, pacing)
        before, now = state.v, after.v
        rose = (before < levels[0]) & (now >= levels[0]) & jnp.isnan(activated)
        fell = (before > levels[1]) & (now <= levels[1])
        activated = jnp.where(rose, _crossing(t, dt, before, now, levels[0]), activated)
        recovered = jnp.where(fell, _crossing(t, dt, before, now, levels[1]), recovered)
        return (after, activated, recovered), now[probes]

    def one_sample(carry: Any, number: Array) -> tuple[Any, dict[str, Array]]:
        steps = number * sample + jnp.arange(sample, dtype=jnp.int32)
        if probes.size:
            carry, seen = jax.lax.scan(step, carry, steps)
        else:
            carry = in_pairs(
                sample, lambda k, c: step(c, number * sample + k)[0], carry
            )
            seen = jnp.zeros((sample, 0), kind)
        v = carry[0].v[:nodes]
        return carry, {
            "probes": seen,
            "frames": v.astype(frames) if frames else jnp.zeros(0, kind),
            "leads": jnp.zeros(0, kind) if leads is None else leads @ v,
            "finite": jnp.all(jnp.abs(v) < _WILD),
        }

    carry, seen = jax.lax.scan(
        one_sample, (state, never, never), jnp.arange(count, dtype=jnp.int32)
    )
    state, *first = jax.tree.map(
        lambda x: x[:nodes] if x.shape == never.shape else x, carry
    )
    return state, {**seen, "activated": first[0], "recovered": first[1]}


def in_pairs(count: int, step: Callable[[Any, Any], Any], carry: Any) -> Any:
    """``fori_loop(0, count, step, carry)`` with two steps a turn.

    A step reads its neighbours' voltage, so it cannot write where it reads; a turn of
    one step ends in a copy of each such array, a turn of two in none. The barrier
    keeps the second from computing the first again.
    """

    def two(turn: Array, carry: Any) -> Any:
        carry = jax.lax.optimization_barrier(step(2 * turn, carry))
        return step(2 * turn + 1, carry)

    carry = jax.lax.fori_loop(0, count // 2, two, carry)
    return step(jnp.asarray(count - 1), carry) if count % 2 else carry


def _crossing(t: Array, dt: float, before: Array, now: Array, level: Array) -> Array:
    """When a straight line from before to now meets the level."""
    change = now - before
    return t + dt * (level - before) / jnp.where(change == 0, 1, change)


def _problem(
    seen: dict[str, np.ndarray], state: TissueState, tissue: Monodomain
) -> str:
    if seen["finite"].all():
        return ""
    when = float(seen["t"][int(np.argmin(seen["finite"]))])
    v = np.asarray(state.v)
    node = int(np.argmax(~(np.abs(v) < _WILD)))
    place = ", ".join(f"{x:.1f}" for x in np.asarray(tissue.nodes)[node])
    return (
        f"The voltage blew up by {when:g} ms at node {node} ({place} mm). Likely: dt "
        "too large for the cell (try half), a stimulus far too strong, or values in "
        "the start or the conductivity that are not finite."
    )


def _assembled(
    duration: float, parts: list[dict[str, np.ndarray]], state: TissueState,
    problem: str, tissue: Monodomain,
) -> Run:  # fmt: skip
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    up, down = (
        np.argsort(joined["activated_time"]),
        np.argsort(joined["recovered_time"]),
    )
    return Run(
        duration, joined["t"],
        joined["activated_node"][up], joined["activated_time"][up],
        joined["recovered_node"][down], joined["recovered_time"][down],
        joined["probe_t"] if joined["probes"].shape[1] else np.zeros(0),
        joined["probes"], joined["frames"], joined["leads"], state,
        not problem, problem, int(state.v.shape[0]),
    )  # fmt: skip


def activation_map(
    tissue: Monodomain,
    duration: float,
    pacing: Any,
    *,
    dt: float = 0.02,
    block: int = 100,
) -> Float[Array, " n_node"]:
    """First activation of every node (ms), NaN where none: differentiable.

    The derivative passes through the crossing's interpolation. In reverse mode only the
    state before each ``block`` of steps, and within one block each step's, is kept: two
    levels of checkpoints.
    """
    steps = _steps(duration, dt, "duration")
    blocks = -(-steps // block)
    prepared = tissue.prepare(dt)
    state = tissue.initial_state()
    nodes, kind = state.v.shape[0], state.v.dtype
    tissue, prepared, pacing, state = whole_vectors(
        (tissue, prepared, pacing, state), nodes
    )
    level = tissue.cell.threshold

    @jax.checkpoint
    def step(carry: Any, index: Array) -> tuple[Any, None]:
        state, first = carry
        t = index.astype(kind) * jnp.asarray(dt, kind)
        after = tissue.step(prepared, t, state, dt, pacing)
        rose = (state.v < level) & (after.v >= level) & jnp.isnan(first)
        change = jnp.where(rose, after.v - state.v, 1)
        first = jnp.where(rose, t + dt * (level - state.v) / change, first)
        return (after, first), None

    @jax.checkpoint
    def one_block(carry: Any, number: Array) -> tuple[Any, None]:
        indices = number * block + jnp.arange(block, dtype=jnp.int32)
        return jax.lax.scan(step, carry, indices)

    start = (state, jnp.full_like(state.v, jnp.nan))
    (_, first), _ = jax.lax.scan(one_block, start, jnp.arange(blocks, dtype=jnp.int32))
    return first[:nodes]
