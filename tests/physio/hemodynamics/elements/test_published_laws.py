"""Sources, smooth and inertial valves and further elastances obey their equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physio import march, parameters, scale
from physio.hemodynamics import Circulation, ElasticVessel, Resistance
from physio.hemodynamics.elements.elastance_laws import FourierSeries, ShiftingChamber
from physio.hemodynamics.elements.inertial_valves import InertialDiode, LeafletValve
from physio.hemodynamics.elements.smooth_valves import (
    ArctanDiode,
    InertialTanhDiode,
    TanhDiode,
)
from physio.hemodynamics.elements.sources import (
    FlowSource,
    PressureSource,
    Reservoir,
    SampledActivation,
)
from physio.hemodynamics.loops.korakianitis import korakianitis_shi, leaflet_valves
from physio.rhythm import RegularRhythm, Timing

WAVE = SampledActivation("ventricles", np.array([0.0, 2.0, 1.0, 0.0]))


def windkessel(**changes):
    links = {
        "inflow": FlowSource("distal", "bed", "wave", 30.0),
        "outflow": Resistance("bed", "distal", 1.0),
        **changes,
    }
    parts = {"bed": ElasticVessel(1.5, start_volume=50.0), "distal": Reservoir(5.0)}
    return Circulation(
        RegularRhythm(60.0), {"wave": WAVE}, parts, links, implied="distal"
    )


def test_a_given_flow_flows_and_leaves_at_the_mean():
    model = windkessel()
    run = march(model, 20.0, dt=0.005)
    third = run.observed.flow["inflow"][67]  # a third of a beat: the second sample
    assert float(third) == pytest.approx(60.0, rel=0.02)
    last = run.observed.pressure["bed"][-201:-1]
    # all that flows in leaves through the resistance, mean 30 mL/s at 5 mmHg
    assert float(jnp.mean(last)) == pytest.approx(35.0, rel=1e-3)


def test_a_network_closed_by_a_reservoir_conserves_blood():
    model = windkessel()
    forcing = model.forcing(jnp.asarray(0.2), None)
    y = model.initial_state()
    change, _ = model.full_rate(forcing, model.volumes(forcing, y), y.connection)
    assert float(change["bed"]) != 0.0
    assert float(sum(change.values())) == pytest.approx(0.0, abs=1e-12)


def test_a_source_without_its_wave_is_refused():
    with pytest.raises(ValueError, match="swell"):
        windkessel(second=FlowSource("distal", "bed", "swell"))


def test_a_given_pressure_is_the_wave_times_its_amplitude():
    timing = Timing(jnp.asarray(1.0 / 3.0), jnp.asarray(1.0))
    source = PressureSource("wave", 10.0)
    given = source.transmural_pressure(jnp.asarray(0.0), {"wave": WAVE(timing)})
    assert float(given) == pytest.approx(20.0)


def test_the_fourier_elastance_has_its_mean_and_fills_and_ejects():
    law = FourierSeries("ventricles")
    since = jnp.linspace(0.0, 0.8, 401)[:-1]
    e = jax.vmap(lambda s: law(Timing(s, jnp.asarray(0.8))))(since)
    assert float(e.mean()) == pytest.approx(float(law.cosine[0]), abs=1e-9)
    assert 0.05 < float(e.min()) < 0.06 and 0.9 < float(e.max()) < 1.0


def test_a_shifting_chamber_is_without_pressure_at_its_two_rest_volumes():
    part = ShiftingChamber("law")
    for e, rest in ((0.0, part.unstressed_volume), (1.0, part.contracted_volume)):
        pressure = part.transmural_pressure(rest, {"law": jnp.asarray(e)})
        assert float(pressure) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("kind", [ArctanDiode, TanhDiode])
def test_a_smooth_diode_is_open_forward_closed_backward_and_smooth(kind):
    valve = kind("a", "b")

    def resistance(drop):
        return drop / float(valve.flow(jnp.asarray(drop), ()))

    # arctan turns over a long tail: within 2 % of a resistance ten powers apart
    assert resistance(20.0) == pytest.approx(0.0075, rel=0.02)
    assert resistance(-20.0) == pytest.approx(75006.2, rel=0.02)
    slope = jax.grad(lambda p: valve.flow(p, ()))(jnp.asarray(0.0))
    assert np.isfinite(slope) and float(slope) > 0.0


@pytest.mark.parametrize("drop", [-30.0, -0.004, 0.01, 3.0])
def test_the_drop_of_an_inertial_tanh_diode_moves_its_flow_by_newtons_law(drop):
    valve = InertialTanhDiode("a", "b", 0.01, 100.0)
    state = {"drop": jnp.asarray(drop)}
    total = jnp.asarray(2.0)
    rate = valve.derivative(total, state)["drop"]
    flow, slope = jax.jvp(
        lambda x: valve.flow(total, {"drop": x}), (state["drop"],), (rate,)
    )
    left = total - drop - valve.series_resistance * flow
    assert float(slope * valve.inertance) == pytest.approx(float(left), rel=1e-9)


def driven_to_and_fro(valve):
    """Two beats of a valve under 10 mmHg forward, then 10 backward."""
    square = SampledActivation("ventricles", np.repeat([1.0, -1.0], 50))
    model = Circulation(
        RegularRhythm(60.0),
        {"wave": square},
        {"inlet": PressureSource("wave", 10.0), "outlet": Reservoir()},
        {"valve": valve},
        implied="outlet",
    )
    return march(model, 2.0, dt=5e-5, save_every=100)


def test_an_inertial_diode_outlasts_its_pressure_and_never_flows_back():
    run = driven_to_and_fro(InertialDiode("inlet", "outlet", 0.1, 0.01))
    flow = np.asarray(run.observed.flow["valve"])
    assert bool(run.ok) and flow.min() == 0.0
    assert flow.max() == pytest.approx(100.0, rel=0.02)  # 10 mmHg over 0.1
    turned = int(np.argmax(np.asarray(run.observed.pressure["inlet"]) < 0.0))
    assert flow[turned] > 10.0 and flow[turned + 40] == 0.0


def test_leaflets_open_close_and_stay_between_their_stops():
    link = LeafletValve("inlet", "outlet", open_angle=0.7, start_angle=0.1)
    run = driven_to_and_fro(link)
    angle = run.y.connection["valve"]["angle"]
    assert float(angle.max()) == pytest.approx(float(link.open_angle), abs=0.02)
    assert float(angle.min()) == pytest.approx(float(link.closed_angle), abs=0.02)
    assert float(angle[50]) > 0.69  # the swing takes less than a quarter of a second


def test_every_parameter_of_the_new_elements_says_what_it_is():
    models = (korakianitis_shi(leaflet_valves()), windkessel(), FourierSeries("atria"))
    others = (ShiftingChamber("law"), TanhDiode("a", "b"), ArctanDiode("a", "b"))
    inertial = (InertialTanhDiode("a", "b"), InertialDiode("a", "b"))
    for model in (*models, *others, *inertial):
        for parameter in parameters(model).values():
            assert parameter.unit and parameter.source and parameter.doc


def test_a_wave_is_scaled_by_name():
    doubled = scale("inflow.amplitude", 2.0)(windkessel())
    run = march(doubled, 20.0, dt=0.005)
    last = run.observed.pressure["bed"][-201:-1]
    assert float(jnp.mean(last)) == pytest.approx(65.0, rel=1e-3)
