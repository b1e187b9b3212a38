"""The unit of length of a mesh: given, stated by its file, or inferred from its size.

A whole heart is 60 to 200 mm across, its ventricles or atria alone 30 to 250 mm: at
most one of m, cm, mm, um makes a length that. A heart is also round, which a sheet or
a slab is not: there the size says nothing, and the unit is asked for.
"""

import numpy as np
from jaxtyping import Float

MM_PER = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "um": 1e-3}
HEART = (60.0, 200.0)  # mm across, longest side of its bounding box
PART = (30.0, 250.0)
# shortest side over longest: hearts are 0.6-0.8, atria or ventricles above 0.4
ROUND = 0.3


def to_mm(
    points: Float[np.ndarray, "n_node 3"], unit: str | None, stated: str, path: object
) -> tuple[Float[np.ndarray, "n_node 3"], str, str]:
    """The points in mm, the unit they were in, and a note of how it is known.

    ``unit`` is the user's, ``stated`` the file's or its format's (or empty).

    **Raises** ValueError where the unit is none of m, cm, mm, um, or cannot be told,
    with the line to type.
    """
    if unit is not None:
        if unit not in MM_PER:
            raise ValueError(
                f"A mesh is in {', '.join(MM_PER)}; got unit={unit!r}. Name one."
            )
        return points * MM_PER[unit], unit, f"{unit}, as given"
    whole = points[np.isfinite(points).all(axis=1)]
    sides = np.ptp(whole, axis=0) if len(whole) else np.zeros(3)
    across = float(sides.max())
    if stated == "um":  # openCARP: some write millimetres all the same
        if across * MM_PER["um"] < 1.0:
            raise ValueError(
                f"{path} should be in micrometres, and would be "
                f"{across * MM_PER['um']:.3g} mm across. {_line(across)}"
            )
        return points * MM_PER["um"], "um", "um, as the format or the file says"
    if stated in MM_PER:
        return points * MM_PER[stated], stated, f"{stated}, as the file says"
    fits = [u for u, mm in MM_PER.items() if PART[0] <= across * mm <= PART[1]]
    if not fits:
        raise ValueError(
            f"The unit of {path} cannot be told: it is {across:.4g} units across, and "
            f"a heart is {HEART[0]:.0f} to {HEART[1]:.0f} mm. {_line(across)}"
        )
    if sides.min() < ROUND * across:
        raise ValueError(
            f"The unit of {path} cannot be told: its sides are {sides[0]:.4g}, "
            f"{sides[1]:.4g} and {sides[2]:.4g} units, which is not the shape of a "
            f"heart. {_line(across)}"
        )
    found = fits[0]
    mm = across * MM_PER[found]
    whole_heart = HEART[0] <= mm <= HEART[1]
    size = "the size of a heart" if whole_heart else "the size of a part of a heart"
    note = f"{found}, inferred: {mm:.1f} mm across is {size}"
    return points * MM_PER[found], found, note


def _line(across: float) -> str:
    sizes = ", ".join(f"{unit} ({across * mm:.3g} mm)" for unit, mm in MM_PER.items())
    return (
        f"Say which it is: {sizes}, as unit='mm' in read or --unit mm on the command "
        "line."
    )
