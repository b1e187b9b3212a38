"""One loop for everything learned: mixed effects, early stopping, resuming."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from learned.blocks.ranges import Range
from learned.storage.file import read_arrays, write_arrays
from learned.terms.residual import neural_residual
from learned.training.loop import Stage, train
from learned.training.penalties import orthogonality, shooting

KEY = jax.random.key(3)
PATIENTS, SAMPLES = 8, 24
IDS = [f"p{k}" for k in range(PATIENTS)]
FIRST = Stage(80, 5e-2, "own")
BOTH = Stage(160, 1e-2, "both")


def cohort(missing=0.4):
    """y = slope_i x + missing sin(3 x): a line of one's own, a term all share."""
    x = np.linspace(-1.0, 1.0, SAMPLES)
    slopes = np.linspace(-1.0, 2.0, PATIENTS)
    y = slopes[:, None] * x + missing * np.sin(3.0 * x)
    return {"x": np.tile(x, (PATIENTS, 1)), "y": y}, slopes


def newborn():
    box = Range(("x",), ("1",), np.array([-1.0]), np.array([1.0]))
    return neural_residual(box, {"y": ("1", 1.0)}, key=KEY, hidden=(8,))


def moving(residual):
    return residual.network.weights, residual.network.biases


def misfit(residual, own, data, horizon):
    added = jax.vmap(residual.at)(data["x"][:, None])[:, 0]
    return jnp.mean((own[0] * data["x"] + added - data["y"]) ** 2)


def apart(residual, own, data):
    """The residual stays small, and off what the slopes explain."""
    x = data["x"][0]
    added = jax.vmap(residual.at)(x[:, None])[:, 0]
    return 1e-6 * jnp.mean(added**2) + 0.1 * orthogonality(added, x[:, None])


def trained(data, **options):
    return train(
        newborn(), np.zeros((PATIENTS, 1)), data, misfit, ids=IDS, key=KEY,
        trained=moving, **{"stages": (FIRST, BOTH), **options},
    )  # fmt: skip


def same(a, b):
    pairs = zip(jax.tree.leaves(a.shared), jax.tree.leaves(b.shared), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs) and np.array_equal(a.own, b.own)


@pytest.fixture(scope="module")
def found():
    return trained(cohort()[0])


def test_what_all_share_is_learned_and_what_is_ones_own_is_fitted(found):
    data, _ = cohort()
    each = jax.vmap(misfit, in_axes=(None, 0, 0, None))
    rows = {name: jnp.asarray(value) for name, value in data.items()}
    fitted = each(found.shared, jnp.asarray(found.own), rows, 0)
    # the refitted line alone leaves the part of 0.4 sin(3 x) that no line explains
    x = data["x"][0]
    bump = 0.4 * np.sin(3.0 * x)
    left = np.mean((bump - x * (bump @ x) / (x @ x)) ** 2)
    assert float(fitted.max()) < 0.05 * left
    assert found.finished and len(found.curve) == FIRST.steps + BOTH.steps
    assert found.curve[FIRST.steps - 1, 0] > 3 * found.curve[-1, 0]


def test_orthogonality_leaves_the_physics_what_it_explains():
    data, slopes = cohort()
    loose, tight = trained(data), trained(data, penalty=apart)
    x = data["x"][0]
    # the line through sin(3 x) is the slopes' to explain, not the residual's
    bump = 0.4 * np.sin(3.0 * x)
    wanted = slopes + bump @ x / (x @ x)
    error = [np.abs(f.own[:, 0] - wanted).max() for f in (loose, tight)]
    assert error[1] < 0.1
    assert error[1] < 0.5 * error[0]


def test_the_same_key_gives_the_same_result(found):
    assert same(found, trained(cohort()[0]))
    assert not same(found, trained(cohort()[0], stages=(FIRST, Stage(159, 1e-2))))


def test_nothing_is_learned_where_nothing_is_missing():
    data, slopes = cohort(missing=0.0)
    done = trained(data, penalty=apart)
    added = jax.vmap(done.shared.at)(jnp.linspace(-1, 1, 9)[:, None])
    assert float(jnp.abs(added).max()) < 0.02  # of slopes up to 2
    assert np.abs(done.own[:, 0] - slopes).max() < 0.05


@pytest.mark.parametrize("stop_at", [17, 101])
def test_a_killed_run_resumes_bit_for_bit(found, tmp_path, stop_at):
    path = tmp_path / "training.h5"

    def interrupt(told):
        if told.step == stop_at:
            raise KeyboardInterrupt

    options = {"checkpoint": path, "checkpoint_every": 10}
    with pytest.raises(KeyboardInterrupt):
        trained(cohort()[0], progress=interrupt, **options)
    steps = []
    again = trained(cohort()[0], progress=lambda p: steps.append(p.step), **options)
    assert steps[0] == stop_at + 1  # it goes on, and does not begin again
    assert same(found, again)
    np.testing.assert_array_equal(found.curve, again.curve)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "training.h5"
    stages = (Stage(3),)
    trained(cohort()[0], checkpoint=path, stages=stages)
    with pytest.raises(ValueError, match="another training"):
        trained(cohort(missing=0.3)[0], checkpoint=path, stages=stages)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="Remove it to train from the start"):
        trained(cohort()[0], checkpoint=path, stages=stages)
    header, arrays = {"format": "other"}, {"a": np.zeros(2)}
    write_arrays(path, header, arrays)
    with pytest.raises(ValueError, match="not a checkpoint"):
        trained(cohort()[0], checkpoint=path, stages=stages)


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / "training.h5"
    stages = (Stage(4),)
    trained(cohort()[0], checkpoint=path, stages=stages)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("physio.files._flush", full)
    with pytest.raises(OSError, match="training.h5"):
        write_arrays(path, {"format": "x"}, {})
    assert path.read_bytes() == before
    read_arrays(path)


