"""Priors in physical units, each a monotone map of a standard normal variable.

Every prior here is x = g(u) with u ~ N(0, 1) and g increasing, so that a vector of
free parameters becomes a vector z that is *exactly* standard normal before the data:
z = 0 is the prior median, the prior's residual is z itself, and no Jacobian is left
over. Bounds cut the normal: u is then the normal variable truncated to
[g^-1(lower), g^-1(upper)] at the same probability as z.
"""

import abc
from collections.abc import Sequence

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
    tails = [jnp.where(flip, *x) for x in ((-b, a), (-a, b), (-p_of, p_of))]
    low, high, share = ndtr(jnp.stack(tails))
    share = (share - low) / (high - low) if inverse else low + share * (high - low)
    out = ndtri(share)
    return jnp.where(flip, -out, out)


def _cuts(
    priors: Sequence[AbstractPrior], lower: Array, upper: Array
) -> tuple[Array, Array, Array]:
    """The bounds as standard normal variables, each prior's own support included, and
    where they cut nothing (there they are -1 and 1)."""
    supports = [prior.support() for prior in priors]
    least = [jnp.maximum(a, low) for a, (low, _) in zip(lower, supports, strict=True)]
    most = [jnp.minimum(b, up) for b, (_, up) in zip(upper, supports, strict=True)]
    a = jnp.stack([p.normal(x) for p, x in zip(priors, least, strict=True)])
    b = jnp.stack([p.normal(x) for p, x in zip(priors, most, strict=True)])
    uncut = (a < -_NO_CUT) & (b > _NO_CUT)
    return jnp.where(uncut, -1.0, a), jnp.where(uncut, 1.0, b), uncut


# The cuts of all parameters are mapped as one vector: one by one, ndtr and ndtri
# would be a fifth of what a fit has to compile.


def bounded_values(
    priors: Sequence[AbstractPrior],
    z: Float[Array, " n"],
    lower: Float[Array, " n"],
    upper: Float[Array, " n"],
) -> list[Float[Array, ""]]:
    """The values at z under priors cut to [lower, upper]; z = 0 is their medians."""
    a, b, uncut = _cuts(priors, lower, upper)
    cut = _inside(z > 0.0, a, b, jnp.where(uncut, 0.0, z), False)
    u = jnp.where(uncut, z, cut)
    # a rounding error outside is outside
    return [
        jnp.clip(prior.value(u[k]), lower[k], upper[k])
        for k, prior in enumerate(priors)
    ]


def bounded_normals(
    priors: Sequence[AbstractPrior],
    values: Sequence[Float[Array, ""]],
    lower: Float[Array, " n"],
    upper: Float[Array, " n"],
) -> Float[Array, " n"]:
    """The inverse of :func:`bounded_values`."""
    a, b, uncut = _cuts(priors, lower, upper)
    u = jnp.stack([p.normal(x) for p, x in zip(priors, values, strict=True)])
    middle = ndtri(0.5 * (ndtr(a) + ndtr(b)))
    cut = _inside(u > middle, a, b, jnp.where(uncut, 0.0, u), True)
    return jnp.where(uncut, u, cut)
