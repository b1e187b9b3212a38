"""The travel time from the face of one simplex to the corner opposite, in closed form.

A front passes a simplex as a plane. The corner x is reached at

    T(x) = min over s in the face of  T(s) + |x - s|_M,   T linear on the face,

where |d|_M^2 = d^T C^-1 d and C = v_f^2 f f^T + v_s^2 s s^T + v_n^2 n n^T. The minimum
over the whole closed face is monotone in the times of the face, so that iterating it
converges whether or not the simplex is acute in the metric (Bornemann and Rasch 2006,
10.1007/s00791-006-0016-y; Fu, Kirby and Whitaker 2013, 10.1137/120881956).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

#: The time of a node that was not reached (ms): finite, so that 0 x NEVER is 0.
NEVER = 1e9


class Arrival(NamedTuple):
    """A time (n,), and the nodes (3, n) and weights (3, n) of the face it came from.

    The weights are dT/dT_i of the corners; both are None where only times are wanted.
    """

    time: Array
    nodes: Array | None = None
    weights: Array | None = None


def earlier(one: Arrival, other: Arrival) -> Arrival:
    """Node by node the arrival that comes first; on a tie the first named."""
    wins = other.time < one.time

    def pick(a: Array, b: Array) -> Array:
        return jnp.where(jnp.broadcast_to(wins, a.shape), b, a)

    return jax.tree.map(pick, one, other)


def over_edge(
    t1: Array, t2: Array, q1: Array, q2: Array, q12: Array
) -> tuple[Array, Array]:
    """Arrival over the segment 1-2 and the weight of its end 2, ends included.

    ``q1``, ``q2``, ``q12`` are the squared travel times x-1, x-2 and 1-2 (ms^2).
    """
    tau = t2 - t1
    slope = 0.5 * (q2 - q1 - q12)  # of the squared distance to x, over 2, at end 1
    foot = -slope / q12
    height = jnp.maximum(q1 + foot * slope, 0.0)
    # A front along the segment makes the root's argument 0, in every bit or nearly: the
    # floor sends s to the right end, and no rounding can make it negative.
    under = q12 * jnp.maximum(q12 - tau * tau, 8.0 * jnp.finfo(tau.dtype).eps * q12)
    s = jnp.clip(foot - tau * jnp.sqrt(height / under), 0.0, 1.0)
    way = jnp.maximum(q1 + s * (2.0 * slope + s * q12), 0.0)
    return (1.0 - s) * t1 + s * t2 + jnp.sqrt(way), s


def over_triangle(
    t: Float[Array, "3 n"], q: Float[Array, "6 n"]
) -> tuple[Array, Float[Array, "3 n"]]:
    """Arrival through the inside of a triangle and its weights; NEVER where not inside.

    ``q`` are the squared travel times x-1, x-2, x-3, 1-2, 1-3, 2-3. With G_ij the
    scalar products of the edges from x, (u 1 - t)^T G^-1 (u 1 - t) = 1 gives u.
    """
    g11, g22, g33, q12, q13, q23 = q
    g12, g13, g23 = (
        0.5 * (g11 + g22 - q12),
        0.5 * (g11 + g33 - q13),
        0.5 * (g22 + g33 - q23),
    )
    a11, a22, a33 = g22 * g33 - g23**2, g11 * g33 - g13**2, g11 * g22 - g12**2
    a12, a13, a23 = (
        g13 * g23 - g12 * g33,
        g12 * g23 - g13 * g22,
        g12 * g13 - g11 * g23,
    )
    det = g11 * a11 + g12 * a12 + g13 * a13
    first = jnp.minimum(jnp.minimum(t[0], t[1]), t[2])
    s1, s2, s3 = (time - first for time in t)
    r1, r2, r3 = a11 + a12 + a13, a12 + a22 + a23, a13 + a23 + a33
    total = r1 + r2 + r3
    mixed = r1 * s1 + r2 * s2 + r3 * s3
    pull = (
        a11 * s1 * s1
        + a22 * s2 * s2
        + a33 * s3 * s3
        + 2.0 * (a12 * s1 * s2 + a13 * s1 * s3 + a23 * s2 * s3)
    )
    root = mixed * mixed - total * (pull - det)
    u = (mixed + jnp.sqrt(jnp.maximum(root, 0.0))) / jnp.where(total > 0, total, 1.0)
    d1, d2, d3 = u - s1, u - s2, u - s3
    w1 = a11 * d1 + a12 * d2 + a13 * d3
    w2 = a12 * d1 + a22 * d2 + a23 * d3
    w3 = a13 * d1 + a23 * d2 + a33 * d3
    weight = w1 + w2 + w3
    known = jnp.maximum(jnp.maximum(t[0], t[1]), t[2]) < 0.5 * NEVER
    inside = jnp.minimum(jnp.minimum(w1, w2), w3) >= 0
    ok = known & inside & (root >= 0) & (det > 0) & (weight > 0)
    scale = 1.0 / jnp.where(ok, weight, 1.0)
    return jnp.where(ok, first + u, NEVER), jnp.stack([w1, w2, w3]) * scale[None, :]


def over_axis_face(
    t: tuple[Array, Array, Array], tensor: tuple[Array, ...], spacing: Array
) -> tuple[Array, tuple[Array, Array, Array]]:
    """As `over_triangle`, for the corners x+a, x+a+b, x+a+b+c of a cubic grid.

    ``tensor`` is C in the axes a, b, c: aa bb cc ab ac bc. Two components of the
    gradient p are differences of the times; p^T C p = 1 gives the third, and the
    front comes from inside the face where (C p)_a >= (C p)_b >= (C p)_c >= 0.
    """
    aa, bb, cc, ab, ac, bc = tensor
    pb, pc = (t[0] - t[1]) / spacing, (t[1] - t[2]) / spacing
    known = ab * pb + ac * pc
    root = known * known - aa * (pb * (bb * pb + 2.0 * bc * pc) + cc * pc * pc - 1.0)
    va = jnp.sqrt(jnp.maximum(root, 0.0))
    pa = (va - known) / jnp.where(aa > 0, aa, 1.0)
    vb = ab * pa + bb * pb + bc * pc
    vc = ac * pa + bc * pb + cc * pc
    last = jnp.maximum(jnp.maximum(t[0], t[1]), t[2])
    ok = (root > 0) & (va >= vb) & (vb >= vc) & (vc >= 0) & (last < 0.5 * NEVER)
    scale = 1.0 / jnp.where(ok, va, 1.0)
    weights = ((va - vb) * scale, (vb - vc) * scale, vc * scale)
    return jnp.where(ok, t[0] + spacing * pa, NEVER), weights
