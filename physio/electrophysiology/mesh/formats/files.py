"""Reading and writing meshes: VTK, gmsh, XDMF, PLY, STL and openCARP files.

Regions, fibres and sheets are recognised
by their usual names (``REGION``, ``FIBRE``, ``SHEET``); every other field is kept.
"""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from physio.electrophysiology.mesh.formats import libraries, opencarp, vtkhdf
from physio.electrophysiology.mesh.formats.raw import RawMesh
from physio.electrophysiology.mesh.memory import refuse_too_large
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.mesh.units import to_mm
from physio.files import replacing

#: Names of the regions in files, compared without case, the first found is taken.
REGION = ("region", "regions", "region_id", "regionid", "elemtag", "elemtags")
REGION += ("gmsh:physical", "medit:ref", "cellentityids", "material", "material_id")
REGION += ("materialid", "tag", "tags", "tissue", "label", "labels", "cell_tags")
FIBRE = ("fibre", "fiber", "fibres", "fibers", "lon", "f0", "f", "fibre_direction")
FIBRE += ("fiber_direction", "fiber_directions", "fibers_longitudinal", "fibre_axis")
SHEET = ("sheet", "sheets", "s0", "s", "sheet_direction", "fibers_sheet", "trans")
_USED = ("tetra", "triangle", "line")
_SURFACES = (".vtp", ".ply", ".stl")
READABLE = (*libraries.MESHIO, ".vtp", ".vtk", ".vtkhdf", *opencarp.SUFFIXES)
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
    raw = _read_raw(path, suffix)
    raw = _kept(raw, keep, path)
    points = np.asarray(raw.points, dtype=np.float64)
    if points.shape[1] == 2:
        points = np.pad(points, ((0, 0), (0, 1)))
    points, unit, note = to_mm(points, unit, raw.unit, path)
    names = {"region": region, "fibre": fibre, "sheet": sheet}
    return _assembled(raw, points, names, unit, note, path)


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
    if suffix not in READABLE or path.is_dir():
        raise ValueError(
            f"{path} is not a mesh by its name: meshes are {', '.join(READABLE)}. "
            "Convert it to .vtu."
        )
    return suffix


def _read_raw(path: Path, suffix: str) -> RawMesh:
    if suffix in opencarp.SUFFIXES:
        return opencarp.read(path)
    readers: dict[str, Callable[[Path], RawMesh]] = {
        ".vtp": libraries.read_vtk,
        ".vtk": libraries.read_vtk,
        ".vtkhdf": vtkhdf.read,
    }
    try:
        raw = readers.get(suffix, libraries.read_meshio)(path)
    except MemoryError:
        raise
    # the readers of other people's files raise anything, SystemExit included
    except (Exception, SystemExit) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as {suffix}: {why.rstrip('.')}; it is truncated, "
            f"or not what its name says{_looks_like(path)}."
        ) from error
    highest = max((int(c.max(initial=-1)) for _, c in raw.blocks), default=-1)
    if highest >= len(raw.points):
        raise ValueError(
            f"{path} names the point {highest} and holds {len(raw.points)}: it is "
            "truncated or damaged."
        )
    raw.unit = raw.unit or _stated_unit(path)
    return raw


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
    ignored = ("vertex", "vertices")
    kinds = sorted({kind for kind, corners in raw.blocks if len(corners)})
    others = [k for k in kinds if k not in _USED and k not in ignored]
    if not set(kinds) & set(wanted) or (others and keep is None):
        held = ", ".join(kinds) or "no elements"
        usable = [k for k in _USED if k in kinds]
        todo = f"pass keep={usable[0]!r} to drop the others" if usable else "remesh it"
        raise ValueError(
            f"Tissue needs tetrahedra, triangles or lines; {path} holds {held}. "
            f"Convert it, or {todo}."
        )
    blocks, data = [], {name: [] for name in raw.cell_data}
    for kind in _USED:
        mine = [k for k, (named, _) in enumerate(raw.blocks) if named == kind]
        if kind not in wanted or not mine:
            continue
        blocks.append((kind, np.concatenate([raw.blocks[k][1] for k in mine])))
        for name, parts in raw.cell_data.items():
            data[name].append(np.concatenate([parts[k] for k in mine]))
    left = [k for k in kinds if k not in wanted]
    notes = [*raw.notes, *([f"Left out: {', '.join(left)}."] if left else [])]
    return RawMesh(raw.points, blocks, raw.point_data, data, raw.unit, notes=notes)


