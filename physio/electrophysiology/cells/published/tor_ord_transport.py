"""Carriers and channels of ToR-ORd that are solved as cycles or flux equations.

The sodium-calcium exchanger and the sodium-potassium pump of O'Hara, Virag, Varro and
Rudy 2011 (10.1371/journal.pcbi.1002061, supplement), and the constant-field flux with
activity coefficients of Tomek 2019 (10.7554/eLife.48890, calcium current). Rates are
per ms, concentrations mM, ``e`` = exp(V F / R T).
"""

import jax.numpy as jnp
from jaxtyping import Array

# Davies equation at 310 K in water of dielectric constant 74
_DAVIES = 1.82e6 * (74.0 * 310.0) ** -1.5


def ionic_strength(sodium: Array, potassium: Array, chloride: Array, calcium: Array):
    """Half the sum of c z^2 (M, from mM)."""
    return (sodium + potassium + chloride + 4 * calcium) * 0.0005


def activity(strength: Array, valence: int) -> Array:
    """Activity coefficient by Davies: ln g = -A z^2 (sqrt I / (1 + sqrt I) - 0.3 I)."""
    root = jnp.sqrt(strength)
    return jnp.exp(-_DAVIES * valence**2 * (root / (1 + root) - 0.3 * strength))


def field_factor(x: Array) -> Array:
    """x / (exp x - 1), 1 at x = 0."""
    near = jnp.abs(x) < 1e-6
    safe = jnp.where(near, 1.0, x)
    return jnp.where(near, 1 - 0.5 * x, safe / jnp.expm1(safe))


def exchanger_outside(nao: Array, cao: Array, e_na: Array) -> tuple[Array, ...]:
    """(k1, k3', k3'', k8 / (h2 w_na)) of the outward-facing side; e_na = e^0.5224."""
    h7 = 1 + nao * (1 / 88.12) * (1 + 1 / e_na)
    h8 = nao / (88.12 * e_na * h7)
    h10 = 12.5 + 1 + nao * (1 / 15.0) * (1 + nao * (1 / 5.0))
    h11 = nao * nao / (h10 * 75.0)
    return cao * 1.5e6 / h10, 6e4 / h7, h8 * 5e3, h8 * h11 * 6e4


def exchange(
    nai: Array, cai: Array, outside: tuple[Array, ...], e_na: Array, e_ca: Array
) -> Array:
    """J_Na + 2 J_Ca of the exchanger's four states, with its calcium activation."""
    h1 = 1 + nai * (1 / 88.12) * (1 + e_na)
    h2 = nai * e_na / (88.12 * h1)
    h4 = 1 + nai * (1 / 15.0) * (1 + nai * (1 / 5.0))
    h5 = nai * nai / (h4 * 75.0)
    k1, k3p, k3pp, k8 = outside
    k2 = k5 = 5e3
    k3 = k3p + k3pp
    k4pp = h2 * 5e3
    k4 = 6e4 / (h1 * e_ca) + k4pp
    k6 = cai * 1.5e6 / h4
    k7 = h5 * h2 * 6e4
    x1 = k2 * k4 * (k7 + k6) + k5 * k7 * (k2 + k3)
    x2 = k1 * k7 * (k4 + k5) + k4 * k6 * (k1 + k8)
    x3 = k1 * k3 * (k7 + k6) + k8 * k6 * (k2 + k3)
    x4 = k2 * k8 * (k4 + k5) + k3 * k5 * (k1 + k8)
    sodium = 3 * (x4 * k7 - x1 * k8) + x3 * k4pp - x2 * k3pp
    calcium = x2 * k2 - x1 * k1
    q = 0.00015 / cai
    return (sodium + 2 * calcium) / ((x1 + x2 + x3 + x4) * (1 + q * q))


# Sodium-potassium pump: rates that do not change, with 9.8 mM ATP, 0.05 mM ADP
_ATP = 9.8 / 1.698e-7
_A2, _B1, _A4 = 687.2, 182.4 * 0.05, 639.0 * _ATP / (1 + _ATP)
_PROTON = 1e-7


def pump(nai: Array, ki: Array, nao: Array, ko: Array, x: Array) -> Array:
    """J_Na + J_K of the sodium-potassium pump; x = V F / R T."""
    a = nai * jnp.exp(x * (0.155 / 3)) * (1 / 9.073)
    b = nao * jnp.exp(x * (-1.155 / 3)) * (1 / 27.78)
    k_in, k_out = ki * (1 / 0.5), ko * (1 / 0.3582)
    inside = (1 + a) * (1 + a) * (1 + a) + (1 + k_in) * (1 + k_in) - 1
    outside = (1 + b) * (1 + b) * (1 + b) + (1 + k_out) * (1 + k_out) - 1
    phosphate = 4.2 / (1 + _PROTON / 1.698e-7 + nai * (1 / 224.0) + ki * (1 / 292.0))
    a1, b4 = 949.5 * (a * a * a) / inside, 40.0 * (k_in * k_in) / inside
    b2, a3 = 39.4 * (b * b * b) / outside, 1899.0 * (k_out * k_out) / outside
    b3 = 79300.0 * _PROTON / (1 + _ATP) * phosphate
    x1 = _A4 * a1 * _A2 + b2 * b4 * b3 + _A2 * b4 * b3 + b3 * a1 * _A2
    x2 = b2 * _B1 * b4 + a1 * _A2 * a3 + a3 * _B1 * b4 + _A2 * a3 * b4
    x3 = _A2 * a3 * _A4 + b3 * b2 * _B1 + b2 * _B1 * _A4 + a3 * _A4 * _B1
    x4 = b4 * b3 * b2 + a3 * _A4 * a1 + b2 * _A4 * a1 + b3 * b2 * a1
    sodium = 3 * (x1 * a3 - x2 * b3)
    potassium = 2 * (x4 * _B1 - x3 * a1)
    return (sodium + potassium) / (x1 + x2 + x3 + x4)
