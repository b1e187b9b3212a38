"""What is tried where a law is missing: closures, a residual, and their rivals."""

# pyright: reportCallIssue=false, reportArgumentType=false
# A param field converts the number it is given, and an abstract field's place is its
# subclass's: the type checker knows neither.

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from benchmarks.cohort_fit import VEINS, Method
from learned.blocks.network import Network, network
from learned.blocks.ranges import Range
from learned.terms.closure import LearnedReflex, LearnedVessel
from learned.terms.residual import neural_residual
from physio import Augmented, get, replace
from physio.hemodynamics.control.baroreflex import Baroreflex, Effects
from physio.hemodynamics.elements.element import AbstractCompartment
from physio.hemodynamics.elements.vessels import ElasticVessel
from physio.hemodynamics.exchange import exchange
from physio.parameters import param

FREE = (
    "systemic.resistance",
    "right_ventricle.passive_elastance",
    f"{VEINS}.compliance",
    f"{VEINS}.unstressed_volume",
)
SET_POINT = "reflex.set_point"
HIDDEN = (16, 16)


def scaled(*names: str) -> Callable[[Any, Array], Any]:
    """A patient's parameters as logarithms of ratios to the model's."""

    def own(model: Any, z: Array) -> Any:
        for k, name in enumerate(names):
            model = replace(model, name, get(model, name) * jnp.exp(z[k]))
        return model

    return own


def nothing(shared: Array) -> Array:
    return jnp.zeros((0,))


def free_of_penalty(shared: Array) -> Array:
    """Next to nothing: the least squares stay determined."""
    return 1e-3 * shared


def fixed(model: Any, *names: str) -> Method:
    """A model that learns nothing."""
    return Method(lambda s, b: model, scaled(*names), lambda k: np.zeros(0), nothing)


def linear_veins(model: Any) -> Any:
    """The circulation with veins of constant compliance (that of 8 mmHg)."""
    old = get(model, VEINS)
    vessel = ElasticVessel(
        85.0, old.unstressed_volume, start_volume=old.start_volume,
        pleural_share=old.pleural_share,
    )  # fmt: skip
    return replace(model, VEINS, vessel)


def _box(name: str) -> Range:
    """A range whose bounds are put in later."""
    return Range((name,), ("mmHg",), jnp.array([-1.0]), jnp.array([1.0]))


def curve_of_veins(model: Any) -> Method:
    """The veins' pressure-volume curve as a closure."""
    blank = LearnedVessel.of(get(model, VEINS), _box("filling_pressure"))

    def build(shared: Array, bounds: Array) -> Any:
        vessel = eqx.tree_at(
            lambda v: (v.curve.weights, v.range.lower, v.range.upper),
            blank, (shared, bounds[:1], bounds[1:]),
        )  # fmt: skip
        return replace(model, VEINS, vessel)

    n = blank.curve.weights.size
    return Method(build, scaled(*FREE), lambda k: np.zeros(n), lambda shared: shared)


def flows_of_veins(model: Any, *, norm: float, orthogonal: float) -> Method:
    """A residual: flows out of the veins and into them, functions of their filling.

    ``norm`` weighs the residual's size over its range (APHYNITY: Yin 2021,
    10.1088/1742-5468/ac3ae5), ``orthogonal`` its share along what compliance and
    unstressed volume already explain: a constant and a line.
    """
    into = exchange(model, (VEINS, "right_atrium"), ("systemic_arteries", VEINS))
    most = {"outflow": ("mL/s", 60.0), "inflow": ("mL/s", 6.0)}
    name = f"pressure.{VEINS}"

    def fresh(seed: int) -> Any:
        return neural_residual(
            _box(name), most, key=jax.random.key(seed), hidden=HIDDEN
        )

    blank = fresh(0)
    flat, unravel = _weights(blank.network)
    grid = np.linspace(-1.0, 1.0, 21)
    lines = np.linalg.qr(np.stack([np.ones(21), grid], axis=1))[0]

    def build(shared: Array, bounds: Array) -> Any:
        part = eqx.tree_at(
            lambda r: (r.network, r.range.lower, r.range.upper),
            blank, (unravel(shared), bounds[:1], bounds[1:]),
        )  # fmt: skip
        return Augmented(model, part, into)

    def penalty(shared: Array) -> Array:
        net = unravel(shared)
        out = jax.vmap(net)(jnp.asarray(grid)[:, None]) / net.scale[None, :]
        along = jnp.asarray(lines.T) @ out
        size = norm * out.ravel() / np.sqrt(21.0)
        return jnp.concatenate([size, orthogonal * along.ravel(), 1e-3 * shared])

    return Method(
        build, scaled(*FREE), lambda k: np.asarray(_weights(fresh(k).network)[0]),
        penalty,
    )  # fmt: skip


def _weights(net: Network) -> tuple[Array, Callable[[Array], Network]]:
    """A network's weights as one vector; its scale is not among them."""
    flat, unravel = ravel_pytree((net.weights, net.biases))

    def back(flat: Array) -> Network:
        return eqx.tree_at(lambda n: (n.weights, n.biases), net, unravel(flat))

    return flat, back