def _assembled(
    raw: RawMesh, points, names: dict[str, str | None], unit: str, note: str, path: Path
) -> Mesh:
    kinds = [kind for kind, _ in raw.blocks]
    cells = {n: dict(zip(kinds, v, strict=True)) for n, v in raw.cell_data.items()}
    fields = dict(raw.point_data)
    elements = dict(raw.blocks)
    regions = _regions(cells, names["region"], path)
    notes = list(raw.notes)
    fibres, sheets = (
        _directions(cells, fields, elements, names[role], usual, notes, path)
        for role, usual in (("fibre", FIBRE), ("sheet", SHEET))
    )
    return Mesh(
        nodes=points,
        elements=elements,
        regions=regions,
        fibres=fibres,
        sheets=sheets,
        point_fields=fields,
        cell_fields={n: _present(group) for n, group in cells.items()},
        unit=unit,
        unit_note=note,
        notes=tuple(notes),
    )


def _directions(
    cells: dict,
    fields: dict,
    elements: dict,
    given: str | None,
    usual: tuple[str, ...],
    notes: list[str],
    path: Path,
) -> dict[str, np.ndarray]:
    """Takes fibres or sheets out of the cells' fields, else out of the nodes'."""
    found = _vectors(cells, given, usual)
    if found is not None:
        return found
    at_nodes = {name: {"": values} for name, values in fields.items()}
    found = _vectors(at_nodes, given, usual)
    if found is None:
        if given is not None:
            raise KeyError(_no_field(path, given, [*cells, *fields]))
        return {}
    name = next(n for n in fields if n not in at_nodes)
    del fields[name]
    notes.append(
        f"{name} was given at the nodes: each element has the mean of its corners."
    )
    return _at_elements(found[""], elements)


def _found(fields: dict, given: str | None, usual: tuple[str, ...]) -> str:
    if given is not None:
        return given if given in fields else ""
    plain = {name.lower(): name for name in fields}
    return next((plain[name] for name in usual if name in plain), "")


def _regions(cells: dict, given: str | None, path: Path) -> dict[str, np.ndarray]:
    name = _found(cells, given, REGION)
    if not name:
        if given is not None:
            raise KeyError(_no_field(path, given, list(cells)))
        return {}
    regions = {}
    for kind, values in cells.pop(name).items():
        values = np.asarray(values).reshape(len(values), -1)
        whole = values.shape[1] == 1 and (values == np.rint(values)).all()
        if not whole:
            raise ValueError(
                f"The regions {name!r} of {path} are not whole numbers, one per "
                "element. Name another field with region=."
            )
        regions[kind] = values[:, 0].astype(np.int32)
    return regions


def _vectors(cells: dict, given: str | None, usual: tuple[str, ...]) -> dict | None:
    """Takes the field out of ``cells``, by kind, where it holds three numbers."""
    plain = {n: g for n, g in cells.items() if all(v.ndim == 2 for v in g.values())}
    threes = {n for n, g in plain.items() if all(v.shape[1] == 3 for v in g.values())}
    name = _found({n: 0 for n in cells if n in threes}, given, usual)
    if not name:
        return None
    return _present(cells.pop(name))


def _present(group: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Without the kinds that have no value: files give every kind a row."""
    floats = {k for k, v in group.items() if v.dtype.kind == "f"}
    empty = {k for k in floats if len(group) > 1 and np.isnan(group[k]).all()}
    return {k: v for k, v in group.items() if k not in empty}


def _at_elements(
    given: Float[np.ndarray, "n_node 3"], elements: dict
) -> dict[str, np.ndarray]:
    """The mean direction of each element's corners; a fibre has no head or tail."""
    means = {}
    for kind, corners in elements.items():
        ends = given[corners].astype(np.float64)
        sign = np.sign(np.einsum("ijk,ik->ij", ends, ends[:, 0]))
        mean = (ends * np.where(sign == 0.0, 1.0, sign)[:, :, None]).sum(axis=1)
        length = np.linalg.norm(mean, axis=1, keepdims=True)
        means[kind] = mean / np.where(length > 0.0, length, 1.0)
    return means


def _no_field(path: Path, name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, 3, 0.4)
    meant = f" Did you mean {', '.join(near)}?" if near else ""
    held = ", ".join(names) or "no fields"
    return f"{path} has no field {name!r} of that shape; it holds {held}.{meant}"


def _to_raw(mesh: Mesh) -> RawMesh:
    kinds = [kind for kind in mesh.elements if len(mesh.elements[kind])]
    cells: dict[str, dict[str, np.ndarray]] = {"region": mesh.regions}
    cells |= {"fibre": mesh.fibres} if mesh.fibres else {}
    cells |= {"sheet": mesh.sheets} if mesh.sheets else {}
    cells |= mesh.cell_fields
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
