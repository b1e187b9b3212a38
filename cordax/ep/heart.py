"""From a file or a name to the geometry a run uses: voxels, or a mesh's elements."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cordax.ep.settings import Settings
from cordax.scenarios.names import HEARTS, called
from physio.electrophysiology.anatomy.fibres import with_fibres
from physio.electrophysiology.anatomy.sinus_rhythm import Sinus, sinus
from physio.electrophysiology.mesh import check as mesh_check
from physio.electrophysiology.mesh.formats import files as mesh_files
from physio.electrophysiology.mesh.mesh import Mesh, whole_numbers
from physio.electrophysiology.mesh.order import by_locality
from physio.electrophysiology.velocity.tuning import WIDEST, down
from physio.electrophysiology.voxels import images
from physio.electrophysiology.voxels.voxelise import from_mesh
from physio.electrophysiology.voxels.voxels import Voxels

# Nodes of a run whose spacing was left open: about a minute of tissue on two cores.
_NODES = {False: 60_000, True: 300_000}  # by eikonal
_FILLED = 0.3  # of the box around a heart's surface, roughly, is muscle
_FINEST = 0.4  # h / sqrt(D) along the fibre: there every scheme is within 5 %
_LONGER = 1.25  # is the median edge of six tetrahedra to a cube than its side
_HALVES = 10  # of a spacing at which a heart has no voxels: a thousandth of it
_ROOM = 0.95  # of the widest spacing that the wanted velocities allow
Geometry = TypeVar("Geometry", Mesh, Voxels)
ML = 1000.0  # mm^3
_SIZES = {
    "tetra": ("volume_ml", ML), "triangle": ("area_cm2", 100.0),
    "line": ("lines_mm", 1.0),
}  # fmt: skip
# Not refused: tissue may have pieces, a sheet has an edge, walls may meet on purpose.
_HARMLESS = ("pieces", "open surface", "non-manifold edges", "unreferenced nodes")


class MeshProblems(ValueError):
    """A mesh that cannot be used; ``problems`` as `cordax mesh check` lists them."""

    def __init__(
        self, settings: Settings, problems: list[mesh_check.MeshProblem], hint: str = ""
    ) -> None:
        self.problems = problems
        lines = "\n".join(f"  {problem}" for problem in problems)
        path = settings.file
        unit = f" --unit {settings.unit}" if settings.unit else ""
        todo = hint or f"Type: cordax mesh check {path}{unit} --repair mended.vtu"
        super().__init__(f"{path} cannot be used as it is:\n{lines}\n{todo}")


@dataclass(frozen=True)
class Heart:
    """A geometry and what its nodes are; ``notes`` say what was chosen, left out.

    ``order`` holds the number each node of a mesh has in its file, ``unit_note`` the
    unit of length of the file and how it is known.
    """

    geometry: Mesh | Voxels
    regions: np.ndarray
    fields: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()
    sinus: Sinus | None = None
    order: np.ndarray | None = None
    unit_note: str = "mm"

    @property
    def size(self) -> dict[str, Any]:
        """Sides (mm), and the volume (mL), area (cm^2) or length (mm) of the tissue."""
        geometry = self.geometry
        ends = self.nodes.min(axis=0), self.nodes.max(axis=0)
        found: dict[str, Any] = {"unit": self.unit_note}
        if isinstance(geometry, Voxels):
            sides = ends[1] - ends[0] + geometry.spacing
            found |= {"size_mm": sides.tolist(), "volume_ml": geometry.volume / ML}
            return found
        found["size_mm"] = (ends[1] - ends[0]).tolist()
        for kind in geometry.tissue:
            name, scale = _SIZES[kind]
            found[name] = float(np.abs(geometry.measures(kind)).sum()) / scale
        return found

    @property
    def nodes(self) -> np.ndarray:
        """Where the nodes are (mm)."""
        return self.geometry.nodes

    @property
    def voxels(self) -> Voxels | None:
        """The geometry, where it is voxels."""
        return self.geometry if isinstance(self.geometry, Voxels) else None

    @property
    def length(self) -> float:
        """The spacing of the voxels, or the median edge of the mesh (mm)."""
        if isinstance(self.geometry, Voxels):
            return self.geometry.spacing
        ends = self.nodes[self.geometry.edges()]
        return float(np.median(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)))


def there(settings: Settings) -> None:
    """Raise where the heart named or the file does not exist."""
    if settings.heart:
        called(settings.heart, HEARTS, "heart")
    elif not Path(settings.file).exists():
        raise FileNotFoundError(f"{settings.file} does not exist.")


def build(settings: Settings, free: float) -> Heart:
    """The heart of the settings.

    ``free`` is the cell's velocity over the root of the diffusivity (1/sqrt(ms)): it
    bounds the spacing. **Raises** ValueError for a file or name that cannot be used,
    missing fibres, and where no tissue is left.
    """
    if settings.heart:
        made: Any = _made(settings, free)
        geometry, notes = _conducting(made, settings)
        unit = "mm, as generated"
    elif images.is_image(Path(settings.file)):
        geometry, notes, unit = _imaged(settings, free)
    else:
        geometry, notes, unit = _read(settings, free)
    order = None
    if isinstance(geometry, Voxels):
        pieces = int(geometry.components().max()) + 1
    else:
        geometry, order = by_locality(_tissue(geometry))
        pieces = int(geometry.components().max(initial=-1)) + 1
    if pieces > 1:
        notes.append(f"The tissue has {pieces} pieces; a wave stays in its own.")
    beat = sinus(geometry) if settings.sinus else None
    geometry = _with_fibres(geometry, settings, notes, beat)
    told = tuple(notes)
    if isinstance(geometry, Voxels):
        fields = geometry.fields
        return Heart(geometry, geometry.regions, fields, told, beat, unit_note=unit)
    regions, fields = _node_regions(geometry), geometry.point_fields
    return Heart(geometry, regions, fields, told, beat, order, unit)


def _made(settings: Settings, free: float) -> Mesh | Voxels:
    heart = called(settings.heart, HEARTS, "heart")()
    spacing = settings.spacing
    if spacing is None:
        low, high = heart.bounds()
        coarse = float((high - low).max()) / 40.0
        count = heart.as_voxels(coarse).n_node if settings.heart != "ring" else 100
        axes = max(int((high > low).sum()), 1)
        spacing = _rounded(
            coarse * (count / _NODES[settings.eikonal]) ** (1 / axes), settings, free
        )
    if settings.elements:
        return heart.as_mesh(spacing)
    try:
        return heart.as_voxels(spacing)
    except ValueError as error:
        if not (settings.eikonal or settings.conductivity):
            spacing = min(spacing, down(WIDEST * min(settings.wanted) / free))
        finer = sampled(settings, spacing)
        raise ValueError(f"{error} Type --spacing {finer:g}, or less.") from None


def sampled(settings: Settings, spacing: float) -> float:
    """The spacing (mm), or the first half of it at which a generated heart has voxels.

    **Raises** ValueError where the spacing is not positive.
    """
    heart = called(settings.heart, HEARTS, "heart")()
    for _ in range(_HALVES):
        try:
            heart.as_voxels(spacing)
        except ValueError:
            if not spacing > 0.0:
                raise
            spacing = down(0.5 * spacing)
        else:
            break
    return spacing


def _imaged(settings: Settings, free: float) -> tuple[Voxels, list[str], str]:
    """The voxels of an image of labels, notes, and the unit and how it is known."""
    path = Path(settings.file)
    there(settings)
    for name in ("elements", "fibre_field", "sheet_field"):
        if getattr(settings, name):
            option = {"elements": "mesh"}.get(name, name.replace("_", "-"))
            raise ValueError(
                f"{path.name} is an image: its voxels are run, and have no fibres. "
                f"Leave --{option} out."
            )
    found = images.read(
        path, threshold=settings.threshold, field=settings.region_field or None
    )
    found, unit = found.in_mm(settings.unit or None, path)
    notes, spacing = list(found.notes), settings.spacing
    if spacing is None and not found.cubes:
        volume = found.size.volume
        spacing = _rounded(
            (volume / _NODES[settings.eikonal]) ** (1 / 3), settings, free
        )
        notes.append(
            f"The image's voxels are no cubes along x, y, z: its labels were taken at "
            f"{spacing:g} mm. Another: --spacing"
        )
    voxels = images.from_image(found.labels, found.affine, spacing=spacing)
    voxels, left = _conducting(voxels, settings)
    return voxels, [*notes, *left], unit


def _read(settings: Settings, free: float) -> tuple[Mesh | Voxels, list[str], str]:
    """The geometry of a mesh's file, notes, and the unit and how it is known."""
    path = Path(settings.file)
    if settings.threshold is not None:
        raise ValueError(f"{path.name} is a mesh: leave --threshold out.")
    mesh = mesh_files.read(
        path, unit=settings.unit or None, region=settings.region_field or None,
        fibre=settings.fibre_field or None, sheet=settings.sheet_field or None,
    )  # fmt: skip
    mesh = replace(mesh, conducting_lines=settings.conduct_lines)
    notes = [*mesh.notes, *_lines(mesh, settings)]
    surface = "tetra" not in mesh.elements
    filled = surface and not settings.elements and "triangle" not in mesh.fibres
    whole = mesh
    if not filled:  # a bath may have neither fibres nor sound elements
        mesh, left = _conducting(mesh, settings)
        notes += left
    problems = [p for p in mesh_check.check(mesh) if p.name not in _HARMLESS]
    if problems:
        raise MeshProblems(settings, problems, _bath(whole, settings, problems))
    if settings.elements or (surface and not filled):
        if not settings.elements:
            notes.append("The surface has fibres: it was run as a thin shell.")
        return mesh, notes, mesh.unit_note
    voxels, told = _as_voxels(mesh, settings, free, filled)
    return voxels, [*notes, *told], mesh.unit_note


