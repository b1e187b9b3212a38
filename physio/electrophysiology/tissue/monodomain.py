"""Excitable tissue: one cell model on one geometry, coupled by diffusion.

    Cm dV/dt = div(sigma grad V) / chi - I_ion + I_stim        (monodomain)

Explicit diffusion fused with the reaction, voltage first and gates after it, one pass
over the nodes a step. Conductivity is a leaf and the operator is built in ``prepare``,
so a lesion, a scar's edit and a derivative are the same edit.
"""

from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from physio.electrophysiology.cells.cell import changed, rush_larsen
from physio.electrophysiology.diffusion.bond_average import AbstractScheme, SecondOrder
from physio.electrophysiology.diffusion.conductivity import Conductivity, Membrane
from physio.electrophysiology.diffusion.grid import on_voxels
from physio.electrophysiology.diffusion.operator import (
    AbstractDiscretisation,
    AbstractOperator,
    largest_step,
)
from physio.system import AbstractStepper, Inputs

Model = TypeVar("Model", bound=eqx.Module)


def discretise(geometry: Any) -> AbstractDiscretisation:
    """A geometry made ready to diffuse on: voxels, or a mesh of elements."""
    if isinstance(geometry, AbstractDiscretisation):
        return geometry
    if hasattr(geometry, "spacing"):
        return on_voxels(geometry)
    if hasattr(geometry, "elements"):
        from physio.electrophysiology.diffusion.elements import on_mesh

        return on_mesh(geometry)
    raise ValueError(f"Tissue wants a Mesh or Voxels; got a {type(geometry).__name__}.")


class TissueState(eqx.Module):
    """The cells' states, one value per node.

    ``cell`` holds, for states too slow for 32 bits, their change since ``base``.
    """

    cell: PyTree
    base: dict[str, Array]

    @property
    def v(self) -> Float[Array, "*n_node"]:
        """The membrane voltage, ``(n_node,)``, or a batch of them."""
        return self.cell.v

    def whole(self) -> PyTree:
        """The cells' states with nothing taken off."""
        added = {name: getattr(self.cell, name) + b for name, b in self.base.items()}
        return changed(self.cell, **added)


class Monodomain(AbstractStepper):
    """A cell model on a geometry with a conductivity.

    ``start`` is the cells' state before the first stimulus, the model's own where
    None; ``alive`` is False where a lesion ended all excitation.
    """

    cell: Any
    geometry: AbstractDiscretisation = eqx.field(converter=discretise)
    conductivity: Conductivity
    membrane: Membrane = eqx.field(default_factory=Membrane)
    scheme: AbstractScheme = eqx.field(default_factory=SecondOrder)
    start: PyTree = None
    alive: Bool[Array, " n_node"] | None = None

    @property
    def nodes(self) -> Float[Array, "n_node 3"]:
        """Where the nodes are (mm)."""
        return self.geometry.nodes

    def initial_state(self) -> TissueState:
        start = self.cell.initial_state() if self.start is None else self.start
        count = self.geometry.nodes.shape[0]
        base = {name: getattr(start, name) for name in self.cell.slow}
        start = changed(start, **{name: jnp.zeros_like(x) for name, x in base.items()})
        kind = self.conductivity.fibre.dtype
        start, base = jax.tree.map(lambda x: x.astype(kind), (start, base))
        return TissueState(
            jax.tree.map(lambda x: jnp.broadcast_to(x, (count,)), start), base
        )

    def operator(self) -> AbstractOperator:
        """The diffusion operator; dead tissue has no bonds."""
        diffusivity = self.membrane.diffusivity(self.conductivity)
        if self.alive is not None:
            if diffusivity.ndim == 1:
                diffusivity = diffusivity[:, None]
            diffusivity = jnp.where(self.alive[None], diffusivity, 0)
        return self.geometry.operator(diffusivity)

    def prepare(self, dt: float) -> tuple[AbstractOperator, PyTree]:
        return self.operator(), self.scheme.prepare(self.cell)

    def step(
        self,
        prepared: tuple[AbstractOperator, PyTree],
        t: Float[Array, ""],
        y: TissueState,
        dt: float,
        inputs: Inputs,
    ) -> TissueState:
        before = y.whole()
        kind = before.v.dtype
        t = jnp.asarray(t, kind)
        stimulus = jnp.zeros((), kind) if inputs is None else inputs(t)
        operator, coefficients = prepared
        drive = self.scheme.drive(self.cell, coefficients, operator, before)
        after = rush_larsen(self.cell, before, drive, stimulus, dt, stored=y.cell)
        if self.alive is not None:
            after = changed(after, v=jnp.where(self.alive, after.v, before.v))
        return TissueState(after, y.base)

    def observe(
        self, t: Float[Array, ""], y: TissueState, inputs: Inputs
    ) -> dict[str, Array]:
        return {"voltage": y.v}


def as_dtype(model: Model, dtype: Any) -> Model:
    """The model with every floating leaf in another precision."""
    return jax.tree.map(
        lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, model
    )


@eqx.filter_jit
def _limit(tissue: Monodomain) -> Float[Array, ""]:
    return largest_step(tissue.operator())


def check_step(tissue: Monodomain, dt: float) -> None:
    """Raise ``ValueError``, with the limit, where explicit diffusion would blow up."""
    refuse_above(float(_limit(tissue)), dt)


def refuse_above(limit: float, dt: float) -> None:
    """Raise ``ValueError`` where dt is above the stability limit (ms)."""
    if dt > limit:
        raise ValueError(
            f"dt={dt:g} ms is above the stability limit of this tissue, {limit:.3g} "
            f"ms. Take dt={_below(limit):g}, a coarser grid or a lower conductivity."
        )


def _below(limit: float) -> float:
    """A round step at most 0.9 of the limit."""
    scale = 10.0 ** np.floor(np.log10(0.9 * limit))
    return float(scale * max(k for k in (1, 2, 4, 5) if k * scale <= 0.9 * limit))


def by_region(models: dict[int, Model], regions: Any, *, default: Any = None) -> Model:
    """One model whose parameters are those of each node's region.

    ``models`` (cells, conductivities or cells' states) by region number; ``regions``
    ``(n_node,)``. What all share stays one number. The cells' own starts are lost: give
    ``Monodomain(start=by_region(states, regions))``. Raises ``ValueError`` for a region
    without a model unless ``default`` is given, and for models of several kinds.
    """
    labels = np.asarray(regions)
    present = np.unique(labels)
    missing = [int(k) for k in present if int(k) not in models]
    if missing and default is None:
        raise ValueError(
            f"Regions {missing} have no model; given are {sorted(models)}. Give each "
            "one, or a default."
        )
    chosen: list[Any] = [models.get(int(k), default) for k in present]
    if len(chosen) == 1:
        return chosen[0]
    place = jnp.asarray(np.searchsorted(present, labels).astype(np.int32))

    def joined(*values: Array) -> Array:
        if all(bool(jnp.all(v == values[0])) for v in values[1:]):
            return values[0]
        return jnp.stack(values)[place]

    if len({type(model) for model in chosen}) > 1:
        kinds = ", ".join(sorted({type(model).__name__ for model in chosen}))
        raise ValueError(f"One kind of model for all regions is wanted; got {kinds}.")
    structure = jax.tree.structure(chosen[0])
    leaves = zip(*(jax.tree.leaves(model) for model in chosen), strict=True)
    return jax.tree.unflatten(structure, [joined(*values) for values in leaves])
