"""Every treatment, whole: typed, told, and true in its direction on a named state.

A direction that is stated is that of the new steady state without a reflex: what a
treatment does to the heart and the vessels themselves. Assist pump and end-expiratory
pressure make another circulation; of them the rates of change in mid-ejection are read.
"""

from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from cordax.cli import twins
from cordax.scenarios import doses, names, scenario
from physio import settle
from physio.hemodynamics.indices.beat import UNITS, summarize
from physio.hemodynamics.loops.states import named_state
from physio.hemodynamics.treatments import vasopressor
from physio.interventions import scale, shift, then
from physio.parameters import get
from physio.periodic import periodic_beat

USAGE = Path(__file__).parents[3] / "docs" / "usage.md"

#: Treatment -> state, doses from less to more, and what rises (+) or falls (-).
STEADY = {
    "fluid_bolus": ("healthy_man", ("250mL", "500mL", "1L"), (
        "+central_venous_pressure", "+mean_pressure", "+cardiac_output",
        "+lv_end_diastolic_volume", "+wedge_pressure",
    )),
    "haemorrhage": ("healthy_man", ("250mL", "500mL", "1L"), (
        "-central_venous_pressure", "-mean_pressure", "-cardiac_output",
        "-lv_end_diastolic_volume", "-wedge_pressure",
    )),
    "vasodilator": ("healthy_man", ("0.9", "0.8", "0.7"), (
        "-systemic_resistance", "-mean_pressure", "+cardiac_output",
        "-arterial_elastance", "-lv_end_systolic_volume",
    )),
    "vasopressor": ("healthy_man", ("1.1", "1.3", "1.6"), (
        "+systemic_resistance", "+mean_pressure", "+central_venous_pressure",
        "+lv_end_diastolic_volume", "+arterial_elastance",
    )),
    "inotrope": ("hfref", ("1.1", "1.3", "1.6"), (
        "+lv_dpdt_max", "+lv_ejection_fraction", "+rv_systolic_pressure",
        "+cardiac_output", "-lv_end_systolic_volume", "-central_venous_pressure",
        "+end_systolic_elastance", "-wedge_pressure",
    )),
    "beta_blocker": ("healthy_man", ("0.5", "1", "2"), (
        "-heart_rate", "-lv_dpdt_max", "-mean_pressure", "-end_systolic_elastance",
    )),
    "heart_rate": ("healthy_man", ("60bpm", "80bpm", "100bpm"), (
        "+heart_rate", "-stroke_volume", "-lv_end_diastolic_volume",
    )),
    "valve_replacement": ("aortic_stenosis", ("1.2cm2", "1.5cm2", "1.8cm2"), (
        "-aortic_valve_mean_gradient", "-aortic_valve_peak_gradient",
        "-lv_systolic_pressure", "+cardiac_output",
    )),
    "valve_repair": ("mitral_regurgitation", ("30%", "60%", "90%"), (
        "-mitral_regurgitant_fraction", "-mitral_regurgitant_volume",
        "+stroke_volume", "-wedge_pressure",
    )),
}  # fmt: skip
#: Treatment -> doses from less to more, where another circulation is made.
AT_ONCE = {
    "lvad": ("8000rpm", "10000rpm", "12000rpm"),
    "peep": ("5cmH2O", "10cmH2O", "15cmH2O"),
}


@eqx.filter_jit
def _indices(model):
    """The indices of the steady state: one program for every treatment."""
    periodic = settle(model, steps_per_beat=200)
    beat = periodic_beat(periodic, steps_per_beat=200)
    return summarize(beat, periodic.system), periodic.ok & beat.ok


def steady(model):
    found, ok = _indices(model)
    assert bool(ok)
    return {name: float(value) for name, value in found.items()}


def after(name, dose, model):
    """The model after a treatment, typed as at the command line."""
    return scenario.parse(f"{name}={dose}").make()(model)


