"""Velocities of regions and a site's onset from a map: the fit that fits a circulation.

Truth is drawn from the prior and the map has the noise that its sd states, so that the
posterior of a right program covers the truth as often as it says; nothing else would.
"""

from dataclasses import replace as with_fields
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from differences import central
from scipy import stats

from calibration import (
    ActivationMap,
    ActivationMapping,
    Experiment,
    Free,
    LogNormal,
    Normal,
    Observation,
    Problem,
    Space,
    fit_many,
)
from calibration.optimise.batches import linearise_each, together
from calibration.sampling.posterior import _trust, sample_fit
from physio import replace, scale
from physio.electrophysiology.anatomy.shapes import Sheet
from physio.electrophysiology.eikonal.regional import Region, RegionalConduction, Site
from physio.electrophysiology.mesh.mesh import Mesh
from physio.hemodynamics.loops.regazzoni import regazzoni

SD, DISCREPANCY = 2.0, 1.5  # ms: of an electrode array's annotation, and judgement
MODEL = RegionalConduction(
    {"healthy": Region(0.6, 2.2, 0), "scar": Region(0.3, 2.2, 1)},
    {"pacing": Site((2.0, 2.0, 0.0)), "septal": Site((28.0, 4.0, 0.0), 12.0)},
)
SPACE = Space(
    (
        Free("regions.healthy.velocity", LogNormal(0.6, 0.25), unit="mm/ms"),
        Free("regions.scar.velocity", LogNormal(0.3, 0.35), unit="mm/ms"),
        Free("regions.healthy.anisotropy", LogNormal(2.2, 0.2), 1.0),
        Free("sites.septal.onset", Normal(12.0, 8.0), unit="ms"),
    )
)


def geometry(fibre: float = 30.0, edge: float = 2.0) -> Mesh:
    """A sheet with a round scar; fibres at an angle to its edges."""
    sheet = Sheet(30.0, 30.0, fibre=fibre).as_mesh(edge)
    x, y, _ = sheet.centroids("triangle").T
    scar = np.hypot(x - 17.0, y - 17.0) < 8.0
    return with_fields(sheet, regions={"triangle": scar.astype(np.int32)})


def electrodes() -> np.ndarray:
    """A 6 x 6 array, 4.8 mm apart."""
    x, y = np.meshgrid(*2 * [np.linspace(3.0, 27.0, 6)])
    return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)


@cache
def experiment(fibre: float = 30.0) -> ActivationMapping:
    return ActivationMapping.of(geometry(fibre), electrodes())


def arrivals(z: np.ndarray, mapping: ActivationMapping | None = None) -> np.ndarray:
    """Times at the electrodes (ms) for free parameters z."""
    model = SPACE.push(MODEL, jnp.asarray(z))
    seen = (mapping or experiment()).predict(model, ())
    return np.asarray(seen.features["activation_time"])


def mapped(times: np.ndarray) -> tuple[ActivationMap, ...]:
    return (ActivationMap(times, SD, discrepancy_sd=DISCREPANCY),)


def patients(n: int, first: int = 0):
    """Truths z drawn from the prior, and a noisy map of each."""
    z, maps = [], []
    for seed in range(first, first + n):
        rng = np.random.default_rng(seed)
        z.append(rng.standard_normal(SPACE.size))
        times = arrivals(z[-1])
        noise = np.hypot(SD, DISCREPANCY) * rng.standard_normal(times.size)
        maps.append(mapped(times + noise))
    return np.stack(z), maps


def recovered(maps, mapping: ActivationMapping, method: str = "importance") -> list:
    """The posterior of each patient by the fit and the sampler of every organ."""
    n = len(maps)
    fits = fit_many(
        n * [MODEL], n * [SPACE], maps, n * [mapping], starts=2, key=jax.random.key(7)
    )
    return [
        sample_fit(found, key=jax.random.key(k), method=method, ess=500.0, draws=500)
        for k, found in enumerate(fits)
    ]


def measures(truth: np.ndarray, posteriors: list, shrink: float = 1.0) -> dict:
    """Truths inside their 90 % intervals, and errors in posterior sd.

    ``shrink`` narrows every interval and every sd about its middle: the mistake that
    must be seen.
    """
    inside, errors, whole = [], [], []
    for z, posterior in zip(truth, posteriors, strict=True):
        values, found = SPACE.physical(jnp.asarray(z)), posterior.intervals(0.9)
        for name in SPACE.names:
            middle, low, high = found[name]
            low, high = (middle + shrink * (end - middle) for end in (low, high))
            inside.append(low <= float(values[name]) <= high)
        draws = np.asarray(posterior.z)
        off = (z - draws.mean(0)) / shrink
        errors.append(off / draws.std(0))
        whole.append(off @ np.linalg.solve(np.cov(draws.T), off))
    return {
        "covered": sum(inside),
        "of": len(inside),
        "bias": float(np.abs(np.mean(errors, axis=0)).max()),
        "spread": float(np.sum(whole) / len(inside)),
    }


