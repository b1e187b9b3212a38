"""Electrograms against closed forms, against each other, and what is read off them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from physio.electrophysiology.signals import electrograms as eg

STEP, SECTION, CONDUCTIVITY, TISSUE = 0.25, 2.0, 0.4, 0.14  # mm, mm^2, mS/mm, mS/mm
DIFFUSIVITY = TISSUE / eg.MEMBRANE_CAPACITANCE  # mm^2/ms
X = STEP * np.arange(161)
NODES = np.stack([X, 0 * X, 0 * X], axis=1)
ENDS = np.arange(161) % 160 == 0
VOLUMES = SECTION * STEP * np.where(ENDS, 0.5, 1.0)
ELECTRODES = np.array([[20.0, 1.0, 0.0], [20.0, 3.0, 0.0], [28.0, 0.0, 2.0]])


def diffusion(v):
    """Second differences with zero flux at both ends."""
    flux = DIFFUSIVITY * jnp.diff(v, axis=-1) / STEP**2
    edge = jnp.zeros_like(flux[..., :1])
    change = jnp.diff(jnp.concatenate([edge, flux, edge], axis=-1), axis=-1)
    ends = jnp.where(jnp.asarray(ENDS), 2.0, 1.0)
    return change * jnp.broadcast_to(ends, change.shape)


def ramp(front):
    """100 mV behind the front, a straight fall of 4 mm ahead of it."""
    return np.clip(100.0 * (1.0 - (X - front) / 4.0), 0.0, 100.0)


@pytest.fixture(scope="module")
def weights():
    return eg.lead_field(ELECTRODES, NODES, VOLUMES, CONDUCTIVITY)


def test_a_straight_front_has_the_closed_form_of_two_point_sources(weights):
    fronts = STEP * np.arange(8, 130, 3)  # its corners on nodes: exact to round-off
    v = np.stack([ramp(front) for front in fronts])
    source = eg.MEMBRANE_CAPACITANCE * diffusion(jnp.asarray(v))
    found = eg.unipolar(weights, source)
    corners = np.stack([fronts, fronts + 4.0])[..., None] * [1.0, 0.0, 0.0]
    distance = np.linalg.norm(corners[:, :, None] - ELECTRODES[None, None], axis=-1)
    strength = TISSUE * SECTION * 100.0 / (4 * np.pi * CONDUCTIVITY * 4.0)
    expected = strength * (1.0 / distance[1] - 1.0 / distance[0])
    np.testing.assert_allclose(found, expected, atol=1e-12)
    # positive as it comes, negative as it goes: the intrinsic deflection is downward
    assert found[0, 0] > 0.0 > found[-1, 0]
    # broken: with the tissue's conductivity in the place of the conductor's
    swapped = eg.lead_field(ELECTRODES, NODES, VOLUMES, TISSUE)
    assert np.abs(eg.unipolar(swapped, source) - expected).max() > 0.5


def test_a_smooth_front_agrees_with_quadrature(weights):
    front, width = 17.3, 1.5
    v = 50.0 * (1.0 - np.tanh((X - front) / width))
    found = eg.unipolar(
        weights, eg.MEMBRANE_CAPACITANCE * diffusion(jnp.asarray(v))[None]
    )

    def integrand(x, electrode):
        s = (x - front) / width
        second = 100.0 * np.tanh(s) / np.cosh(s) ** 2 / width**2
        return second / np.linalg.norm(electrode - [x, 0.0, 0.0])

    expected = [
        TISSUE * SECTION / (4 * np.pi * CONDUCTIVITY)
        * quad(integrand, 0.0, 40.0, args=(e,), points=[front], limit=200)[0]
        for e in ELECTRODES
    ]  # fmt: skip
    # second order: (h / width)^2 is 3 %, of which a twelfth to a third remains
    np.testing.assert_allclose(found[0], expected, rtol=0.01)


def test_sources_voltage_and_gradient_forms_agree(weights):
    rng = np.random.default_rng(0)
    v = rng.normal(size=(5, X.size)) * 30.0
    by_source = eg.unipolar(
        weights, jnp.asarray(v), lambda row: eg.MEMBRANE_CAPACITANCE * diffusion(row)
    )
    by_voltage = eg.unipolar(eg.voltage_weights(weights, VOLUMES, diffusion), v)
    # Green's identity for a symmetric operator: equal but for round-off
    np.testing.assert_allclose(by_source, by_voltage, atol=1e-11)
    # broken: an operator that is not symmetric under these volumes
    even = np.full_like(VOLUMES, SECTION * STEP)
    lopsided = eg.voltage_weights(
        eg.lead_field(ELECTRODES, NODES, even, 0.4), even, diffusion
    )
    assert np.abs(eg.unipolar(lopsided, v) - by_source).max() > 1e-3

    lines = np.stack([np.arange(160), np.arange(1, 161)], axis=1)
    tensor = np.tile(TISSUE * np.eye(3), (160, 1, 1))
    by_gradient = eg.gradient_weights(
        ELECTRODES, NODES, lines, tensor, CONDUCTIVITY, thickness=SECTION
    )
    smooth = 50.0 * (1.0 - np.tanh((X - np.arange(5, 35)[:, None]) / 1.5))
    a = eg.unipolar(by_gradient, smooth)
    b = eg.unipolar(eg.voltage_weights(weights, VOLUMES, diffusion), smooth)
    # one point of quadrature an element: (h / distance)^2 / 24 at 1 mm is 0.3 %
    assert np.abs(a - b).max() < 0.01 * np.abs(b).max()


@pytest.mark.parametrize("corners", [3, 4])
def test_the_gradient_form_on_triangles_and_tetrahedra(corners):
    """A linear V in a thin anisotropic box equals a uniform dipole density."""
    n = 7
    index = np.stack(np.meshgrid(*[np.arange(n)] * 2, [0, 1], indexing="ij"), -1)
    nodes = (0.5 * index.reshape(-1, 3)).astype(float)
    number = np.arange(len(nodes)).reshape(n, n, 2)
    a, b = number[:-1, :-1, 0].ravel(), number[1:, :-1, 0].ravel()
    c, d = number[1:, 1:, 0].ravel(), number[:-1, 1:, 0].ravel()
    if corners == 3:
        elements = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
        thickness = 0.5
    else:
        up = 1  # the node above is the next number
        prisms = [(a, b, c), (a, c, d)]
        elements = np.concatenate(
            [
                np.stack(four, axis=1)
                for p, q, r in prisms
                for four in (
                    (p, q, r, r + up),
                    (p, q, q + up, r + up),
                    (p, p + up, q + up, r + up),
                )
            ]
        )
        thickness = 1.0
    tensor = np.diag([0.17, 0.05, 0.02])
    electrode = np.array([[12.0, 90.0, 300.0]])
    weights = eg.gradient_weights(
        electrode, nodes, elements, np.tile(tensor, (len(elements), 1, 1)), 0.6,
        thickness=thickness,
    )  # fmt: skip
    slope = np.array([3.0, -2.0, 0.0])
    found = float(eg.unipolar(weights, (nodes @ slope)[None])[0, 0])
    middle = np.array([1.5, 1.5, 0.25 if corners == 4 else 0.0])
    away = electrode[0] - middle
    moment = -tensor @ slope * 3.0 * 3.0 * 0.5  # the box is 3 x 3 x 0.5 mm
    expected = moment @ away / np.linalg.norm(away) ** 3 / (4 * np.pi * 0.6)
    # a dipole in the place of a box: of the order of (3 / 313)^2, 9e-5
    assert found == pytest.approx(expected, rel=2e-4)


def test_electrodes_on_nodes_and_bad_conductors_are_refused():
    with pytest.raises(ValueError, match="Electrode 1 lies on a node"):
        eg.lead_field(np.array([[0.0, 1, 0], [2.0, 0, 0]]), NODES, VOLUMES, 0.4)
    with pytest.raises(ValueError, match="above 0 mS/mm"):
        eg.lead_field(ELECTRODES, NODES, VOLUMES, 0.0)


def test_local_activation_is_when_the_front_passes():
    t = np.arange(0.0, 60.0, 0.5)
    weights = eg.lead_field(ELECTRODES[:2], NODES, VOLUMES, CONDUCTIVITY)
    by_voltage = eg.voltage_weights(weights, VOLUMES, diffusion)
    v = 50.0 * (1.0 - np.tanh((X[None] - 0.6 * t[:, None]) / 0.8))
    signal = eg.unipolar(by_voltage, v)
    found = eg.local_activation_times(t, signal)
    # 0.6 mm/ms to x = 20 mm; a fiftieth of a sample by symmetry of front and cable
    np.testing.assert_allclose(found, 20.0 / 0.6, atol=0.02)
    assert np.abs(t[np.argmax(-np.diff(signal[:, 0]))] - 20.0 / 0.6) > 0.05
    assert np.isnan(eg.local_activation_times(t, signal, least_slope=9.0)).all()
    pair = eg.bipolar(signal, np.array([[0, 1], [1, 1]]))
    np.testing.assert_allclose(pair[:, 0], signal[:, 0] - signal[:, 1])
    assert float(eg.peak_to_peak(pair)[1]) == 0.0 < float(eg.peak_to_peak(pair)[0])


def test_deflections_are_counted_above_the_noise():
    t = np.arange(0.0, 200.0, 1.0)

    def bump(at, size):
        return size * np.exp(-0.5 * ((t - at) / 4.0) ** 2)

    noise = 0.02 * np.random.default_rng(0).normal(size=t.size)
    one = bump(80, 1.0)
    two = bump(80, 1.0) + bump(95, -1.2)
    five = two + bump(120, 0.5) + bump(140, -0.4) + bump(160, 0.5)
    small = two + bump(150, 0.1)
    signals = np.stack([one, two, five, small, 0 * t], axis=1) + noise[:, None]
    np.testing.assert_array_equal(eg.deflections(signals, 0.2), [1, 2, 5, 2, 0])
    assert int(eg.deflections(signals, 0.01)[4]) > 20  # broken: below the noise


def test_single_precision_is_kept():
    small = [jnp.asarray(x, jnp.float32) for x in (ELECTRODES, NODES, VOLUMES)]
    weights = eg.lead_field(*small, CONDUCTIVITY)
    assert weights.dtype == jnp.float32
    jitted = jax.jit(lambda w, v: eg.unipolar(w, v))(weights, jnp.ones((2, 161), "f4"))
    assert jitted.dtype == jnp.float32
