"""A neural residual: what a mechanistic model lacks, learned, bounded and in range.

    into( gate(x) network(clip(x)) ),   x = named physical quantities of the base

``NeuralResidual`` is a correction of ``physio.augment``. It is zero at birth, so the
hybrid equals its base; its outputs stay within ``network.scale``; beyond the range of
its training it fades and the mechanistic model answers alone. In a circulation it
gives flows between compartments (``physio.hemodynamics.exchange``), in a cell a
membrane current.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from learned.blocks.network import Network, network
from learned.blocks.ranges import Range
from physio.compose import AbstractAugmented, AbstractCorrection
from physio.parameters import get
from physio.system import Inputs, State, Trajectory

_STATE, _PARAMETER = "state.", "parameter."


def look_up(
    name: str, base: Any, t: Float[Array, ""], y: State, inputs: Inputs
) -> Array:
    """A named quantity of a model at one time.

    ``state.v`` is of the state, ``parameter.systemic.resistance`` of the model,
    ``pressure.systemic_veins`` of what it observes. Raises ``KeyError`` with the names
    there are.
    """
    if name.startswith(_PARAMETER):
        return get(base, name.removeprefix(_PARAMETER))
    tree = y if name.startswith(_STATE) else base.observe(t, y, inputs)
    for step in name.removeprefix(_STATE).split("."):
        known = tree if isinstance(tree, dict) else vars(tree)
        if step not in known:
            raise KeyError(f"{name}: there is {', '.join(known)}, not {step!r}.")
        tree = known[step]
    return jnp.asarray(tree)


def visited(
    model: AbstractAugmented, run: Trajectory, inputs: Inputs = None
) -> Float[Array, "n_t *node n_in"]:
    """The quantities a hybrid's residual is asked with along a run, in their units."""
    base, correction = model.base, model.correction
    return jax.vmap(lambda t, y: correction.inputs(base, t, y, inputs))(run.t, run.y)


def without_residual(hybrid: AbstractAugmented) -> Any:
    """The hybrid with a residual that adds exactly nothing.

    It answers as its mechanistic model does, through the programs that were compiled
    for the hybrid.
    """
    return eqx.tree_at(
        lambda m: m.correction.network.scale, hybrid, replace_fn=jnp.zeros_like
    )


class NeuralResidual(AbstractCorrection):
    """A network of named quantities of the base, within the range it was trained in.

    ``range`` names the inputs (see :func:`look_up`) and their units; ``outputs`` and
    ``units`` say what is returned, (n_out,) or for a tissue (n_out, n_node).
    """

    stored_as: ClassVar[str] = "NeuralResidual"

    network: Network
    range: Range
    outputs: tuple[str, ...] = eqx.field(static=True)
    units: tuple[str, ...] = eqx.field(static=True)

    def inputs(
        self, base: Any, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> Float[Array, "*node n_in"]:
        """The quantities the network is asked with, in their own units."""
        found = [look_up(name, base, t, y, inputs) for name in self.range.names]
        shape = jnp.broadcast_shapes(*(x.shape for x in found))
        return jnp.stack([jnp.broadcast_to(x, shape) for x in found], axis=-1)

    def value(
        self, base: Any, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> Float[Array, "n_out *node"]:
        return self.at(self.inputs(base, t, y, inputs))

    def at(self, x: Float[Array, "*node n_in"]) -> Float[Array, "n_out *node"]:
        """What is added where the named quantities are x."""
        within = self.range.gate(x)
        asked = self.range.normalised(self.range.clipped(x))
        if x.ndim == 1:
            return within * self.network(asked)
        columns = tuple(asked[..., k] for k in range(x.shape[-1]))
        return jnp.stack([within * out for out in self.network.per_node(columns)])

    def within(
        self, base: Any, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> Float[Array, "*node"]:
        return self.range.gate(self.inputs(base, t, y, inputs))


def neural_residual(
    range: Range,
    outputs: dict[str, tuple[str, float]],
    *,
    key: PRNGKeyArray,
    hidden: tuple[int, ...] = (16, 16),
) -> NeuralResidual:
    """A residual that adds nothing yet.

    ``outputs``: by name the unit and the most that may be added, in that unit.
    """
    range.check()
    scale = np.asarray([most for _, most in outputs.values()], float)
    net = network(len(range.names), scale, key=key, hidden=hidden)
    units = tuple(unit for unit, _ in outputs.values())
    return NeuralResidual(net, range, tuple(outputs), units)