def faults(seen: dict, n: int) -> list[str]:
    """What a posterior that is right would show in fewer than 1 of 100 such studies."""
    least, most = stats.binom(seen["of"], 0.9).ppf([0.005, 0.995])
    low, high = stats.chi2(seen["of"]).ppf([0.005, 0.995]) / seen["of"]
    widest = stats.norm.ppf(1.0 - 0.005 / SPACE.size) / np.sqrt(n)
    return [
        what
        for what, good in (
            ("coverage", least <= seen["covered"] <= most),
            ("spread", low <= seen["spread"] <= high),
            ("bias", seen["bias"] <= widest),
        )
        if not good
    ]


# Every test in the quick set asks the same three programs: front, Jacobian, prediction.


@pytest.fixture(scope="module")
def three():
    truth, maps = patients(3)
    return truth, maps, recovered(maps, experiment())


def test_three_maps_are_recovered(three):
    truth, _, posteriors = three
    assert all(posterior.ok for posterior in posteriors)
    assert faults(measures(truth, posteriors), 3) == []


def test_velocities_along_and_across_swapped_are_not_recovered(three):
    truth, maps, _ = three
    turned = recovered(maps, experiment(120.0), method="laplace")
    assert {"coverage", "spread"} <= set(faults(measures(truth, turned), 3))
    assert any("not explained" in line for p in turned for line in p.fit.verdict)


@pytest.mark.slow
def test_twenty_maps_are_recovered(record_property):
    truth, maps = patients(20)
    posteriors = recovered(maps, experiment())
    seen = measures(truth, posteriors)
    for name, value in seen.items():
        record_property(name, float(value))
    record_property("seeds", 20)
    narrow = measures(truth, posteriors, shrink=0.7)
    record_property("faults", len(faults(seen, 20)))
    record_property("faults_of_narrow", len(faults(narrow, 20)))
    assert all(posterior.ok for posterior in posteriors)
    assert faults(seen, 20) == [], seen
    assert "spread" in faults(narrow, 20), narrow


@pytest.mark.slow  # a program of its own
def test_a_lesion_is_a_what_if_on_every_draw(three):
    posterior = three[2][0]
    slowed, ok = posterior.after(scale("regions.scar.velocity", 0.5), n=32)
    before, after = (
        np.asarray(features["activation_time"][:32])
        for features in (posterior.features, slowed)
    )
    assert ok.all()
    assert (after >= before - 1e-9).all() and (after > before + 5.0).any()


def test_derivatives_are_those_of_differences():
    problem = Problem(MODEL, SPACE, mapped(arrivals(np.zeros(4))), experiment())
    z = np.array([0.3, -0.4, 0.5, 0.2])
    near = linearise_each(together(4 * [problem]), np.tile(z, (4, 1)), np.zeros((4, 0)))
    near = jax.tree.map(lambda x: x[:1], near)
    differences = central(problem, z, near)
    apart = np.abs(near.jacobian[0] - differences)
    # where an electrode takes its time from another simplex within the step the second
    # derivative jumps, and differences are right to the step only
    assert np.median(apart) < 1e-8 and apart.max() < 5e-3
    wrong = near.jacobian[0] * np.array([1.0, 1.0, 1.01, 1.0])
    assert np.median(np.abs(wrong - differences)[:, 2]) > 1e-3


def test_a_front_along_and_across_fibres_takes_what_the_velocities_say():
    places = electrodes()
    places[:3, :2] = [[22.0, 2.0], [2.0, 22.0], [2.0, 2.0]]
    mapping = ActivationMapping.of(with_fields(geometry(0.0), regions={}), places)
    sites = {"pacing": Site((2.0, 2.0, 0.0), 5.0), "late": Site((28.0, 28.0, 0.0), 1e3)}
    model = RegionalConduction({"all": Region(0.5, 2.0)}, sites)
    seen = mapping.predict(model, ()).features
    # along the sides of the triangles the first-order scheme is exact
    np.testing.assert_allclose(seen["activation_time"][:3], [45, 85, 5], rtol=1e-12)
    assert float(seen["earliest_activation"]) == 5.0
    swapped = replace(model, "regions.all.anisotropy", 0.5)
    wrong = mapping.predict(swapped, ()).features["activation_time"]
    assert abs(float(wrong[1]) - 85.0) > 10.0