def monotone(values, sign):
    """Whether values rise (+) or fall (-) at every step, by more than rounding."""
    steps = np.diff(values) * (1.0 if sign == "+" else -1.0)
    return bool(np.all(steps > 1e-4 * np.abs(values[:-1])))


def test_every_treatment_states_its_directions():
    assert set(STEADY) | set(AT_ONCE) == set(doses.DOSES) == set(names.TREATMENTS)
    for *_, directions in STEADY.values():
        assert {line[1:] for line in directions} <= set(UNITS)
        assert {line[0] for line in directions} <= {"+", "-"}


@pytest.mark.parametrize("name", STEADY)
def test_more_of_a_treatment_does_more_of_what_it_is_for(name):
    state, typed, directions = STEADY[name]
    model = named_state(state, reflex=False)
    none = doses.DOSES[name].none
    seen = [steady(after(name, dose, model)) for dose in typed]
    if none is not None:
        seen = [steady(model), *seen]
    wrong = [
        f"{line}: {[round(s[line[1:]], 3) for s in seen]}"
        for line in directions
        if not monotone(np.array([s[line[1:]] for s in seen]), line[0])
    ]
    assert wrong == []


def test_an_assist_pump_drives_blood_from_the_ventricle_to_the_aorta():
    """The faster the more: how its flow grows (mL/s^2), and where it takes it from."""
    driven = []
    for dose in AT_ONCE["lvad"]:
        model = after("lvad", dose, named_state("hfref", reflex=False))
        y, forcing = model.initial_state(), model.forcing(jnp.asarray(0.15), None)
        volumes = model.volumes(forcing, y)
        still, grows = model.full_rate(forcing, volumes, y.connection)
        driven.append(float(grows["lvad"]["flow"]))
        flowing = y.connection | {"lvad": {"flow": jnp.asarray(100.0)}}
        moved, _ = model.full_rate(forcing, volumes, flowing)
        change = {name: float(moved[name] - still[name]) for name in moved}
        assert change.pop("left_ventricle") == pytest.approx(-100.0)
        assert change.pop("aortic_root") == pytest.approx(100.0)
        assert set(change.values()) == {0.0}
    assert monotone(np.array(driven), "+"), driven


def test_an_end_expiratory_pressure_presses_on_the_heart():
    model = named_state("hfref", reflex=False)
    pressures = []
    for treated in (model, *(after("peep", d, model) for d in AT_ONCE["peep"])):
        seen = treated.observe(jnp.asarray(0.15), model.initial_state(), None)
        pressures.append(float(seen.pressure["right_atrium"]))
    assert monotone(np.array(pressures), "+"), pressures


def test_that_a_wrong_direction_is_noticed():
    """A vasopressor that dilates the veins: no longer what is stated of it."""
    model = named_state("healthy_man", reflex=False)
    factors = (1.0, 1.1, 1.3, 1.6)
    dilating = [
        then(
            scale("systemic.resistance", f),
            shift("systemic_veins.unstressed_volume", (f - 1.0) * 600.0),
        )
        for f in factors
    ]
    seen = [steady(treat(model))["central_venous_pressure"] for treat in dilating]
    assert not monotone(np.array(seen), "+")
    veins = "systemic_veins.unstressed_volume"
    right = vasopressor(1.6)(model)
    assert float(get(right, veins) - get(model, veins)) == pytest.approx(-360.0)


@pytest.mark.parametrize("row", doses.describe(), ids=lambda row: row[0])
def test_a_treatment_is_told_where_one_looks(row):
    name, unit, meaning, example = row
    told = twins.whatif.__doc__ or ""
    assert f"[b]{name}[/b] ({unit}): {meaning}; {example}" in told
    assert f"| `{name}` | {unit} | {meaning} |" in USAGE.read_text(encoding="utf-8")
    typed = scenario.parse(example)
    assert typed.name == name and typed.make() is not None
    assert scenario.parse(str(typed)) == typed
