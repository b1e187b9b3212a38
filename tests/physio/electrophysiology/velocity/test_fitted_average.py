"""The bond average of a cell that states no coefficients: fitted once, kept on disk."""

import json
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from physio.electrophysiology.cells import CorradoNiederer2016, bueno_orovio_2008
from physio.electrophysiology.cells.cell import AbstractCell, Excitation
from physio.electrophysiology.tissue.monodomain import as_dtype
from physio.electrophysiology.velocity import plane_waves
from physio.electrophysiology.velocity.averaging import (
    digest,
    fast_states,
    fitted_average,
)
from physio.interventions import scale
from physio.parameters import TRANSPARENT


class MyCell(AbstractCell):
    """A cell of a user's own: a published one's equations, no coefficients."""

    base: Any = eqx.field(metadata=TRANSPARENT)
    steeper: float = eqx.field(static=True, default=1.0)

    excitation: ClassVar[Excitation | None] = None
    slow: ClassVar[tuple[str, ...]] = ()
    threshold: ClassVar[float] = 0.5
    stimulus: ClassVar[tuple[float, float]] = (0.5, 1.0)

    def initial_state(self):
        return self.base.initial_state()

    def gates(self, y):
        return self.base.gates(y)

    def currents(self, y):
        return {k: self.steeper * x for k, x in self.base.currents(y).items()}

    def fast_current(self, y):
        return self.steeper * self.base.fast_current(y)

    def rates(self, y, stimulus):
        return self.base.rates(y, stimulus)


MINE = as_dtype(MyCell(CorradoNiederer2016()), jnp.float32)
#: as a fit returns them: b, c, the errors left
FOUND = (0.02, 0.09, np.full(len(plane_waves.FITTED_AT), 0.001))


@pytest.fixture
def fits(monkeypatch):
    """Counts the fits, which give one answer."""
    made = []

    def fit(cell, *, states):
        made.append(states)
        return FOUND

    monkeypatch.setattr(plane_waves, "fit_bond_average", fit)
    return made


@pytest.mark.slow
def test_a_cell_without_coefficients_is_fitted_as_its_published_twin(tmp_path):
    found = fitted_average(MINE, folder=tmp_path)
    published = CorradoNiederer2016.excitation
    assert published is not None
    assert found.origin == "fitted" and found.scheme.states == published.states
    got = (float(found.scheme.middle), float(found.scheme.end))
    # the errors hardly change along the valley in which the two trade: 1e-2
    assert np.allclose(got, (published.middle[0], published.end[0]), atol=0.01)
    assert max(map(abs, found.errors)) < 0.01
    # the sibling that fails: another cell's coefficients lose the velocity
    strange = plane_waves.velocities(
        MINE,
        plane_waves.stack([plane_waves.cable(jnp.float32(1), jnp.float32(3.2))]),
        dt=0.01,
        scheme=type(found.scheme)(jnp.float32(0.16), jnp.float32(0.07), ("h",)),
    )
    assert abs(strange[0] / plane_waves.free_velocity(MINE) - 1) > 0.05


def test_a_fit_is_kept_and_read(tmp_path, fits):
    first, second = (fitted_average(MINE, folder=tmp_path) for _ in range(2))
    assert (first.origin, second.origin, len(fits)) == ("fitted", "cached", 1)
    assert float(second.scheme.middle) == float(first.scheme.middle)
    assert second.errors == first.errors == tuple(FOUND[2])
    assert fits == [("h",)]
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:40],
        lambda text: text.replace('"middle": 0.02', '"middle": NaN'),
        lambda text: text.replace('"middle": 0.02', '"middle": 20.0'),
        lambda text: text.replace('"errors": [', '"errors": [0.1, '),
        lambda text: json.dumps(json.loads(text) | {"key": "another"}),
        lambda text: json.dumps(list(json.loads(text))),
    ],
)
def test_a_damaged_file_is_fitted_again(tmp_path, fits, damage):
    fitted_average(MINE, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    sound = path.read_text()
    path.write_text(damage(sound))
    assert fitted_average(MINE, folder=tmp_path).origin == "fitted"
    assert len(fits) == 2 and path.read_text() == sound


def test_where_nothing_can_be_written_it_is_fitted_all_the_same(tmp_path, fits):
    (tmp_path / "file").write_text("")
    for _ in range(2):
        found = fitted_average(MINE, folder=tmp_path / "file")
        assert found.origin == "fitted"
    assert len(fits) == 2


def test_other_parameters_and_equations_are_another_cell():
    changed = [
        MINE,
        scale("inward_time", 1.01)(MINE),
        MyCell(MINE.base, steeper=1.01),
        as_dtype(MINE, jnp.float64),
        as_dtype(MyCell(bueno_orovio_2008()), jnp.float32),
    ]
    assert len({digest(cell) for cell in changed}) == len(changed)
    assert digest(as_dtype(MyCell(CorradoNiederer2016()), jnp.float32)) == digest(MINE)


@pytest.mark.parametrize("name", ["corrado_niederer_2016", "ten_tusscher_2006"])
def test_the_states_of_a_fast_current_are_found(name):
    from physio.electrophysiology.cells import CATALOGUE

    entry = CATALOGUE[name]
    assert entry.excitation is not None
    assert fast_states(entry.make()) == entry.excitation.states


def test_published_coefficients_are_left_as_they_are(tmp_path, fits):
    found = fitted_average(CorradoNiederer2016(), folder=tmp_path)
    assert (found.origin, found.errors) == ("published", ())
    assert found.scheme.middle is None
    assert fits == [] and not list(tmp_path.iterdir())


def test_a_cell_that_carries_no_wave_is_refused(tmp_path):
    dead = scale("inward_time", 100.0)(MINE)
    with pytest.raises(ValueError, match="A wave does not travel through MyCell"):
        fitted_average(dead, folder=tmp_path)
    assert not list(tmp_path.iterdir())