@pytest.mark.parametrize("kind", ["mesh", "voxels"])
def test_an_electrode_reads_a_plane_front_exactly(kind):
    sheet = Sheet(30.0, 30.0)
    space = sheet.as_mesh(2.0) if kind == "mesh" else sheet.as_voxels(3.0)
    shift = np.random.default_rng(0).uniform(-1.5, 1.5, (36, 3)) * [1.0, 1.0, 0.2]
    places = electrodes() + shift  # and a little off the sheet
    mapping = ActivationMapping.of(space, places)
    np.testing.assert_allclose(mapping.weights.sum(axis=1), 1.0, atol=1e-12)
    nodes = np.asarray(mapping.space.nodes) + np.asarray(mapping.space.centre)
    read = np.einsum("ek,ekx->ex", mapping.weights, nodes[mapping.nodes])
    np.testing.assert_allclose(read[:, :2], places[:, :2], atol=1e-9)


def test_a_dense_map_does_not_claim_more_than_the_model_knows():
    few, many = (ActivationMap(np.arange(float(n)), SD) for n in (40, 4000))
    assert float(few.weight) == 1.0
    assert float(many.weight) ** 2 * 4000 == pytest.approx(50.0)
    assert float(many.discrepancy_sd) == pytest.approx(np.hypot(1.0, 0.02 * 3999.0))


WRONG_MAPS = {
    "2 of 3 times are not numbers, the first that of electrode 1": (
        [1, np.nan, np.nan],
    ),
    "one time .ms. for each electrode": ([[1.0, 2.0]],),
    "electrode 2 has two times": ([1.0, 2.0], SD, [2, 2]),
    "electrodes are 2 whole numbers": ([1.0, 2.0], SD, [0.5, 1.0]),
    "a measurement's standard deviation": ([1.0, 2.0], 0.0),
}


@pytest.mark.parametrize("words", WRONG_MAPS)
def test_a_map_that_is_none_is_refused(words):
    values, *rest = WRONG_MAPS[words]
    with pytest.raises(ValueError, match=words):
        ActivationMap(np.asarray(values, float), *map(np.asarray, rest or [SD]))


def test_an_experiment_refuses_what_it_cannot_predict():
    mapping, times = experiment(), mapped(np.zeros(36))
    pressure = Observation("mean_pressure", 90.0, 3.0, "mmHg")
    with pytest.raises(ValueError, match="mean_pressure is not read off a map"):
        mapping.check(MODEL, (pressure,))
    with pytest.raises(ValueError, match="time for electrode 36; .* 0 to 35"):
        mapping.check(MODEL, (ActivationMap(np.ones(1), SD, np.array([36])),))
    one = RegionalConduction({"healthy": MODEL.regions["healthy"]}, MODEL.sites)
    with pytest.raises(
        ValueError, match=r"Region 1 .* Region\(velocity, anisotropy, 1\)"
    ):
        mapping.check(one, times)
    more = RegionalConduction(
        MODEL.regions | {"core": Region(0.1, 1.0, 7)}, MODEL.sites
    )
    with pytest.raises(ValueError, match="'core' has number 7; the geometry has 0, 1"):
        mapping.check(more, times)
    far = replace(MODEL, "sites.septal.position", jnp.array([90.0, 0.0, 0.0]))
    with pytest.raises(ValueError, match="Site 1 is .* mm outside the geometry"):
        mapping.check(far, times)
    still = replace(MODEL, "regions.scar.velocity", 0.0)
    with pytest.raises(ValueError, match="No wave reaches .* of 36 electrodes"):
        mapping.check(still, times)
    with pytest.raises(ValueError, match="not measured of a periodic beat"):
        Experiment().check(regazzoni(), times)


def test_a_geometry_that_does_not_fit_is_refused():
    places = electrodes()
    places[1, 2] = 50.0
    with pytest.raises(ValueError, match="Electrode 1 is .* mm outside the geometry"):
        ActivationMapping.of(geometry(), places)
    bare = with_fields(geometry(), fibres={}, sheets={})
    with pytest.raises(ValueError, match="no fibres"):
        ActivationMapping.of(bare, electrodes()).check(MODEL, ())


def test_what_fails_is_said_in_the_experiments_words():
    told = {"ess": 900.0, "draws": 500.0, "failed": 90.0, "evaluations": 900.0}
    (line,) = _trust(told, experiment().answer)
    assert line == "90 of 900 draws had no wave that reaches every electrode."
    assert Experiment.answer == "periodic beat"
