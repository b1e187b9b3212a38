"""The strength of a stimulus that starts a wave, found on the tissue itself."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from physio.electrophysiology.tissue.monodomain import Monodomain
from physio.electrophysiology.tissue.pacing import Stimulus
from physio.electrophysiology.tissue.recording import Recorder, run

REACH = 3.0  # mm beyond the stimulus at which a wave counts as started
_MOST = 8  # doublings or halvings before no threshold is believed in
_EVERY = 1.0  # ms


def captures(
    tissue: Monodomain,
    pulse: Stimulus,
    *,
    dt: float = 0.02,
    wait: float = 20.0,
    reach: float = REACH,
) -> bool:
    """Whether a wave is ``reach`` (mm) away within ``wait`` (ms) of the pulse's end.

    Of a train, the first pulse counts; it starts at 0. Where no tissue lies so far
    away, its farthest node counts.
    """
    from scipy.spatial import KDTree

    stimulated = np.isfinite(np.asarray(pulse.onset))
    nodes = np.asarray(tissue.nodes)
    away, _ = KDTree(nodes[stimulated]).query(nodes)
    beyond = away >= min(reach, float(away.max()))
    first = eqx.tree_at(lambda p: p.starts, pulse, jnp.zeros(1, pulse.starts.dtype))
    duration = _EVERY * np.ceil((first.ends() + wait) / _EVERY)
    seen = run(tissue, duration, first, dt=dt, record=Recorder(every=_EVERY))
    return bool(np.isin(seen.node, np.flatnonzero(beyond)).any())


def threshold(
    tissue: Monodomain,
    pulse: Stimulus,
    *,
    dt: float = 0.02,
    wait: float = 20.0,
    reach: float = REACH,
    tolerance: float = 0.05,
) -> float:
    """The least strength at which the pulse captures, to a share ``tolerance`` of it.

    In the unit of the pulse, uA/uF; the strength returned captured, and one smaller by
    the tolerance did not. Bisection from the pulse's own strength: some ten short runs
    of the tissue. Pacing at twice this strength is customary.

    **Raises** ValueError where no strength up to 256 times the pulse's captures, or
    where one 256 times smaller still does: then the tissue excites itself.
    """

    def starts(strength: float) -> bool:
        given = jnp.asarray(strength, pulse.strength.dtype)
        changed = eqx.tree_at(lambda p: p.strength, pulse, given)
        return captures(tissue, changed, dt=dt, wait=wait, reach=reach)

    strength = float(pulse.strength)
    captured = starts(strength)
    other = strength
    for _ in range(_MOST):
        other = other / 2 if captured else other * 2
        if starts(other) != captured:
            break
    else:
        raise ValueError(
            f"A stimulus of {other:.3g} uA/uF "
            + (
                "still starts a wave: the tissue excites itself."
                if captured
                else "starts no wave: give it more nodes, a longer pulse or living "
                "tissue around it."
            )
        )
    low, high = (other, 2 * other) if captured else (other / 2, other)
    while high > low * (1 + tolerance):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if starts(middle) else (middle, high)
    return high
