"""Schedules give the value in time and their mean."""

import jax.numpy as jnp
import pytest

from physio.inputs import at_mean, constant, pulses, ramp, steps

pytestmark = pytest.mark.core


def test_steps_hold_from_their_time_on():
    schedule = steps([1.0, 2.0], [5.0, 7.0])
    assert [float(schedule(jnp.asarray(t))) for t in (0.5, 1.0, 2.5)] == [0, 5, 7]
    assert float(schedule.mean()) == 7.0


def test_a_train_of_pulses_ends():
    train = pulses(1.0, 0.5, 3.0, interval=2.0, count=2)
    times = (0.0, 1.2, 1.7, 3.2, 5.2)
    assert [float(train(jnp.asarray(t))) for t in times] == [0, 3, 0, 3, 0]
    assert float(train.mean()) == pytest.approx(0.75)


def test_a_ramp_is_linear_between_its_times():
    line = ramp(1.0, 3.0, 10.0)
    assert [float(line(jnp.asarray(t))) for t in (0.0, 2.0, 9.0)] == [0, 5, 10]


def test_at_mean_holds_every_schedule():
    held = at_mean({"a": ramp(0.0, 1.0, 4.0), "b": constant(2.0), "c": None})
    assert float(held["a"](jnp.asarray(0.0))) == 4.0
    assert held["c"] is None


@pytest.mark.parametrize(
    "bad",
    [
        lambda: steps([1.0, 1.0], [1.0, 2.0]),
        lambda: steps([1.0], [1.0, 2.0]),
        lambda: ramp(2.0, 1.0, 1.0),
        lambda: pulses(0.0, 3.0, 1.0, interval=2.0),
    ],
)
def test_impossible_schedules_are_refused(bad):
    with pytest.raises(ValueError):
        bad()
