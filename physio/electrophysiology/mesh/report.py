"""A mesh in figures: what a planner, or a script, would check before using it."""

from typing import Any

import numpy as np

from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.check import check
from physio.electrophysiology.mesh.mesh import Mesh

_MM3_PER_ML = 1000.0
_MM2_PER_CM2 = 100.0
_SIZES = {
    "tetra": ("mL", _MM3_PER_ML),
    "hexahedron": ("mL", _MM3_PER_ML),
    "triangle": ("cm^2", _MM2_PER_CM2),
    "line": ("mm", 1.0),
}


def figures(mesh: Mesh) -> dict[str, Any]:
    """The mesh in numbers: plain lists and dictionaries, ready for JSON.

    ``regions`` gives each region's number of elements and its size by kind: volume
    (mL), area (cm^2) or length (mm). ``edge_mm`` is minimum, median, maximum over the
    tissue; ``dihedral_deg`` the smallest, its 1 % quantile and the largest angle.
    """
    return {
        "nodes": mesh.n_node,
        "elements": {kind: len(e) for kind, e in mesh.elements.items()},
        "bounds_mm": mesh.bounds.tolist(),
        "unit": mesh.unit,
        "unit_note": mesh.unit_note,
        "components": int(mesh.components().max(initial=-1)) + 1,
        "regions": {kind: _regions(mesh, kind) for kind in mesh.elements},
        "fibres": sorted(mesh.fibres),
        "sheets": sorted(mesh.sheets),
        "fields": sorted([*mesh.point_fields, *mesh.cell_fields]),
        "edge_mm": _edge_lengths(mesh),
        "dihedral_deg": _angles(mesh),
        "notes": list(mesh.notes),
        "problems": check(mesh),
    }


def describe(mesh: Mesh) -> str:
    """The figures as text, the problems last."""
    return as_text(figures(mesh))


def as_text(found: dict[str, Any]) -> str:
    """What ``figures`` found, as lines."""
    size = [high - low for low, high in found["bounds_mm"]]
    kinds = ", ".join(f"{count} {kind}" for kind, count in found["elements"].items())
    lines = [
        f"{found['nodes']} nodes; {kinds}; {_counted(found['components'], 'piece')}",
        "size {:.1f} x {:.1f} x {:.1f} mm".format(*size),
        f"unit of the file: {found['unit_note']}",
    ]
    for kind, regions in found["regions"].items():
        unit = _SIZES[kind][0]
        for number, region in regions.items():
            size = f"{region['size']:.4g} {unit}, {region['elements']} {kind}"
            lines.append(f"region {number}: {size}")
    if found["edge_mm"]:
        lines.append("edges {:.3g} / {:.3g} / {:.3g} mm".format(*found["edge_mm"]))
        lines[-1] += " (shortest, median, longest)"
    if found["dihedral_deg"]:
        low, hundredth, high = found["dihedral_deg"]
        lines.append(
            f"angles between faces {low:.1f} to {high:.1f} degrees, 1 % of tetrahedra "
            f"below {hundredth:.1f}"
        )
    lines.append(f"fibres: {', '.join(found['fibres']) or 'none'}")
    lines.append(f"other fields: {', '.join(found['fields']) or 'none'}")
    lines += found["notes"]
    lines += [f"problem: {problem}" for problem in found["problems"]]
    return "\n".join(lines if found["problems"] else [*lines, "no problems"])


def _regions(mesh: Mesh, kind: str) -> dict[str, dict[str, int | float]]:
    numbers, which = np.unique(mesh.regions[kind], return_inverse=True)
    sizes = np.bincount(which, weights=np.abs(mesh.measures(kind)))
    counts = np.bincount(which)
    return {
        str(number): {"elements": int(count), "size": float(size / _SIZES[kind][1])}
        for number, count, size in zip(numbers, counts, sizes, strict=True)
    }


def _edge_lengths(mesh: Mesh) -> list[float]:
    edges = mesh.edges()
    if not len(edges):
        return []
    length = np.linalg.norm(mesh.nodes[edges[:, 1]] - mesh.nodes[edges[:, 0]], axis=1)
    length = length[np.isfinite(length)]
    if not len(length):
        return []
    return [float(length.min()), float(np.median(length)), float(length.max())]


def _angles(mesh: Mesh) -> list[float]:
    if "tetra" not in mesh.elements:
        return []
    angles = geometry.dihedral_angles(mesh.nodes, mesh.elements["tetra"])
    angles = angles[np.isfinite(angles).all(axis=1)]
    if not len(angles):
        return []
    smallest = angles.min(axis=1)
    low = float(np.quantile(smallest, 0.01))
    return [float(smallest.min()), low, float(angles.max())]


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
