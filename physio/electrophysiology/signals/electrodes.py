"""Where the electrodes of a 12-lead ECG are about a heart."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

ELECTRODES = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")


# Electrodes about the midpoint of the long axis (mm): along it from base to apex,
# towards the right ventricle, and along their vector product; for a long axis
# of 91.5 mm from the mitral valve to the epicardial apex, the right ventricle being
# the mean of tricuspid valve, pulmonary valve and apex. From the landmarks and
# electrodes of the template torso of ansys-health-heart (MIT), define_ECG_coordinates.
# Its apex points left and forward, 39 degrees below the transversal and 30 before the
# frontal plane (25 healthy people: 27 +- 9 and 38 +- 5, Hoekema 1999, PMID 10338032).
_TEMPLATE_LENGTH = 91.5


_TEMPLATE = {
    "RA": (-210.2, 139.7, -52.6),
    "LA": (-26.0, -85.4, -171.2),
    "LL": (176.3, -24.8, 122.8),
    "V1": (-18.2, 94.5, -9.8),
    "V2": (21.2, 52.8, -38.3),
    "V3": (51.3, 43.1, -26.7),
    "V4": (89.6, 8.9, -17.1),
    "V5": (90.7, -47.5, -30.9),
    "V6": (77.0, -109.3, -31.1),
}


@dataclasses.dataclass(frozen=True)
class HeartAxes:
    """Base and apex of the left ventricle, centre of the right one (mm)."""

    base: Float[np.ndarray, "3"]
    apex: Float[np.ndarray, "3"]
    right: Float[np.ndarray, "3"]


def heart_axes(
    nodes: Float[np.ndarray, "n_node 3"],
    left: Bool[np.ndarray, " n_node"],
    right: Bool[np.ndarray, " n_node"],
) -> HeartAxes:
    """Axes of a biventricular heart from the nodes of its ventricles.

    ``left`` holds the left ventricle with the septum, ``right`` the right free wall.
    The long axis starts as the direction of largest spread, its wide end being the
    base; then base (middle of the tenth of the nodes nearest it) and apex (farthest
    node) are found in turn. Give :class:`HeartAxes` yourself for a heart that is wider
    than long.
    """
    for name, mask in (("left", left), ("right", right)):
        if not mask.any():
            raise ValueError(f"The mask of the {name} ventricle holds no node.")
    wall = np.asarray(nodes)[left]
    centre = wall.mean(axis=0)
    direction = np.linalg.eigh(np.cov((wall - centre).T))[1][:, -1]
    height = (wall - centre) @ direction
    radius = np.linalg.norm(wall - centre - height[:, None] * direction, axis=1)
    top, bottom = np.quantile(height, (0.9, 0.1))
    if radius[height >= top].mean() < radius[height <= bottom].mean():
        direction = -direction
    base, apex = centre, centre
    for _ in range(5):
        height = (wall - centre) @ direction
        base = wall[height >= np.quantile(height, 0.9)].mean(axis=0)
        apex = wall[np.argmax(np.linalg.norm(wall - base, axis=1))]
        direction = (base - apex) / np.linalg.norm(base - apex)
    return HeartAxes(base, apex, np.asarray(nodes)[right].mean(axis=0))


def place_electrodes(
    axes: HeartAxes, *, scale: float | None = None
) -> dict[str, np.ndarray]:
    """Nine electrodes (mm) about a heart: the template torso, turned to its axes.

    ``scale`` stretches the torso; as long as the heart's long axis over the template's
    91.5 mm where not given. Limb electrodes lie at the shoulders and the left hip.
    """
    long = np.asarray(axes.apex) - np.asarray(axes.base)
    length = float(np.linalg.norm(long))
    aside = np.asarray(axes.right) - np.asarray(axes.base)
    if length > 0.0:
        long = long / length
        aside = aside - aside @ long * long
    width = float(np.linalg.norm(aside))
    if not (length > 0.0 and width > 1e-3 * length):
        raise ValueError(
            "Base, apex and right ventricle must not lie on one line; got "
            f"{axes.base}, {axes.apex} and {axes.right}."
        )
    frame = np.stack([long, aside / width, np.cross(long, aside / width)])
    stretch = length / _TEMPLATE_LENGTH if scale is None else scale
    middle = 0.5 * (np.asarray(axes.apex) + np.asarray(axes.base))
    return {
        name: middle + stretch * np.asarray(at) @ frame
        for name, at in _TEMPLATE.items()
    }


def electrode_array(
    electrodes: Mapping[str, np.ndarray],
) -> Float[np.ndarray, "9 3"]:
    """The electrodes in the order of ``ELECTRODES``, for ``lead_field``."""
    missing = [name for name in ELECTRODES if name not in electrodes]
    if missing:
        raise KeyError(
            f"A 12-lead ECG needs {', '.join(ELECTRODES)}; missing {missing}."
        )
    return np.stack([np.asarray(electrodes[name], float) for name in ELECTRODES])
