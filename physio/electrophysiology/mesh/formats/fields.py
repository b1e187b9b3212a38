"""Which fields of a file are regions, fibres and sheets; the rest stay as they are."""

from difflib import get_close_matches
from pathlib import Path

import numpy as np
from jaxtyping import Float

from physio.electrophysiology.mesh.formats.raw import RawMesh
from physio.electrophysiology.mesh.mesh import Mesh

#: Names of the regions in files, compared without case, the first found is taken.
REGION = ("region", "regions", "region_id", "regionid", "elemtag", "elemtags")
REGION += ("gmsh:physical", "medit:ref", "cellentityids", "material", "material_id")
REGION += ("materialid", "tag", "tags", "tissue", "label", "labels", "cell_tags")
REGION += ("cell tags", "meshtags", "mesh_tags")
FIBRE = ("fibre", "fiber", "fibres", "fibers", "lon", "f0", "f", "fibre_direction")
FIBRE += ("fiber_direction", "fiber_directions", "fibers_longitudinal", "fibre_axis")
SHEET = ("sheet", "sheets", "s0", "s", "sheet_direction", "fibers_sheet", "trans")


def assembled(
    raw: RawMesh, points, names: dict[str, str | None], unit: str, note: str, path: Path
) -> Mesh:
    kinds = [kind for kind, _ in raw.blocks]
    cells = {n: dict(zip(kinds, v, strict=True)) for n, v in raw.cell_data.items()}
    fields = dict(raw.point_data)
    elements = dict(raw.blocks)
    notes = list(raw.notes)
    regions = _regions(cells, names["region"], path, notes)
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


def _regions(
    cells: dict, given: str | None, path: Path, notes: list[str]
) -> dict[str, np.ndarray]:
    name = _found(cells, given, REGION)
    if not name:
        if given is not None:
            raise KeyError(_no_field(path, given, list(cells)))
        return {}
    found = {}
    for kind, values in _present(cells.pop(name)).items():
        values = np.asarray(values)
        if values.dtype.kind == "f" and np.isnan(values).any():
            none = np.isnan(values)
            notes.append(f"{none.sum()} {kind} have no {name}: their region is 0.")
            values = np.where(none, 0.0, values)
        found[kind] = _whole(values, name, path)
    return found


def _whole(values: np.ndarray, name: str, path: Path) -> np.ndarray:
    """Region numbers as whole numbers of 64 bits, each as the file has it."""
    values = values.reshape(len(values), -1)
    if values.shape[1] != 1 or (values != np.rint(values)).any():
        raise ValueError(
            f"The regions {name!r} of {path} are not whole numbers, one per element. "
            "Name another field: --region-field NAME"
        )
    largest = float(np.abs(values.astype(np.float64)).max(initial=0.0))
    limit = 2.0**63 if values.dtype.kind in "iub" else 2.0**53
    if largest >= limit:
        raise ValueError(
            f"The regions {name!r} of {path} reach {largest:.20g}, which no whole "
            "number of 64 bits holds exactly. Number them anew where it was made."
        )
    return values[:, 0].astype(np.int64)


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
