"""The sections of gmsh's files (.msh) and the numbers in them, text or binary."""

from collections import Counter
from collections.abc import Iterator
from typing import SupportsInt

import numpy as np

from physio.electrophysiology.mesh.formats.raw import Damaged


class Stream:
    """The numbers of one section, text or binary, taken from the front."""

    def __init__(self, name: str, content: bytes, order: str, binary: bool) -> None:
        self.name, self.order, self.binary, self.place = name, order, binary, 0
        self.content = content
        if not binary:
            try:
                text = np.array(content.split(), dtype=np.float64)
            except ValueError:
                raise Damaged(f"{name} holds something that is not a number") from None
            self.values = text

    def take(self, count: SupportsInt, kind: str) -> np.ndarray:
        number = int(count)
        if self.binary:
            size = np.dtype(f"{self.order}{kind}").itemsize
            end = self.place + number * size
            self.check(end <= len(self.content))
            part = np.frombuffer(self.content[self.place : end], self.order + kind)
        else:
            end = self.place + number
            self.check(end <= len(self.values))
            part = self.values[self.place : end]
        self.place = end
        return part.astype(np.float64 if kind == "f8" else np.int64)

    def ints(self, count: SupportsInt) -> np.ndarray:
        return self.take(count, "i4")

    def sizes(self, count: SupportsInt) -> np.ndarray:
        return self.take(count, "u8")

    def reals(self, count: SupportsInt) -> np.ndarray:
        return self.take(count, "f8")

    def check(self, fits: bool) -> None:
        """Raises Damaged where the section has not that much."""
        if not fits:
            raise Damaged(f"it ends inside ${self.name}")


def split(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every section's name and content; $NodeData and the like are numbered."""
    place, seen = 0, Counter()
    while (start := data.find(b"$", place)) >= 0:
        line = data.find(b"\n", start)
        name = data[start + 1 : line].strip().decode("latin-1")
        end = data.find(b"$End" + name.encode("latin-1"), line)
        if line < 0 or end < 0:
            raise Damaged(f"its section ${name} has no end")
        seen[name] += 1
        key = f"{name} {seen[name]}" if name.endswith("Data") else name
        yield key, data[line + 1 : end]
        place = end + len(name) + 4


def physical_names(content: bytes) -> dict[tuple[int, int], str]:
    """(dimension, group) -> name."""
    found = {}
    for line in content.decode("utf-8", "replace").splitlines()[1:]:
        parts = line.split(None, 2)
        if len(parts) == 3:
            found[int(parts[0]), int(parts[1])] = parts[2].strip().strip('"')
    return found


def data_rows(
    section: str, content: bytes, order: str, binary: bool
) -> tuple[str, np.ndarray, np.ndarray]:
    """The name, the numbered places and the values of a section of data."""
    tags: list[list[str]] = []
    for _ in range(3):  # strings, reals, integers: a count, then a line for each
        line, _, content = content.partition(b"\n")
        mine = []
        for _ in range(int(line)):
            line, _, content = content.partition(b"\n")
            mine.append(line.decode("utf-8", "replace").strip().strip('"'))
        tags.append(mine)
    width, count = int(tags[2][1]), int(tags[2][2])
    if binary:
        row = np.dtype([("k", order + "i4"), ("x", order + "f8", (width,))])
        if len(content) < count * row.itemsize:
            raise Damaged(f"it ends inside ${section}")
        rows = np.frombuffer(content, row, count)
        return tags[0][0], rows["k"].astype(np.int64), rows["x"].astype(np.float64)
    values = Stream(section, content, order, False).reals(count * (1 + width))
    values = values.reshape(count, 1 + width)
    return tags[0][0], values[:, 0].astype(np.int64), values[:, 1:]