def _as_voxels(
    mesh: Mesh, settings: Settings, free: float, filled: bool
) -> tuple[Voxels, list[str]]:
    """The voxels of tetrahedra, or within a closed surface, and notes."""
    spacing = settings.spacing
    if spacing is None:
        volume = _FILLED * float(np.prod(mesh.size))
        if "tetra" in mesh.elements:
            volume = float(np.abs(mesh.measures("tetra")).sum())
        spacing = _rounded(
            (volume / _NODES[settings.eikonal]) ** (1 / 3), settings, free
        )
    try:
        voxels = from_mesh(mesh, spacing)
    except ValueError as error:
        if not filled:
            raise
        hint = _ON_SURFACE if "triangle" in mesh.elements else "On its lines: --mesh"
        raise ValueError(f"{error} {hint}") from None
    if not filled:
        return voxels, []
    voxels, left = _conducting(voxels, settings)
    size = f"{voxels.volume / ML:.3g} mL of solid tissue"
    return voxels, [f"The closed surface was filled: {size}. {_ON_SURFACE}", *left]


_ON_SURFACE = (
    "To run on the surface itself, as a thin shell: --mesh (--surface only says where "
    "to stimulate)."
)


def _lines(mesh: Mesh, settings: Settings) -> list[str]:
    """What lines beside tetrahedra were taken for."""
    count = len(mesh.elements.get("line", ()))
    if not count or "tetra" not in mesh.elements:
        if settings.conduct_lines:
            raise ValueError(
                f"{settings.file} has no lines beside tetrahedra: leave "
                "--conduct-lines out."
            )
        return []
    told = f"{count} lines beside the tetrahedra ({mesh.measures('line').sum():.3g} mm)"
    if settings.conduct_lines:
        return [f"{told} conduct as cables, as asked."]
    return [
        f"{told} were taken for labels, such as the curves of a CAD model, and do not "
        "conduct. If they are cables (Purkinje fibres): --eikonal --mesh "
        "--conduct-lines"
    ]


