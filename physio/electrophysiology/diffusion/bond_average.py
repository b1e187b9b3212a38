"""Schemes: how the reaction is sampled on a grid, and so how true a wave's velocity is.

Second-order differences slow a wave on any grid that images or meshes give: 9 % along
and 35 % across the fibre at 0.2 mm. What is lost is the width of the front, over which
the fast current varies. :class:`BondAverage` averages that one current over the bonds
between nodes, along the front's normal; errors fall to 1 % for h / sqrt(D) up to 4.
"""

import abc
from functools import cache
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from physio.electrophysiology.cells.cell import changed
from physio.electrophysiology.diffusion.operator import (
    AbstractOperator,
    weighted_differences,
)

_STEEPNESS = 1.4e-8  # of (threshold - rest)^2: below it a front has no direction


class AbstractScheme(eqx.Module):
    """Diffusion and what a scheme adds to the reaction."""

    @abc.abstractmethod
    def prepare(self, cell: Any) -> PyTree:
        """What the scheme needs of the cell, once per run."""

    @abc.abstractmethod
    def drive(
        self, cell: Any, prepared: PyTree, operator: AbstractOperator, y: PyTree
    ) -> Float[Array, " n_node"]:
        """L v less what averaging adds to the current (mV/ms)."""


class SecondOrder(AbstractScheme):
    """The reaction at each node from that node alone."""

    def prepare(self, cell: Any) -> PyTree:
        return ()

    def drive(
        self, cell: Any, prepared: PyTree, operator: AbstractOperator, y: PyTree
    ) -> Float[Array, " n_node"]:
        return operator.apart(operator, y.v)


class BondAverage(AbstractScheme):
    """The fast current averaged over bonds, weighted along the front's normal.

    F = N + sum_k omega_k sum_+- { b [N(middle of +-o_k) - N] + c [N(+-o_k) - N] }, with
    omega_k = max(w_k, 0) g_k^2 / (eps sum w + sum_l max(w_l, 0) g_l^2) and
    g_k = V(+o_k) - V(-o_k). Voltage and the gates of the current are those of the
    neighbour at an end and the mean of both at a middle; everything else is node i's. b
    and c, and the ``states`` of the current, belong to the cell
    (:class:`~physio.electrophysiology.cells.cell.Excitation`) unless given.
    """

    middle: Float[Array, ""] | None = None
    end: Float[Array, ""] | None = None
    states: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def prepare(self, cell: Any) -> tuple[Array, Array, Array]:
        least = _STEEPNESS * jnp.square(cell.threshold - cell.initial_state().v)
        if self.middle is not None and self.end is not None:
            return self.middle, self.end, least
        rule = _rule(cell)
        if not rule.ratio:
            raise ValueError(
                f"{type(cell).__name__} has no fitted coefficients for averaging its "
                "fast current. Type scheme=fitted_average(cell).scheme, which fits "
                "them once (physio.electrophysiology.velocity.averaging), or "
                "scheme=SecondOrder()."
            )
        return *rule.coefficients(cell), least

    def drive(
        self, cell: Any, prepared: PyTree, operator: AbstractOperator, y: PyTree
    ) -> Float[Array, " n_node"]:
        states = _rule(cell).states if self.states is None else self.states
        names = ("v", *states)
        return operator.apart(
            lambda y: _averaged_drive(cell, prepared, operator, y, names), y
        )


def _averaged_drive(
    cell: Any, prepared: PyTree, operator: AbstractOperator, y: PyTree,
    names: tuple[str, ...],
) -> Array:  # fmt: skip
    middle, end, least = prepared
    here = {name: getattr(y, name) for name in names}
    # each neighbour is asked for more than once: traced once
    there = {name: cache(operator.neighbours_of(x)) for name, x in here.items()}
    own = cell.fast_current(y)

    def excess(*neighbours: int) -> Array:
        halves = ends = jnp.zeros_like(y.v)
        for k in neighbours:
            far = {name: at(k) for name, at in there.items()}
            half = {name: 0.5 * (x + far[name]) for name, x in here.items()}
            halves = halves + cell.fast_current(changed(y, **half))
            ends = ends + cell.fast_current(changed(y, **far))
        count = len(neighbours)
        return middle * (halves - count * own) + end * (ends - count * own)

    added = _averaged(operator, y.v, there["v"], excess, least)
    return weighted_differences(operator.weights, there["v"], y.v) - added


def _rule(cell: Any) -> Any:
    if cell.excitation is None:
        raise ValueError(
            f"{type(cell).__name__} does not say what its fast current is made of. "
            "Type scheme=fitted_average(cell).scheme, which finds and fits it once "
            "(physio.electrophysiology.velocity.averaging), or "
            "scheme=SecondOrder()."
        )
    return cell.excitation


def _averaged(
    operator: AbstractOperator, v: Array, at: Any, excess: Any, least: Array
) -> Array:
    """sum_k omega_k excess_k over pairs of opposite neighbours, or over edges."""
    weights = operator.weights
    half = operator.count // 2
    total, norm = jnp.zeros_like(v), jnp.zeros_like(v)
    if operator.paired:
        for k in range(half):
            # the two weights of a bond differ only where the tissue does
            weight = jnp.maximum(0.5 * (weights[k] + weights[k + half]), 0)
            share = weight * jnp.square(at(k) - at(k + half))
            total = total + share * excess(k, k + half)
            norm = norm + share + least * weight
        return total / jnp.maximum(norm, jnp.finfo(v.dtype).tiny)
    for k in range(operator.count):
        weight = jnp.maximum(weights[k], 0)
        share = weight * jnp.square(at(k) - v)
        total = total + share * excess(k)
        norm = norm + share + least * weight
    return 2 * total / jnp.maximum(norm, jnp.finfo(v.dtype).tiny)