class NetworkVessel(AbstractCompartment):
    """The rival's veins: a plain network from volume and two numbers to pressure.

    p = net((V - V0) / 500 - 1, first, second); V0 carries the posture alone.
    """

    net: Network
    start_volume: Array
    pleural_share: Array
    lung_share: Array
    unstressed_volume: Array = param(
        3194.0, unit="mL", source="the named state's", doc="moved by posture"
    )
    first: Array = param(0.0, unit="1", source="none: fitted", doc="a patient's own")
    second: Array = param(0.0, unit="1", source="none: fitted", doc="a patient's own")

    def transmural_pressure(
        self, volume: Float[Array, ""], activations: dict[str, Array]
    ) -> Float[Array, ""]:
        stressed = (volume - self.unstressed_volume) / 500.0 - 1.0
        return self.net(jnp.stack([stressed, self.first, self.second]))[0]


def _taught(seed: int) -> Network:
    """A network whose last layer is fitted to veins of constant compliance: without
    a pressure to begin with no beat is found. Nothing holds it there."""
    net = network(3, np.array([60.0]), key=jax.random.key(seed), hidden=HIDDEN)
    rng = np.random.default_rng(seed)
    x = rng.uniform([-1.5, -1.0, -1.0], [2.5, 1.0, 1.0], (4000, 3))
    wanted = (500.0 * (x[:, 0] + 1.0) - 300.0 * x[:, 1]) / (
        85.0 * np.exp(0.3 * x[:, 2])
    )
    # the last layer's input that gives the wanted output
    ramp = np.linspace(-1.4, 1.4, 2001)
    bare = Network((jnp.eye(1),), (jnp.zeros(1),), jnp.ones(1))
    rise = np.asarray(jax.vmap(bare)(jnp.asarray(ramp)[:, None]))[:, 0]
    before = np.interp(wanted / 60.0, rise, ramp)
    inner = Network(net.weights[:-1], net.biases[:-1], jnp.ones(HIDDEN[-1]))
    hidden = jax.vmap(inner)(jnp.asarray(x))
    columns = np.concatenate([np.asarray(hidden), np.ones((len(x), 1))], axis=1)
    last = np.linalg.solve(
        columns.T @ columns + 1e-3 * np.eye(columns.shape[1]), columns.T @ before
    )
    return eqx.tree_at(
        lambda n: (n.weights[-1], n.biases[-1]),
        net, (jnp.asarray(last[None, :-1]), jnp.asarray(last[-1:])),
    )  # fmt: skip


def network_for_veins(model: Any) -> Method:
    """A neural ODE: no pressure-volume law but a network's."""
    old = get(model, VEINS)
    _, unravel = _weights(_taught(0))

    def build(shared: Array, bounds: Array) -> Any:
        vessel = NetworkVessel(
            unravel(shared), old.start_volume, old.pleural_share, old.lung_share
        )
        return replace(model, VEINS, vessel)

    def own(model: Any, z: Array) -> Any:
        model = scaled(*FREE[:2])(model, z[:2])
        vessel = get(model, VEINS)
        vessel = eqx.tree_at(lambda v: (v.first, v.second), vessel, (z[2], z[3]))
        return replace(model, VEINS, vessel)

    return Method(
        build, own, lambda k: np.asarray(_weights(_taught(k))[0]),
        lambda shared: 1e-3 * shared,
    )  # fmt: skip


def curve_of_reflex(model: Any) -> Method:
    """The reflex's curves as a closure of one without gain."""
    blank = LearnedReflex.of(Baroreflex(0.0), _box("deviation"))
    n = blank.weights.size

    def build(shared: Array, bounds: Array) -> Any:
        reflex = eqx.tree_at(
            lambda r: (r.weights, r.range.lower, r.range.upper),
            blank, (shared.reshape(5, -1), bounds[:1], bounds[1:]),
        )  # fmt: skip
        return eqx.tree_at(
            lambda m: m.reflex, model, reflex, is_leaf=lambda x: x is None
        )

    return Method(
        build, scaled(*FREE, SET_POINT), lambda k: np.zeros(n),
        lambda shared: shared, lambda shared: np.maximum(shared, 0.0),
    )  # fmt: skip


class NetworkReflex(eqx.Module):
    """The rival's reflex: a plain network from pressure and one number to effects."""

    net: Network
    set_point: Array = param(
        91.55, unit="mmHg", source="the named state's", doc="where a search begins"
    )

    def effects(self, pressure: Float[Array, ""]) -> Effects:
        inputs = jnp.stack([pressure / 50.0 - 2.0, self.set_point / 50.0 - 2.0])
        out = self.net(inputs)
        return Effects(*(jnp.exp(out[k]) for k in range(4)), out[4])


def network_for_reflex(model: Any) -> Method:
    """A neural ODE: no reflex but a network's, nothing at birth."""
    most = np.array([1.0, 1.0, 1.0, 1.0, 1500.0])

    def fresh(seed: int) -> Network:
        return network(2, most, key=jax.random.key(seed), hidden=HIDDEN)

    _, unravel = _weights(fresh(0))

    def build(shared: Array, bounds: Array) -> Any:
        return eqx.tree_at(
            lambda m: m.reflex, model, NetworkReflex(unravel(shared)),
            is_leaf=lambda x: x is None,
        )  # fmt: skip

    return Method(
        build, scaled(*FREE, SET_POINT), lambda k: np.asarray(_weights(fresh(k))[0]),
        lambda shared: 1e-3 * shared,
    )  # fmt: skip
