"""A training that was stopped goes on where it was, bit for bit."""

import signal
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from learned.storage.file import LearnedError, read_arrays, write_arrays

_FORMAT, _SCHEMA = "cordax-training", 1


def write(path: str | Path, mark: str, counts: dict[str, Any], state: PyTree) -> None:
    """Keep the counters and every array of a training's state, whole or not at all.

    ``mark`` says which training it is. Ctrl-C waits until the file is written.
    """
    arrays = {f"{k:04d}": np.asarray(v) for k, v in enumerate(jax.tree.leaves(state))}
    header = {"format": _FORMAT, "schema": _SCHEMA, "mark": mark, "counts": counts}
    with uninterrupted():
        write_arrays(path, header, arrays)


def read(path: str | Path, mark: str, like: PyTree) -> tuple[dict[str, Any], PyTree]:
    """Counters and state, in the shape of ``like``.

    Raises ``ValueError`` where the file is damaged or of another training.
    """
    try:
        header, arrays = read_arrays(path)
    except LearnedError as error:
        raise ValueError(f"{error} Remove it to train from the start.") from None
    if header.get("format") != _FORMAT or header.get("schema") != _SCHEMA:
        raise ValueError(
            f"{path} is not a checkpoint of a training: name another file."
        )
    if header["mark"] != mark:
        raise ValueError(
            f"{path} belongs to another training (other data, start, stages or seed). "
            "Remove it to train from the start, or name another file."
        )
    leaves = [jnp.asarray(arrays[name]) for name in sorted(arrays)]
    return header["counts"], jax.tree.unflatten(jax.tree.structure(like), leaves)


class uninterrupted:
    """Ctrl-C is held back until the block ends."""

    def __enter__(self) -> None:
        self.asked = False
        try:
            self.before = signal.signal(signal.SIGINT, self._note)
        except ValueError:  # not in the main thread: no handler to hold back
            self.before = None

    def _note(self, *_: Any) -> None:
        self.asked = True

    def __exit__(self, *_: Any) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
        if self.asked:
            raise KeyboardInterrupt
