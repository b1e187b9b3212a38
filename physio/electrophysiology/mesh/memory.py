"""Whether a mesh fits the memory, judged before it is loaded."""

import re
from pathlib import Path

# Peak over the size of the file. Measured on 1 M tetrahedra: .vtu 4.1, .vtkhdf 5.0,
# openCARP 3.3; on 190 k triangles: .vtp 9.5, .stl 6.9, .ply 1.7; compressed files may
# hold more than these did.
_TIMES = {".vtu": 10.0, ".vtp": 10.0, ".vtkhdf": 10.0}
_OTHERWISE = 8.0
# A node (coordinates, a few fields) and an element (corners, region, fibre), with
# the copies made on the way; this counts where a file is strongly compressed.
_BYTES_PER_POINT = 200.0
_BYTES_PER_CELL = 300.0
_GB = 1e9
_COUNTS = (
    (rb'NumberOfPoints="(\d+)"', _BYTES_PER_POINT),
    (rb'NumberOf(?:Cells|Polys)="(\d+)"', _BYTES_PER_CELL),
    (rb"\nPOINTS (\d+)", _BYTES_PER_POINT),
    (rb"\nelement vertex (\d+)", _BYTES_PER_POINT),
    (rb"\nelement face (\d+)", _BYTES_PER_CELL),
)


def needed(files: list[Path], suffix: str) -> float:
    """The bytes that reading the files may take, from their sizes and first lines."""
    size = sum(file.stat().st_size for file in files)
    with open(files[0], "rb") as file:
        head = file.read(1 << 16)
    counted = sum(
        each * max((int(n) for n in re.findall(pattern, head)), default=0)
        for pattern, each in _COUNTS
    )
    return max(size * _TIMES.get(suffix, _OTHERWISE), counted)


def available() -> float | None:
    """Free memory in bytes, the container's limit included; None where unknown."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", _text("/proc/meminfo"))
    if not found:
        return None
    free = float(found[1]) * 1024.0
    limit = _text("/sys/fs/cgroup/memory.max").strip()
    used = _text("/sys/fs/cgroup/memory.current").strip()
    if limit.isdigit() and used.isdigit():
        free = min(free, float(limit) - float(used))
    return free


def refuse_too_large(files: list[Path], suffix: str) -> None:
    """Raises ValueError where reading the files would exhaust the memory."""
    wanted, free = needed(files, suffix), available()
    if free is not None and wanted > free:
        raise ValueError(
            f"{files[0]} needs about {wanted / _GB:.1f} GB of memory to read and "
            f"{free / _GB:.1f} GB are free. Use a machine with more, or a coarser mesh."
        )


def _text(name: str) -> str:
    try:
        return Path(name).read_text()
    except OSError:  # not Linux, or no such limit
        return ""
