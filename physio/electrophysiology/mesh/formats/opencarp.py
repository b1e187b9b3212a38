"""openCARP meshes: .pts (micrometres), .elem (type, corners, tag) and .lon (fibres).

Each of the three files may begin with a header line or not: the number of points, the
number of elements, the number of vectors per element (1 fibre, or 2 fibre and sheet).
Source: the openCARP user manual, "Mesh format".
"""

import warnings
from pathlib import Path

import numpy as np

from physio.electrophysiology.mesh.formats.raw import RawMesh
from physio.files import replacing

SUFFIXES = (".pts", ".elem", ".lon")
_TYPES = {b"Tt": "tetra", b"Tr": "triangle", b"Ln": "line"}
_OTHER = {b"Hx": "hexahedron", b"Qd": "quad", b"Pr": "wedge", b"Py": "pyramid"}
_CORNERS = {b"Tt": 4, b"Tr": 3, b"Ln": 2, b"Hx": 8, b"Qd": 4, b"Pr": 6, b"Py": 5}
_UM_PER_MM = 1000.0


def stem(path: Path) -> Path:
    """The common part of the three names."""
    return path.with_suffix("") if path.suffix in SUFFIXES else path


def names(path: Path) -> dict[str, Path]:
    """The three files by suffix; those that there are."""
    whole = {suffix: Path(f"{stem(path)}{suffix}") for suffix in SUFFIXES}
    return {suffix: file for suffix, file in whole.items() if file.exists()}


def read(path: Path) -> RawMesh:
    """The mesh of the three files; .lon may be absent.

    **Raises** ValueError where one is missing, cut short, or does not fit another.
    """
    files = names(path)
    for suffix in (".pts", ".elem"):
        if suffix not in files:
            raise ValueError(
                f"{stem(path)}{suffix} is missing: an openCARP mesh has .pts and "
                ".elem, and .lon for its fibres."
            )
    points = _table(files[".pts"], 3)
    blocks, tags, order = _elements(files[".elem"])
    raw = RawMesh(points, blocks, unit="um")
    raw.cell_data["region"] = tags
    if ".lon" not in files:
        raw.notes.append(f"{stem(path)}.lon is not there: no fibres were read.")
        return raw
    vectors = _vectors(files[".lon"])
    wanted = sum(len(corners) for _, corners in blocks)
    if len(vectors) != wanted:
        raise ValueError(
            f"{files['.lon']} holds {len(vectors)} fibres for {wanted} elements of "
            f"{files['.elem']}. Give one line per element."
        )
    for start, name in ((0, "fibre"), (3, "sheet")):
        if vectors.shape[1] > start:
            raw.cell_data[name] = [vectors[o, start : start + 3] for o in order]
    return raw


def _numbers(text: bytes, file: Path) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # text that is no number: only a warning
            return np.fromstring(text.decode("ascii"), dtype=np.float64, sep=" ")
    except (DeprecationWarning, UnicodeDecodeError, ValueError):
        raise ValueError(
            f"{file} holds something that is not a number; it may be truncated, or "
            "not an openCARP file."
        ) from None


def _table(file: Path, columns: int) -> np.ndarray:
    text = file.read_bytes()
    values, promised = _without_header(text, file)
    if len(values) % columns:
        raise ValueError(
            f"{file} ends inside a line of {columns} numbers: it is truncated."
        )
    rows = values.reshape(-1, columns)
    _as_promised(len(rows), promised, file, "points")
    return rows


def _without_header(text: bytes, file: Path) -> tuple[np.ndarray, int | None]:
    first = text.lstrip().split(b"\n", 1)[0].split()
    values = _numbers(text, file)
    if len(first) == 1:
        return values[1:], int(values[0])
    return values, None


def _as_promised(found: int, promised: int | None, file: Path, what: str) -> None:
    if promised is not None and found != promised:
        raise ValueError(
            f"{file} promises {promised} {what} and holds {found}: it is truncated or "
            "damaged. Copy it again."
        )


