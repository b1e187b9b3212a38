"""Priors in physical units, each a monotone map of a standard normal variable.

Every prior here is x = g(u) with u ~ N(0, 1) and g increasing, so that a vector of
free parameters becomes a vector z that is *exactly* standard normal before the data:
z = 0 is the prior median, the prior's residual is z itself, and no Jacobian is left
over. Bounds cut the normal: u is then the normal variable truncated to
[g^-1(lower), g^-1(upper)] at the same probability as z.
"""

import abc

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, ArrayLike, Float

# Beyond this many sd a cut takes less than one part in 10^15 of a normal.
_NO_CUT = 8.0


def number(value: ArrayLike) -> Float[Array, ""]:
    """A typed number as a floating scalar; ``ValueError`` for anything else."""
    array = jnp.asarray(value, jnp.result_type(float))
    if array.ndim:
        raise ValueError(f"One number is wanted; got shape {array.shape}.")
    return array


class AbstractPrior(eqx.Module):
    """A distribution of one parameter, in its physical unit."""

    @abc.abstractmethod
    def value(self, u: Float[Array, ""]) -> Float[Array, ""]:
        """The value at a standard normal variable u."""

    @abc.abstractmethod
    def normal(self, x: Float[Array, ""]) -> Float[Array, ""]:
        """The standard normal variable at a value; the inverse of ``value``."""

    @abc.abstractmethod
    def support(self) -> tuple[Array, Array]:
        """The smallest and the largest possible value (infinite where open)."""


def _positive(value: Array, what: str) -> None:
    if not bool(value > 0.0):
        raise ValueError(f"A prior's {what} must be positive; got {float(value)}.")


class Normal(AbstractPrior):
    """Normal with a mean and an sd, in the parameter's unit."""

    mean: Array = eqx.field(converter=number)
    sd: Array = eqx.field(converter=number)

    def __check_init__(self) -> None:
        _positive(self.sd, "sd")

    def value(self, u: Float[Array, ""]) -> Float[Array, ""]:
        return self.mean + self.sd * u

    def normal(self, x: Float[Array, ""]) -> Float[Array, ""]:
        return (x - self.mean) / self.sd

    def support(self) -> tuple[Array, Array]:
        return -jnp.inf * jnp.ones(()), jnp.inf * jnp.ones(())


class TruncatedNormal(AbstractPrior):
    """Normal cut to [lower, upper]; ``mean`` and ``sd`` are those before the cut."""

    mean: Array = eqx.field(converter=number)
    sd: Array = eqx.field(converter=number)
    lower: Array = eqx.field(converter=number)
    upper: Array = eqx.field(converter=number)

    def __check_init__(self) -> None:
        _positive(self.sd, "sd")
        _positive(self.upper - self.lower, "upper - lower")

    def value(self, u: Float[Array, ""]) -> Float[Array, ""]:
        return self.mean + self.sd * u

    def normal(self, x: Float[Array, ""]) -> Float[Array, ""]:
        return (x - self.mean) / self.sd

    def support(self) -> tuple[Array, Array]:
        return self.lower, self.upper


class LogNormal(AbstractPrior):
    """Positive: its logarithm is normal about log(median) with ``sd_log``.

    ``sd_log = 0.2`` is about 20 % either way.
    """

    median: Array = eqx.field(converter=number)
    sd_log: Array = eqx.field(converter=number)

    def __check_init__(self) -> None:
        _positive(self.median, "median")
        _positive(self.sd_log, "sd_log")

    def value(self, u: Float[Array, ""]) -> Float[Array, ""]:
        return self.median * jnp.exp(self.sd_log * u)

    def normal(self, x: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.log(x / self.median) / self.sd_log

    def support(self) -> tuple[Array, Array]:
        return jnp.zeros(()), jnp.inf * jnp.ones(())


class Uniform(AbstractPrior):
    """Every value between ``lower`` and ``upper`` alike."""

    lower: Array = eqx.field(converter=number)
    upper: Array = eqx.field(converter=number)

    def __check_init__(self) -> None:
        _positive(self.upper - self.lower, "upper - lower")

    def value(self, u: Float[Array, ""]) -> Float[Array, ""]:
        return self.lower + (self.upper - self.lower) * ndtr(u)

    def normal(self, x: Float[Array, ""]) -> Float[Array, ""]:
        return ndtri((x - self.lower) / (self.upper - self.lower))

    def support(self) -> tuple[Array, Array]:
        return self.lower, self.upper


def _inside(flip: Array, a: Array, b: Array, p_of: Array, inverse: bool) -> Array:
    """The cut normal's map on the lower tail, where probabilities keep their digits.

    The upper half is mapped by symmetry (``flip``): ndtr(-x) has the digits that
    1 - ndtr(x) lost.
    """
    low = jnp.where(flip, ndtr(-b), ndtr(a))
    high = jnp.where(flip, ndtr(-a), ndtr(b))
    below = jnp.where(flip, -p_of, p_of)
    share = ndtr(below)
    share = (share - low) / (high - low) if inverse else low + share * (high - low)
    out = ndtri(share)
    return jnp.where(flip, -out, out)


def _cut(prior: AbstractPrior, lower: Array, upper: Array) -> tuple[Array, Array]:
    """The bounds as standard normal variables, the prior's own support included."""
    least, most = prior.support()
    least, most = jnp.maximum(lower, least), jnp.minimum(upper, most)
    return prior.normal(least), prior.normal(most)


def bounded_value(
    prior: AbstractPrior, z: Float[Array, ""], lower: Array, upper: Array
) -> Float[Array, ""]:
    """The value at z under the prior cut to [lower, upper]; z = 0 is its median."""
    a, b = _cut(prior, lower, upper)
    uncut = (a < -_NO_CUT) & (b > _NO_CUT)
    safe = jnp.where(uncut, 0.0, z)
    a, b = jnp.where(uncut, -1.0, a), jnp.where(uncut, 1.0, b)
    value = prior.value(jnp.where(uncut, z, _inside(z > 0.0, a, b, safe, False)))
    return jnp.clip(value, lower, upper)  # a rounding error outside is outside


def bounded_normal(
    prior: AbstractPrior, x: Float[Array, ""], lower: Array, upper: Array
) -> Float[Array, ""]:
    """The inverse of :func:`bounded_value`."""
    a, b = _cut(prior, lower, upper)
    uncut = (a < -_NO_CUT) & (b > _NO_CUT)
    u = prior.normal(x)
    safe = jnp.where(uncut, 0.0, u)
    a, b = jnp.where(uncut, -1.0, a), jnp.where(uncut, 1.0, b)
    middle = ndtri(0.5 * (ndtr(a) + ndtr(b)))
    return jnp.where(uncut, u, _inside(u > middle, a, b, safe, True))