def test_patience_ends_the_last_stage_and_keeps_the_best():
    data, _ = cohort(missing=0.0)
    noise = np.random.default_rng(0).normal(0.0, 0.3, data["y"].shape)
    done = trained(data | {"y": data["y"] + noise}, patience=4, judge_every=5)
    assert not done.finished
    assert done.best < len(done.curve)
    held = done.curve[:, 1]
    assert np.nanmin(held[FIRST.steps :]) == held[done.best - 1]


def test_batches_of_patients_reach_the_same_place(found):
    done = trained(cohort()[0], stages=(FIRST, Stage(320, 1e-2, "both", 0, 3)))
    assert np.nanmin(done.curve[:, 1]) < 4 * np.nanmin(found.curve[:, 1]) + 1e-3


def test_stages_of_other_rates_and_lengths_share_a_program():
    def traced(*stages):
        times = []

        def counted(residual, own, data, horizon):
            times.append(horizon)
            return misfit(residual, own, data, horizon)

        train(
            newborn(), np.zeros((PATIENTS, 1)), cohort()[0], counted, ids=IDS, key=KEY,
            trained=moving, stages=stages,
        )  # fmt: skip
        return len(times)

    once = traced(Stage(4, 1e-2))
    assert traced(Stage(2, 1e-2), Stage(3, 1e-3)) == once
    assert traced(Stage(2, 1e-2), Stage(2, 1e-2, horizon=1)) == 2 * once


def test_progress_tells_losses_and_time_to_go():
    told = []
    trained(cohort()[0], stages=(Stage(10),), judge_every=5, progress=told.append)
    assert [p.step for p in told] == list(range(1, 11))
    assert told[-1].remaining == 0.0 and told[0].steps == 10
    assert np.isnan(told[0].held_out) and np.isfinite(told[-1].held_out)


def test_what_cannot_be_learned_from_is_refused():
    data, _ = cohort()
    with pytest.raises(ValueError, match="cohort of 2 cannot be split"):
        train(
            newborn(), np.zeros((2, 1)), {k: v[:2] for k, v in data.items()}, misfit,
            ids=["a", "b"], stages=(FIRST,), key=KEY, trained=moving,
        )  # fmt: skip
    broken = data | {"y": np.where(data["y"] > 1.5, np.nan, data["y"])}
    with pytest.raises(ValueError, match=r"\['y'\], row \d"):
        trained(broken)
    with pytest.raises(ValueError, match="first axis must be the 8 patients"):
        trained(data | {"y": data["y"][:5]})
    twice = ["p0", *IDS[:-1]]
    with pytest.raises(ValueError, match="Patient p0 is both trained on and held out"):
        trained_ids = {"ids": twice, "held_out": np.array([0])}
        train(
            newborn(), np.zeros((PATIENTS, 1)), data, misfit, stages=(FIRST,), key=KEY,
            trained=moving, **trained_ids,
        )  # fmt: skip
    with pytest.raises(ValueError, match="held_out wants rows"):
        trained(data, held_out=np.array([99]))


def test_a_model_that_never_runs_is_told():
    def nowhere(residual, own, data, horizon):
        return jnp.sum(own) * jnp.nan + misfit(residual, own, data, horizon)

    with pytest.raises(ValueError, match="no finite gradient"):
        train(
            newborn(), np.zeros((PATIENTS, 1)), cohort()[0], nowhere, ids=IDS,
            stages=(FIRST,), key=KEY, trained=moving,
        )  # fmt: skip


def test_orthogonality_is_the_share_explained():
    x = jnp.linspace(-1.0, 1.0, 50)
    directions = jnp.stack([x, jnp.ones_like(x)], axis=1)
    assert float(orthogonality(2.0 * x + 1.0, directions)) == pytest.approx(1.0)
    even = x**2 - jnp.mean(x**2)
    assert float(orthogonality(even, directions)) == pytest.approx(0.0, abs=1e-8)
    assert float(orthogonality(jnp.zeros_like(x), directions)) == 0.0


def test_windows_that_meet_and_fit_cost_nothing():
    decay = 0.5

    def run(state, start):
        return state * jnp.exp(-decay * 1.0), state * jnp.exp(-decay * jnp.arange(3))

    nodes = jnp.exp(-decay * jnp.arange(4.0))
    measured = nodes[:, None] * jnp.exp(-decay * jnp.arange(3))[None]
    starts = jnp.arange(4)
    assert float(shooting(run, nodes, starts, measured, 1.0)) < 1e-25
    # a node off the trajectory breaks both: its window's fit and the joints
    moved = nodes.at[2].add(0.1)
    apart = float(shooting(run, moved, starts, measured, 1.0))
    assert apart > float(shooting(run, moved, starts, measured, 0.0)) > 1e-4


def test_only_the_chosen_leaves_move(found):
    assert np.array_equal(found.shared.range.lower, newborn().range.lower)
    assert np.array_equal(found.shared.network.scale, newborn().network.scale)
    assert not eqx.tree_equal(found.shared.network, newborn().network)