def _vectors(file: Path) -> np.ndarray:
    text = file.read_bytes()
    values, header = _without_header(text, file)
    lines = text.strip().split(b"\n", 2)
    row = lines[1] if header is not None and len(lines) > 1 else lines[0]
    columns = len(row.split())
    if columns not in (3, 6) or len(values) % columns:
        raise ValueError(
            f"{file} does not hold lines of 3 or 6 numbers (fibre, sheet): it is "
            "truncated or damaged."
        )
    return values.reshape(-1, columns)


def _elements(
    file: Path,
) -> tuple[list[tuple[str, np.ndarray]], list[np.ndarray], list[np.ndarray]]:
    """Blocks by kind, their tags, and the place of each element in the file."""
    text = file.read_bytes().strip() + b"\n"
    promised = None
    first = text.split(b"\n", 1)[0].split()
    if len(first) == 1 and first[0].isdigit():
        promised = int(first[0])
        text = text.split(b"\n", 1)[1]
    data = np.frombuffer(text, dtype=np.uint8)
    starts = np.concatenate([[0], np.flatnonzero(data == ord("\n"))[:-1] + 1])
    if not len(text):
        raise ValueError(f"{file} holds no elements.")
    codes = data[starts].astype(np.uint16) * 256
    codes += data[np.minimum(starts + 1, len(data) - 1)]
    _as_promised(len(starts), promised, file, "elements")
    letters = {key: key[0] * 256 + key[1] for key in _CORNERS}
    counts = np.zeros(len(starts), dtype=np.int64)
    for key, code in letters.items():
        counts[codes == code] = _CORNERS[key]
    if not counts.all():
        line = int(np.argmin(counts)) + (2 if promised is not None else 1)
        raise ValueError(
            f"Line {line} of {file} does not begin with {', '.join(_names())}: the "
            "file is truncated or not an openCARP .elem file."
        )
    for key in letters:
        text = text.replace(key, b"  ")
    values = _numbers(text, file)
    tagged = len(values) == (counts + 1).sum()
    if not tagged and len(values) != counts.sum():
        raise ValueError(
            f"{file} holds {len(values)} numbers where its lines need "
            f"{(counts + 1).sum()}: it is truncated or damaged."
        )
    ends = np.cumsum(counts + tagged)
    blocks, tags, order = [], [], []
    for key, kind in (_TYPES | _OTHER).items():
        mine = np.flatnonzero(codes == letters[key])
        if not len(mine):
            continue
        begin = (ends - counts - tagged)[mine]
        corners = values[begin[:, None] + np.arange(_CORNERS[key])]
        blocks.append((kind, corners.astype(np.int64)))
        last = values[ends[mine] - 1] if tagged else np.zeros(len(mine))
        tags.append(last.astype(np.int64))
        order.append(mine)
    return blocks, tags, order


def _names() -> list[str]:
    return [key.decode() for key in _CORNERS]


def write(raw: RawMesh, path: Path) -> None:
    """Writes the files of an openCARP mesh; .lon only where there are fibres.

    Fields other than region, fibre and sheet have no place in the format. The old
    files stay until all the new ones are complete.
    """
    keys = {kind: key.decode() for key, kind in _TYPES.items()}
    count = sum(len(corners) for _, corners in raw.blocks)
    with replacing(f"{stem(path)}.pts") as pts, replacing(f"{stem(path)}.elem") as elem:
        scaled = raw.points * _UM_PER_MM
        with open(pts, "w") as file:
            file.write(f"{len(scaled)}\n")
            np.savetxt(file, scaled, fmt="%.10g")
        with open(elem, "w") as file:
            file.write(f"{count}\n")
            for (kind, corners), tag in zip(
                raw.blocks, raw.cell_data["region"], strict=True
            ):
                rows = np.column_stack([corners, tag])
                np.savetxt(file, rows, fmt=f"{keys[kind]} " + "%d " * rows.shape[1])
        vectors = [n for n in ("fibre", "sheet") if n in raw.cell_data]
        if vectors:
            with replacing(f"{stem(path)}.lon") as lon, open(lon, "w") as file:
                file.write(f"{len(vectors)}\n")
                for rows in zip(*(raw.cell_data[n] for n in vectors), strict=True):
                    np.savetxt(file, np.nan_to_num(np.hstack(rows)), fmt="%.8g")
        else:
            Path(f"{stem(path)}.lon").unlink(missing_ok=True)
