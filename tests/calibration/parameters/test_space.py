"""A Space maps z to a model and back, and z is standard normal under the prior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from calibration import Free, LogNormal, Normal, Space, TruncatedNormal, Uniform
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.parameters import get

PRIORS = {
    "lognormal": Free("systemic.resistance", LogNormal(0.9, 0.2)),
    "lognormal, cut": Free("systemic.resistance", LogNormal(0.9, 0.2), 0.7, 1.3),
    "normal": Free("rhythm.rate", Normal(72.0, 5.0)),
    "normal, cut": Free("rhythm.rate", Normal(72.0, 5.0), 70.0),
    "truncated": Free("blood_volume", TruncatedNormal(3000.0, 400.0, 2500.0, 3600.0)),
    "uniform": Free("blood_volume", Uniform(2500.0, 3600.0)),
}
SPACE = Space(
    (
        PRIORS["lognormal, cut"],
        PRIORS["normal"],
        PRIORS["uniform"],
        Free("offset", Normal(0.0, 2.0), of="nuisance"),
    )
)


@pytest.mark.parametrize("free", PRIORS.values(), ids=list(PRIORS))
def test_physical_values_and_z_are_inverse(free):
    space = Space((free,))
    for z in (-3.0, -0.5, 0.0, 0.7, 3.0):
        value = space.physical(jnp.asarray([z]))
        # 1e-10: the normal quantile loses digits where its slope is small
        np.testing.assert_allclose(space.to_unconstrained(value), [z], atol=1e-10)


def test_push_after_pull_is_identity():
    model = regazzoni()
    z = SPACE.pull(model)
    again = SPACE.push(model, z)
    for name in SPACE.names[:3]:
        np.testing.assert_allclose(get(again, name), get(model, name), rtol=1e-14)
    np.testing.assert_allclose(SPACE.pull(again), z, atol=1e-12)
    assert SPACE.pull(model, offset=2.0)[3] == pytest.approx(1.0)


def test_push_under_vmap_is_a_loop():
    model = regazzoni()
    z = SPACE.sample(jax.random.key(0), 5)
    batch = jax.vmap(lambda z: get(SPACE.push(model, z), "blood_volume"))(z)
    loop = [get(SPACE.push(model, row), "blood_volume") for row in z]
    np.testing.assert_allclose(batch, jnp.stack(loop), rtol=1e-14)


@pytest.mark.parametrize(
    ("free", "law"),
    [
        (PRIORS["lognormal"], stats.lognorm(0.2, scale=0.9)),
        (PRIORS["normal"], stats.norm(72.0, 5.0)),
        (PRIORS["truncated"], stats.truncnorm(-1.25, 1.5, 3000.0, 400.0)),
        (PRIORS["uniform"], stats.uniform(2500.0, 1100.0)),
    ],
    ids=["lognormal", "normal", "truncated", "uniform"],
)
def test_draws_follow_the_stated_prior(free, law):
    space = Space((free,))
    z = space.sample(jax.random.key(1), 2000)
    values = np.asarray(jax.vmap(space.physical)(z)[free.name])
    assert stats.kstest(values, law.cdf).pvalue > 0.01
    # and a wrong law is noticed
    wrong = values * (1.0 + 0.1 * np.sign(values - np.median(values)))
    assert stats.kstest(wrong, law.cdf).pvalue < 0.01


def test_the_derivative_of_the_transform_is_that_of_finite_differences():
    z, h = jnp.asarray([0.3, -1.0, 1.5, 0.2]), 1e-6

    def value(z):
        return jnp.stack(list(SPACE.physical(z).values()))

    slope = jax.jacfwd(value)(z)
    central = [
        (value(z.at[k].add(h)) - value(z.at[k].add(-h))) / (2 * h) for k in range(4)
    ]
    np.testing.assert_allclose(slope, jnp.stack(central, -1), rtol=1e-6, atol=1e-6)


def test_the_log_prior_is_the_standard_normal_density():
    z = jnp.asarray([0.5, -1.0, 2.0, 0.0])
    wanted = stats.norm.logpdf(np.asarray(z)).sum()
    np.testing.assert_allclose(SPACE.log_prior(z), wanted, rtol=1e-12)


def test_values_stay_inside_their_bounds_far_out():
    space = Space((PRIORS["lognormal, cut"],))
    for z in (-30.0, 30.0):
        value = float(space.physical(jnp.asarray([z]))["systemic.resistance"])
        assert 0.7 <= value <= 1.3


def test_a_value_outside_its_bounds_is_refused_by_name():
    space = Space((Free("systemic.resistance", LogNormal(1.2, 0.2), 0.9, 2.0),))
    with pytest.raises(ValueError, match=r"systemic\.resistance = 0\.8 lies outside"):
        space.pull(regazzoni())


def test_a_misspelt_name_lists_the_nearest():
    space = Space((Free("systemic.resistence", LogNormal(1.0, 0.2)),))
    with pytest.raises(KeyError, match=r"systemic\.resistance"):
        space.push(regazzoni(), jnp.zeros(1))
    with pytest.raises(KeyError, match=r"systemic\.resistance"):
        space.check(regazzoni())
    with pytest.raises(KeyError, match=r"rhythm\.rate"):
        SPACE.index("rythm.rate")


def test_what_cannot_be_a_space_is_refused():
    with pytest.raises(ValueError, match="twice"):
        Space((PRIORS["normal"], PRIORS["normal"]))
    with pytest.raises(ValueError, match="nothing lies between"):
        Free("rhythm.rate", Normal(72.0, 5.0), 90.0, 80.0)
    with pytest.raises(ValueError, match="positive"):
        Normal(72.0, 0.0)
    with pytest.raises((ValueError, TypeError), match="prior"):
        Free("rhythm.rate", 72.0)
    with pytest.raises(ValueError, match="not one number"):
        Space((Free("rhythm", Normal(0.0, 1.0)),)).check(regazzoni())