def _bath(
    mesh: Mesh, settings: Settings, problems: list[mesh_check.MeshProblem]
) -> str:
    """What to type where whole regions have no fibres, and nothing else is wrong."""
    if {p.name for p in problems} != {"directions"} or "tetra" not in mesh.fibres:
        return ""
    length = np.linalg.norm(mesh.fibres["tetra"], axis=1)
    none, regions = ~(np.isfinite(length) & (length > 0.0)), mesh.regions["tetra"]
    bare = np.setdiff1d(regions[none], regions[~none])
    bare = np.union1d(bare, settings.insulating).astype(int)
    if not np.isin(regions[none], bare).all() or np.isin(regions, bare).all():
        return ""
    names = ",".join(str(k) for k in bare)
    return (
        f"No element of region {names} has a fibre. If it is a bath or blood, that "
        f"does not conduct: --regions-insulating {names}"
    )


def _tissue(mesh: Mesh) -> Mesh:
    """Without labels that hang on no tissue, and without nodes of no element."""
    inside = np.zeros(mesh.n_node, bool)
    for kind in mesh.tissue:
        inside[mesh.elements[kind]] = True
    keep = {k: np.all(inside[e], axis=-1) for k, e in mesh.elements.items()}
    return mesh.only(keep).without_unused_nodes()


