"""Reading and writing meshes: VTK, gmsh, XDMF, PLY, STL and openCARP files.

Regions, fibres and sheets are recognised by their usual names (``fields``); every other
field is kept. What a file states of its numbers is counted apart from its reader, and a
reader that returns less is not believed.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from physio.electrophysiology.mesh.formats import (
    gmsh,
    libraries,
    opencarp,
    surfaces,
    vtkhdf,
    xdmf,
)
from physio.electrophysiology.mesh.formats.fields import (
    FIBRE,
    REGION,
    SHEET,
    assembled,
)
from physio.electrophysiology.mesh.formats.raw import (
    Damaged,
    IsImage,
    NotUnderstood,
    RawMesh,
)
from physio.electrophysiology.mesh.formats.stated import Stated, stated
from physio.electrophysiology.mesh.memory import refuse_too_large
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.mesh.units import doubt, to_mm
from physio.files import replacing

_USED = ("tetra", "triangle", "line")
_HOLLOW = ("vertex", "poly-vertex", "empty")
_SURFACES = (".vtp", ".ply", ".stl")
READABLE = (".vtu", ".msh", ".xdmf", ".ply", ".stl", ".vtp", ".vtk", ".vtkhdf", ".pvtu")
READABLE += (".pvtp", *opencarp.SUFFIXES)
#: Files that hold images: ``images`` reads the first three.
IMAGES = (".nii", ".nii.gz", ".vti", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img")
IMAGES += (".pvti", ".dcm", ".mgz", ".tif", ".tiff", ".seg.nrrd", ".gipl")
WRITABLE = (".vtu", ".vtkhdf", *_SURFACES, *opencarp.SUFFIXES)


def read(
    path: str | Path,
    *,
    unit: str | None = None,
    keep: str | Sequence[str] | None = None,
    region: str | None = None,
    fibre: str | None = None,
    sheet: str | None = None,
) -> Mesh:
    """The mesh of a file, in mm.

    ``unit`` ("m", "cm", "mm", "um") is inferred from the size of the heart where it is
    not given; ``mesh.unit_note`` says how. ``keep`` names the kinds of elements to take
    ("tetra", "triangle", "line"), dropping the others. ``region``, ``fibre`` and
    ``sheet`` name the fields that hold them, where they have unusual names.

    **Raises** ValueError where the file is empty, truncated, too large for the memory,
    of another format than its name says, without tetrahedra, triangles or lines, or
    of unknown unit; KeyError for a field that is not there; FileNotFoundError.
    """
    path = Path(path)
    suffix = _suffix(path)
    files = opencarp.names(path) if suffix in opencarp.SUFFIXES else {suffix: path}
    for file in files.values():
        if file.stat().st_size == 0:
            raise ValueError(f"{file} is empty. Copy or export it again.")
    refuse_too_large(list(files.values()), suffix)
    raw, promised = _read_raw(path, suffix)
    raw = _kept(raw, keep, path)
    points = np.asarray(raw.points, dtype=np.float64)
    if points.shape[1] == 2:
        points = np.pad(points, ((0, 0), (0, 1)))
    unit_given = unit is not None
    points, unit, note = to_mm(points, unit, raw.unit, path, raw.blocks)
    names = {"region": region, "fibre": fibre, "sheet": sheet}
    found = assembled(raw, points, names, unit, note, path)
    odd = doubt(float(found.size.max())) if unit_given else []
    told = {name: getattr(promised, name) for name in ("points", "cells", "pieces")}
    return replace(found, stated=told, notes=(*found.notes, *odd))


def write(mesh: Mesh, path: str | Path) -> None:
    """Writes the mesh in mm (openCARP: um), complete or not at all.

    .vtu and .vtkhdf hold everything; openCARP files regions, fibres and sheets; .vtp,
    .ply and .stl surfaces (.ply the fields of the nodes, .stl none).

    **Raises** ValueError for a name that is none of these, or volumes in a surface
    file.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise ValueError(
            f"A mesh is written as {', '.join(WRITABLE)}; got {path.name!r}. Name it "
            f"{path.stem}.vtu."
        )
    raw = _to_raw(mesh)
    kinds = {kind for kind, _ in raw.blocks}
    allowed = {".vtp": {"triangle", "line"}, ".ply": {"triangle"}, ".stl": {"triangle"}}
    fit = allowed.get(suffix, kinds)
    if suffix in opencarp.SUFFIXES:
        fit = set(_USED)
    if not kinds <= fit:
        raise ValueError(
            f"{suffix} files hold {'s and '.join(sorted(fit))}s; the mesh has "
            f"{', '.join(sorted(kinds))}. Write it as {path.stem}.vtu."
        )
    if suffix in opencarp.SUFFIXES:
        opencarp.write(raw, path)
        return
    with replacing(path) as temporary:
        if suffix == ".vtkhdf":
            vtkhdf.write(raw, temporary)
        elif suffix == ".vtp":
            libraries.write_vtp(raw, temporary)
        else:
            libraries.write_meshio(raw, temporary, suffix)


