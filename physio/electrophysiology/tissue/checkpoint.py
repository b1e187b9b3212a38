"""Long runs on disk: what was gathered, and the state to go on from.

A folder of ``part-000N.npz`` (what was gathered since the last) and ``state.npz``,
written last and atomically: it says how many parts belong to it.
"""

import hashlib
import time
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from physio.files import replacing

_SCHEMA = 1


def fingerprint(*things: Any) -> str:
    """A digest of everything that decides a run: arrays, numbers and structure."""
    digest = hashlib.sha256()

    def add(thing: Any) -> None:
        if hasattr(thing, "__dataclass_fields__") and not isinstance(thing, eqx.Module):
            for part in fields(thing):
                digest.update(part.name.encode())
                add(getattr(thing, part.name))
            return
        leaves, structure = jax.tree.flatten(thing)
        digest.update(str(structure).encode())
        for leaf in leaves:
            if eqx.is_array_like(leaf):
                array = np.asarray(leaf)
                digest.update(f"{array.dtype}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
            else:
                digest.update(repr(leaf).encode())

    for thing in things:
        add(thing)
    return digest.hexdigest()


class Checkpoint:
    """The folder of one run; ``every`` seconds of the clock apart."""

    def __init__(self, folder: Path, alike: str, every: float) -> None:
        self.folder, self.alike, self.every = folder, alike, every
        self.last = time.monotonic()
        self.parts = 0
        self.kept = 0

    def exists(self) -> bool:
        """Whether there is a state to go on from."""
        return (self.folder / "state.npz").exists()

    def save(
        self,
        done: int,
        state: Any,
        gathered: list[dict[str, np.ndarray]],
        *,
        last: bool,
    ) -> None:
        """Write, where it is time to or the run is over."""
        if not last and time.monotonic() - self.last < self.every:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        new = gathered[self.kept :]
        _write(
            self._part(self.parts),
            {
                f"{k}/{name}": x
                for k, part in enumerate(new)
                for name, x in part.items()
            },
        )
        self.parts += 1
        self.kept = len(gathered)
        leaves = {
            f"leaf/{k}": np.asarray(x) for k, x in enumerate(jax.tree.leaves(state))
        }
        about = {
            "schema": _SCHEMA,
            "done": done,
            "parts": self.parts,
            "run": self.alike,
        }
        _write(self.folder / "state.npz", leaves | about)
        self.last = time.monotonic()

    def load(self, like: Any) -> tuple[int, Any, list[dict[str, np.ndarray]]]:
        """How many samples are done, the state, and what was gathered.

        Raises ``ValueError`` where the folder holds another run, or is damaged.
        """
        saved = self._read(self.folder / "state.npz")
        if int(saved["schema"]) != _SCHEMA or str(saved["run"]) != self.alike:
            raise ValueError(
                f"{self.folder} holds the checkpoint of another run (other tissue, "
                "pacing, step or recording). Name another folder, or remove it."
            )
        leaves, structure = jax.tree.flatten(like)
        state = jax.tree.unflatten(
            structure, [jnp.asarray(saved[f"leaf/{k}"]) for k in range(len(leaves))]
        )
        gathered: list[dict[str, np.ndarray]] = []
        self.parts = int(saved["parts"])
        for number in range(self.parts):
            part = self._read(self._part(number))
            chunks: dict[int, dict[str, np.ndarray]] = {}
            for key, value in part.items():
                index, _, name = key.partition("/")
                chunks.setdefault(int(index), {})[name] = value
            gathered += [chunks[k] for k in sorted(chunks)]
        self.kept = len(gathered)
        return int(saved["done"]), state, gathered

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:04d}.npz"

    def _read(self, path: Path) -> dict[str, np.ndarray]:
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                return dict(file)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} is damaged or missing ({error}). Remove {self.folder} and "
                "start the run again."
            ) from error


def _write(path: Path, arrays: dict[str, Any]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