def _rounded(spacing: float, settings: Settings, free: float) -> float:
    """Two digits, no finer than is of use, no wider than wanted velocities allow."""
    if not settings.eikonal and not settings.conductivity:
        spacing = max(spacing, _FINEST * max(settings.wanted) / free)
        room = _ROOM / (_LONGER if settings.elements else 1.0)
        spacing = min(spacing, room * WIDEST * min(settings.wanted) / free)
    digit = 10.0 ** (np.floor(np.log10(spacing)) - 1)
    return round(float(np.floor(spacing / digit) * digit), 6)


def _conducting(found: Geometry, settings: Settings) -> tuple[Geometry, list[str]]:
    """Without the insulating regions, and a note of them."""
    if not settings.insulating:
        return found, []
    away = np.array(settings.insulating)
    if isinstance(found, Voxels):
        present = tissue = np.unique(found.regions)
    else:
        present, tissue = (
            np.unique(np.concatenate([found.regions[kind] for kind in kinds]))
            for kinds in (found.regions, found.tissue)
        )
    missing = [int(k) for k in away if k not in present]
    if missing or set(tissue) <= set(away):
        what = f"There is no region {missing}" if missing else "No tissue is left"
        raise ValueError(
            f"{what}: the heart's regions are {present.tolist()}, and "
            f"--regions-insulating names {away.tolist()}."
        )
    note = f"Left out as insulating: regions {', '.join(map(str, away))}."
    if isinstance(found, Voxels):
        return found.only(~np.isin(found.regions, away)), [note]
    return found.only({k: ~np.isin(r, away) for k, r in found.regions.items()}), [note]


def _with_fibres(
    geometry: Mesh | Voxels, settings: Settings, notes: list[str], beat: Sinus | None
) -> Mesh | Voxels:
    if settings.fibres == "rule":
        notes.append("Fibres by rule (Bayer 2012).")
        return with_fibres(geometry) if beat is None else beat.rule.given(geometry)
    kind = None
    if isinstance(geometry, Mesh):
        kind = next((k for k in ("tetra", "triangle") if k in geometry.elements), "")
        known = kind in geometry.fibres
    else:
        known = geometry.fibres is not None
    if known or kind == "":
        return geometry
    speeds = settings.conductivity or settings.wanted
    named = _like_fibres(geometry)
    if len(set(speeds)) > 1:
        raise ValueError(
            f"This heart has no fibres. {named}Make them by rule: --fibres rule; or "
            "let it conduct alike in every direction: --velocity 0.6"
        )
    notes.append(
        f"No fibres: the tissue conducts alike in every direction. {named}".strip()
    )
    along = np.array([1.0, 0.0, 0.0])
    if isinstance(geometry, Voxels):
        return replace(geometry, fibres=np.tile(along, (geometry.n_node, 1)))
    count = len(geometry.elements[kind or ""])
    return replace(geometry, fibres={kind or "": np.tile(along, (count, 1))})


def _like_fibres(geometry: Mesh | Voxels) -> str:
    """The fields that could be fibres under a name of their own, and what to type."""
    if isinstance(geometry, Voxels):
        fields = dict(geometry.fields)
    else:
        cells = {
            n: next(iter(g.values())) for n, g in geometry.cell_fields.items() if g
        }
        fields = geometry.point_fields | cells
    threes = [
        name
        for name, values in fields.items()
        if np.shape(values)[1:] == (3,) and "normal" not in name.lower()
    ]
    if not threes:
        return ""
    return (
        f"If they are in its field {' or '.join(threes)}: --fibre-field {threes[0]}. "
    )


def _node_regions(mesh: Mesh) -> np.ndarray:
    """Each node's region: the lowest of its elements'."""
    regions = np.full(mesh.n_node, np.iinfo(np.int64).max, np.int64)
    for kind in mesh.tissue:
        corners = mesh.elements[kind]
        values = np.repeat(mesh.regions[kind], corners.shape[1])
        np.minimum.at(regions, corners.reshape(-1), values)
    return whole_numbers(regions)


def field(heart: Heart, name: str) -> np.ndarray:
    """The mask of a field by name; ``ValueError`` with the nearest names."""
    values: Any = called(name, heart.fields, "surface or field")
    mask = np.asarray(values)
    if mask.ndim != 1:
        raise ValueError(f"{name} holds {mask.shape[1]} numbers a node, not a mask.")
    return mask > 0.5
