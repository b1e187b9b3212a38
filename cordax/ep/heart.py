"""From a file or a name to the geometry a run uses: voxels, or a mesh's elements."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cordax.ep.settings import Settings
from cordax.scenarios.names import HEARTS, called
from physio.electrophysiology.anatomy.fibres import with_fibres
from physio.electrophysiology.anatomy.sinus_rhythm import Sinus, sinus
from physio.electrophysiology.mesh import check as mesh_check
from physio.electrophysiology.mesh.formats import files as mesh_files
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.mesh.order import by_locality
from physio.electrophysiology.velocity.tuning import WIDEST, down
from physio.electrophysiology.voxels.images import from_nifti
from physio.electrophysiology.voxels.voxelise import from_mesh
from physio.electrophysiology.voxels.voxels import Voxels

# Nodes of a run whose spacing was left open: about a minute of tissue on two cores.
_NODES = {False: 60_000, True: 300_000}  # by eikonal
_FILLED = 0.3  # of the box around a heart's surface, roughly, is muscle
_FINEST = 0.4  # h / sqrt(D) along the fibre: there every scheme is within 5 %
_LONGER = 1.25  # is the median edge of six tetrahedra to a cube than its side
_HALVES = 10  # of a spacing at which a heart has no voxels: a thousandth of it
_ROOM = 0.95  # of the widest spacing that the wanted velocities allow
_IMAGES = (".nii", ".nii.gz")
# Not refused: tissue may have pieces, a sheet has an edge, walls may meet on purpose.
_HARMLESS = ("pieces", "open surface", "non-manifold edges", "unreferenced nodes")


class MeshProblems(ValueError):
    """A mesh that cannot be used; ``problems`` as `cordax mesh check` lists them."""

    def __init__(self, path: str, problems: list[mesh_check.Problem]) -> None:
        self.problems = problems
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(
            f"{path} cannot be used as it is:\n{lines}\nType: cordax mesh check {path} "
            "--repair mended.vtu"
        )


@dataclass(frozen=True)
class Heart:
    """A geometry and what its nodes are; ``notes`` say what was chosen, left out.

    ``order`` holds the number each node of a mesh has in its file.
    """

    geometry: Mesh | Voxels
    regions: np.ndarray
    fields: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()
    sinus: Sinus | None = None
    order: np.ndarray | None = None

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
    found = _made(settings, free) if settings.heart else _read(settings, free)
    geometry, notes = _conducting(found, settings)
    order = None
    if isinstance(geometry, Voxels):
        pieces = int(geometry.components().max()) + 1
    else:
        geometry, order = by_locality(geometry.without_unused_nodes())
        pieces = int(geometry.components().max(initial=-1)) + 1
    if pieces > 1:
        notes.append(f"The tissue has {pieces} pieces; a wave stays in its own.")
    beat = sinus(geometry) if settings.sinus else None
    geometry = _with_fibres(geometry, settings, notes, beat)
    told = tuple(notes)
    if isinstance(geometry, Voxels):
        return Heart(geometry, geometry.regions, geometry.fields, told, beat)
    regions = _node_regions(geometry)
    return Heart(geometry, regions, geometry.point_fields, told, beat, order)


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


def _read(settings: Settings, free: float) -> Mesh | Voxels:
    path = Path(settings.file)
    if path.name.lower().endswith(_IMAGES):
        there(settings)
        return from_nifti(path, spacing=settings.spacing)
    mesh = mesh_files.read(path, unit=settings.unit or None)
    problems = [p for p in mesh_check.check(mesh) if p.name not in _HARMLESS]
    if problems:
        raise MeshProblems(str(path), problems)
    surface = "tetra" not in mesh.elements
    if settings.elements or (surface and "triangle" in mesh.fibres):
        return mesh
    spacing = settings.spacing
    if spacing is None:
        volume = _FILLED * float(np.prod(mesh.size))
        if not surface:
            volume = float(np.abs(mesh.measures("tetra")).sum())
        spacing = _rounded(
            (volume / _NODES[settings.eikonal]) ** (1 / 3), settings, free
        )
    return from_mesh(mesh, spacing)


def _rounded(spacing: float, settings: Settings, free: float) -> float:
    """Two digits, no finer than is of use, no wider than wanted velocities allow."""
    if not settings.eikonal and not settings.conductivity:
        spacing = max(spacing, _FINEST * max(settings.wanted) / free)
        room = _ROOM / (_LONGER if settings.elements else 1.0)
        spacing = min(spacing, room * WIDEST * min(settings.wanted) / free)
    digit = 10.0 ** (np.floor(np.log10(spacing)) - 1)
    return round(float(np.floor(spacing / digit) * digit), 6)


def _conducting(
    found: Mesh | Voxels, settings: Settings
) -> tuple[Mesh | Voxels, list[str]]:
    """Without the insulating regions."""
    if not settings.insulating:
        return found, list(getattr(found, "notes", ()))
    away = np.array(settings.insulating)
    notes = [f"Left out as insulating: regions {', '.join(map(str, away))}."]
    if isinstance(found, Voxels):
        keep = ~np.isin(found.regions, away)
        present = np.unique(found.regions)
    else:
        keep = {k: ~np.isin(r, away) for k, r in found.regions.items()}
        present = np.unique(np.concatenate(list(found.regions.values())))
    missing = [int(k) for k in away if k not in present]
    if missing or set(present) <= set(away):
        what = f"There is no region {missing}" if missing else "No tissue is left"
        raise ValueError(
            f"{what}: the heart's regions are {present.tolist()}, and "
            f"--regions-insulating names {away.tolist()}."
        )
    return found.only(keep), notes  # pyright: ignore[reportArgumentType]


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
    if len(set(speeds)) > 1:
        raise ValueError(
            "This heart has no fibres. Make them by rule: --fibres rule; or let it "
            "conduct alike in every direction: --velocity 0.6"
        )
    notes.append("No fibres: the tissue conducts alike in every direction.")
    along = np.array([1.0, 0.0, 0.0])
    if isinstance(geometry, Voxels):
        return replace(geometry, fibres=np.tile(along, (geometry.n_node, 1)))
    count = len(geometry.elements[kind or ""])
    return replace(geometry, fibres={kind or "": np.tile(along, (count, 1))})


def _node_regions(mesh: Mesh) -> np.ndarray:
    """Each node's region: the lowest of its elements'."""
    regions = np.full(mesh.n_node, np.iinfo(np.int32).max, np.int32)
    for kind in mesh.tissue:
        corners = mesh.elements[kind]
        values = np.repeat(mesh.regions[kind], corners.shape[1])
        np.minimum.at(regions, corners.reshape(-1), values)
    return regions


def field(heart: Heart, name: str) -> np.ndarray:
    """The mask of a field by name; ``ValueError`` with the nearest names."""
    values: Any = called(name, heart.fields, "surface or field")
    mask = np.asarray(values)
    if mask.ndim != 1:
        raise ValueError(f"{name} holds {mask.shape[1]} numbers a node, not a mask.")
    return mask > 0.5
