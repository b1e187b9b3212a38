"""The unit of length of a heart: given, stated by its file, or inferred from its size.

A whole human heart is 60 to 200 mm across, its ventricles or atria alone 30 to 250 mm,
with 1 to 1200 mL of muscle in walls of 0.5 to 40 mm: where exactly one of m, cm, mm, um
makes it that, and none makes it the heart of a small animal, that unit is taken. A
rat's heart in mm and a man's in cm are the same numbers: there, and for a sheet or a
slab, the unit is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from physio.electrophysiology.mesh import geometry

MM_PER = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "um": 1e-3}
HEART = (60.0, 200.0)  # mm across, longest side of its bounding box
PART = (30.0, 250.0)
# A mouse's ventricles are 5 to 8 mm across, a rat's 10 to 20, a rabbit's 20 to 30.
SMALL = (2.5, 30.0)
VOLUME = (1.0, 1200.0)  # mL of muscle, a diseased heart's and a part's included
WALL = (0.5, 40.0)  # mm; twice volume over surface
# shortest side over longest: hearts are 0.6-0.8, atria or ventricles above 0.4
ROUND = 0.3
# mm across that an image or a file in um cannot have, whatever it says of its unit
_ABSURD = (1.0, 500.0)
_MM3_PER_ML = 1000.0


@dataclass(frozen=True)
class Size:
    """Sides of the bounding box, volume and wall, in the file's unit; NaN: unknown."""

    sides: tuple[float, float, float]
    volume: float = np.nan
    wall: float = np.nan

    @property
    def across(self) -> float:
        """The longest side."""
        return max(self.sides)

    def told(self, unit: str) -> str:
        """The size in words, were it in this unit."""
        mm = MM_PER[unit]
        parts = [f"{self.across * mm:.3g} mm across"]
        if np.isfinite(self.volume):
            parts.append(f"{self.volume * mm**3 / _MM3_PER_ML:.3g} mL")
        if np.isfinite(self.wall):
            parts.append(f"walls of {self.wall * mm:.2g} mm")
        return ", ".join(parts)


def size_of(
    points: Float[np.ndarray, "n_node 3"], blocks: Sequence[tuple[str, np.ndarray]]
) -> Size:
    """The size of a mesh; its volume and wall where it has tetrahedra."""
    whole = points[np.isfinite(points).all(axis=1)]
    sides = np.ptp(whole, axis=0) if len(whole) else np.zeros(3)
    volume = wall = np.nan
    tetra = [corners for kind, corners in blocks if kind == "tetra" and len(corners)]
    if tetra:
        corners = np.concatenate(tetra)
        volume = float(np.nansum(np.abs(geometry.measures(points, corners))))
        faces = geometry.boundary_faces(corners)
        area = float(np.nansum(geometry.measures(points, faces)))
        wall = 2.0 * volume / area if area else np.nan
    return Size((float(sides[0]), float(sides[1]), float(sides[2])), volume, wall)


def to_mm(
    points: Float[np.ndarray, "n_node 3"], unit: str | None, stated: str, path: object,
    blocks: Sequence[tuple[str, np.ndarray]] = (),
) -> tuple[Float[np.ndarray, "n_node 3"], str, str]:  # fmt: skip
    """The points in mm, the unit they were in, and a note of how it is known.

    ``unit`` is the user's, ``stated`` the file's or its format's (or empty), ``blocks``
    the elements by kind. **Raises** ValueError as ``choose`` does.
    """
    found, note = choose(size_of(points, blocks), unit, stated, path)
    return points * MM_PER[found], found, note