def left_behind(mesh: Mesh, path: Path) -> list[str]:
    """What ``mesh`` holds and a file of that name does not: regions, fields by name."""
    suffix = path.suffix.lower()
    if suffix in (".vtu", ".vtkhdf", ".vtp"):
        return []
    lost = [*mesh.cell_fields]
    plain = suffix == ".ply"
    lost += [n for n, v in mesh.point_fields.items() if not plain or np.ndim(v) > 1]
    if suffix in opencarp.SUFFIXES:
        return lost
    if any(values.any() for values in mesh.regions.values()):
        lost.append("regions")
    return [
        *lost,
        *(["fibres"] if mesh.fibres else ()),
        *(["sheets"] if mesh.sheets else ()),
    ]


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in opencarp.SUFFIXES:
        if not opencarp.names(path):
            raise FileNotFoundError(f"{path} does not exist.")
        return suffix
    if not path.exists() and opencarp.names(path):
        return ".pts"
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if path.name.lower().endswith(IMAGES):
        raise NotUnderstood(_image(path, "by its name"))
    if suffix not in (*READABLE, *READERS) or path.is_dir():
        raise ValueError(
            f"{path} is not a mesh by its name: meshes are {', '.join(READABLE)}. "
            "Convert it to .vtu."
        )
    return suffix


def _image(path: Path, what: str) -> str:
    said = f"{path} is an image ({what}), not a mesh. "
    if path.name.lower().endswith((".nii", ".nii.gz", ".vti", ".vtk")):
        return (
            f"{said}Its labels become voxels: cordax ep run {path} -o OUT. (Or save it "
            "as NIfTI, .nii.gz, from ParaView or 3D Slicer.)"
        )
    return (
        f"{said}Save its label map as NIfTI (.nii.gz), e.g. from 3D Slicer, and type: "
        f"cordax ep run {path.stem}.nii.gz -o OUT"
    )


#: Readers by suffix; vtk's for all others. None of one's own means: meshio's.
READERS: dict[str, Callable[[Path], RawMesh | None]] = {
    ".vtkhdf": vtkhdf.read, ".msh": gmsh.read, ".xdmf": xdmf.read,
    ".ply": surfaces.read_ply, ".stl": surfaces.read_stl,
}  # fmt: skip


def _read_raw(path: Path, suffix: str) -> tuple[RawMesh, Stated]:
    """The file's content, and what it states of itself, counted apart."""
    carp = suffix in opencarp.SUFFIXES
    raw = opencarp.read(path) if carp else _understood(path, suffix)
    file = opencarp.stem(path).with_name(f"{opencarp.stem(path).name}{suffix}")
    promised = stated(file if carp else path, suffix)
    _all_of_it(raw, promised, path)
    highest = max((int(c.max(initial=-1)) for _, c in raw.blocks), default=-1)
    if highest >= len(raw.points):
        raise ValueError(
            f"{path} names the node {highest} and holds {len(raw.points)}: it is "
            "truncated or damaged."
        )
    raw.unit = raw.unit or _stated_unit(path)
    return raw, promised


def _understood(path: Path, suffix: str) -> RawMesh:
    try:
        raw = READERS.get(suffix, libraries.read_vtk)(path)
        return libraries.read_meshio(path) if raw is None else raw
    except MemoryError:
        raise
    except IsImage as image:
        raise NotUnderstood(_image(path, image.what)) from None
    except NotUnderstood as error:
        raise NotUnderstood(
            f"{path} is not understood: {str(error).rstrip('.')}."
        ) from None
    # the readers of other people's files raise anything, SystemExit included
    except (Exception, SystemExit) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        said = f"{path} cannot be read as {suffix}: {why.rstrip('.')}"
        if isinstance(error, Damaged) or _is_damage(path, error):
            said += f"; it is truncated, or not what its name says{_looks_like(path)}"
        else:
            said += ". Open it where it was made, e.g. in ParaView, and save it as .vtu"
        raise ValueError(f"{said}.") from error


def _is_damage(path: Path, error: BaseException) -> bool:
    """Whether another kind of file bears this name, or HDF5 finds it cut short."""
    looks, suffix = _looks_like(path), path.suffix.lower()
    xml = {".vtu": "VTK UnstructuredGrid", ".vtp": "VTK PolyData"}
    own = xml.get(suffix, {".vtkhdf": "HDF5"}.get(suffix, suffix))
    if suffix == ".vtkhdf" and isinstance(error, OSError):
        return True
    return bool(looks) and f"content is {own})" not in looks


def _all_of_it(raw: RawMesh, promised: Stated, path: Path) -> None:
    """No reader returns less than the file states, nor what only a part of it has."""
    points = len(raw.points)
    lost = [
        f"{wanted} {name} and {got} were read"
        for name, wanted, got in (
            ("points", promised.points, points), ("cells", promised.cells, raw.n_cell),
        )
        if wanted is not None and got < wanted
    ]  # fmt: skip
    if lost:
        raise ValueError(
            f"{path} states {', '.join(lost)}: it is truncated, or holds what is not "
            "understood. Open it where it was made and save it as .vtu."
        )

    for name in promised.uneven:
        raw.point_data.pop(name, None)
        raw.cell_data.pop(name, None)
        told = f"the field {name}, which some of the file's pieces lack"
        if name.lower() in (*REGION, *FIBRE, *SHEET):
            raise NotUnderstood(
                f"{path} is not understood: it has {told}. Write it to all of them, or "
                "save the others without it, as .vtu."
            )
        raw.notes.append(f"Left out: {told}.")


def _looks_like(path: Path) -> str:
    with open(path, "rb") as file:
        head = file.read(400)
    found = re.search(rb'<VTKFile[^>]*\stype="(\w+)"', head)
    if found:
        return f" (its content is VTK {found[1].decode()})"
    for start, what in ((b"# vtk", ".vtk"), (b"$MeshFormat", ".msh"), (b"ply", ".ply")):
        if head.startswith(start):
            return f" (its content is {what})"
    return " (its content is HDF5)" if head.startswith(b"\x89HDF") else ""


def _stated_unit(path: Path) -> str:
    with open(path, "rb") as file:
        found = re.search(rb"length unit: (um|mm|cm|m)\b", file.read(2048))
    return found[1].decode() if found else ""


def _kept(raw: RawMesh, keep: str | Sequence[str] | None, path: Path) -> RawMesh:
    """The blocks to use, of one kind each; vertices hold nothing and are left out."""
    wanted = _USED if keep is None else (keep,) if isinstance(keep, str) else keep
    unknown = [kind for kind in wanted if kind not in _USED]
    if unknown:
        raise ValueError(f"keep takes {', '.join(_USED)}; got {unknown[0]!r}.")
    counts: dict[str, int] = {}
    for kind, corners in raw.blocks:
        if len(corners):
            counts[kind] = counts.get(kind, 0) + len(corners)
    others = [k for k in counts if k not in _USED and k not in _HOLLOW]
    if not set(counts) & set(wanted) or (others and keep is None):
        held = ", ".join(f"{kind} ({n})" for kind, n in sorted(counts.items()))
        raise ValueError(
            f"Tissue needs tetrahedra, triangles or lines; {path} holds "
            f"{held or 'no elements'}. Cut them into these where it was made "
            "(ParaView: Tetrahedralize, or Triangulate for a surface; gmsh: "
            "Mesh.ElementOrder = 1, no recombining), and save it as .vtu."
        )
    blocks, data = [], {name: [] for name in raw.cell_data}
    for kind in _USED:
        mine = [k for k, (named, _) in enumerate(raw.blocks) if named == kind]
        if kind not in wanted or not mine:
            continue
        blocks.append((kind, np.concatenate([raw.blocks[k][1] for k in mine])))
        for name, parts in raw.cell_data.items():
            data[name].append(np.concatenate([parts[k] for k in mine]))
    left = [kind for kind in sorted(counts) if kind not in wanted]
    notes = [*raw.notes, *([f"Left out: {', '.join(left)}."] if left else [])]
    return RawMesh(raw.points, blocks, raw.point_data, data, raw.unit, notes=notes)


def _to_raw(mesh: Mesh) -> RawMesh:
    kinds = [kind for kind in mesh.elements if len(mesh.elements[kind])]
    cells: dict[str, dict[str, np.ndarray]] = {"region": mesh.regions}
    cells |= {"fibre": mesh.fibres} if mesh.fibres else {}
    cells |= {"sheet": mesh.sheets} if mesh.sheets else {}
    # a field of that name beside the regions that another one gave
    roles = ("region", "fibre", "sheet")
    for name, group in mesh.cell_fields.items():
        cells[f"{name} of the file" if name.lower() in roles else name] = group
    data = {
        name: [_filled(group, kind, len(mesh.elements[kind])) for kind in kinds]
        for name, group in cells.items()
        if group
    }
    blocks = [(kind, mesh.elements[kind]) for kind in kinds]
    points = {name: _storable(v) for name, v in mesh.point_fields.items()}
    return RawMesh(mesh.nodes, blocks, points, data, unit="mm")


def _filled(group: dict[str, np.ndarray], kind: str, count: int) -> np.ndarray:
    """The values of a kind; not a number where the field has none."""
    like = _storable(next(iter(group.values())))
    if len(group) and kind in group:
        return _storable(group[kind])
    dtype = like.dtype if like.dtype.kind == "f" else np.dtype(np.float64)
    return np.full((count, *like.shape[1:]), np.nan, dtype)


def _storable(values: Any) -> np.ndarray:
    """Neither booleans nor 16-bit floats have a type in VTK files."""
    values = np.asarray(values)
    small = {"b": np.int8}.get(values.dtype.kind)
    if values.dtype == np.float16:
        small = np.float32
    return values if small is None else values.astype(small)