def choose(
    size: Size, unit: str | None, stated: str, path: object, *, guard: bool = False
) -> tuple[str, str]:
    """The unit and a note of how it is known: given, stated, or inferred.

    With ``guard`` a stated unit is refused where it makes an absurd size.

    **Raises** ValueError where the unit is none of m, cm, mm, um, or cannot be told,
    with the options to type.
    """
    if unit is not None:
        if unit not in MM_PER:
            raise ValueError(
                f"Lengths are in {', '.join(MM_PER)}; got {unit!r}. Type --unit mm, or "
                "another of these."
            )
        other = f"; the file says {stated}" if stated not in ("", unit) else ""
        return unit, f"{unit}, as given{other}"
    if stated in MM_PER:
        mm = size.across * MM_PER[stated]
        # openCARP: some write millimetres all the same; images: headers are wrong
        if mm < _ABSURD[0] and (guard or stated == "um") or guard and mm > _ABSURD[1]:
            full = {"um": "micrometres", "mm": "millimetres", "m": "metres"}
            raise ValueError(
                f"{path} should be in {full.get(stated, stated)}, and would be "
                f"{mm:.3g} mm across. {_asked(size)}"
            )
        said = (
            "as the format or the file says" if stated == "um" else "as the file says"
        )
        return stated, f"{stated}, {said}"
    return infer(size, path)


def doubt(across: float) -> list[str]:
    """A warning where a given unit makes no heart of it; ``across`` in mm."""
    if _within(across, _ABSURD):
        return []
    return [
        f"{across:.3g} mm across is no heart's size: check the unit that was given."
    ]


def infer(size: Size, path: object) -> tuple[str, str]:
    """The only unit that makes a human heart, and why; ValueError where it is not one.

    The error names the units that are possible and the option to type.
    """
    human = [unit for unit in MM_PER if _human(size, unit)]
    small = [u for u, mm in MM_PER.items() if SMALL[0] <= size.across * mm <= SMALL[1]]
    fits = [u for u, mm in MM_PER.items() if PART[0] <= size.across * mm <= PART[1]]
    start = f"The unit of {path} cannot be told: "
    if not fits:
        raise ValueError(
            f"{start}it is {size.across:.4g} units across, and a heart is "
            f"{HEART[0]:.0f} to {HEART[1]:.0f} mm. {_asked(size)}"
        )
    if min(size.sides) < ROUND * size.across:
        raise ValueError(
            "{}its sides are {:.4g}, {:.4g} and {:.4g} units, which is not the shape "
            "of a heart. {}".format(start, *size.sides, _asked(size))
        )
    if fits and small:
        raise ValueError(
            f"{start}it is {size.across:.4g} units across. In {small[0]} it is the "
            f"heart of a small animal ({size.told(small[0])}), in {fits[0]} "
            f"{size.told(fits[0])}. Type --unit {small[0]} or --unit {fits[0]}"
        )
    if not human:
        raise ValueError(
            f"{start}in {fits[0]} it is {size.told(fits[0])}, and a heart has "
            f"{VOLUME[0]:.0f} to {VOLUME[1]:.0f} mL of muscle in walls of {WALL[0]} to "
            f"{WALL[1]:.0f} mm. {_asked(size)}"
        )
    found = human[0]
    mm = size.across * MM_PER[found]
    whole_heart = HEART[0] <= mm <= HEART[1]
    what = "the size of a heart" if whole_heart else "the size of a part of a heart"
    return found, f"{found}, inferred: {mm:.1f} mm across is {what}"


def _human(size: Size, unit: str) -> bool:
    """Whether extent, volume and wall are a human heart's or a part's in this unit."""
    mm = MM_PER[unit]
    return (
        PART[0] <= size.across * mm <= PART[1]
        and _within(size.volume * mm**3 / _MM3_PER_ML, VOLUME)
        and _within(size.wall * mm, WALL)
    )


def _within(value: float, limits: tuple[float, float]) -> bool:
    return not np.isfinite(value) or limits[0] <= value <= limits[1]


def _asked(size: Size) -> str:
    """What to type, and the size that every unit makes."""
    sizes = ", ".join(
        f"{unit} ({size.across * mm:.3g} mm across)" for unit, mm in MM_PER.items()
    )
    return f"Type --unit mm on the command line, or what else it is: {sizes}"
