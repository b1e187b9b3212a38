"""A cohort to learn from: checked, and split by patient."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, PRNGKeyArray, PyTree

FEWEST = 4  # patients below which none can be held out honestly


def split(
    ids: Sequence[str], share: float, key: PRNGKeyArray
) -> tuple[Int[np.ndarray, " n_train"], Int[np.ndarray, " n_held"]]:
    """Rows to train on and rows held out, whole patients each.

    Raises ``ValueError`` where there are fewer than ``FEWEST`` patients or the share
    does not lie in (0, 1).
    """
    names = sorted(set(ids))
    if not 0.0 < share < 1.0:
        raise ValueError(f"The share held out lies between 0 and 1; got {share:g}.")
    if len(names) < FEWEST:
        raise ValueError(
            f"A cohort of {len(names)} cannot be split into patients to learn from and "
            f"patients to be judged on: {FEWEST} or more are wanted."
        )
    n = min(max(1, round(share * len(names))), len(names) - 2)
    order = np.asarray(jax.random.permutation(key, len(names)))
    held = {names[k] for k in order[:n]}
    out = np.array([name in held for name in ids])
    return np.flatnonzero(~out), np.flatnonzero(out)


def chosen(
    ids: Sequence[str], held: Any
) -> tuple[Int[np.ndarray, " n_train"], Int[np.ndarray, " n_held"]]:
    """Rows to train on where the rows held out are given.

    Raises ``ValueError`` where a patient would be on both sides, or where fewer than
    two are left to learn from.
    """
    out = np.unique(np.asarray(held, int))
    if out.size == 0 or out[0] < 0 or out[-1] >= len(ids):
        raise ValueError(f"held_out wants rows 0 to {len(ids) - 1}; got {held}.")
    rows = np.setdiff1d(np.arange(len(ids)), out)
    both = {str(ids[int(k)]) for k in rows} & {str(ids[int(k)]) for k in out}
    if both:
        raise ValueError(
            f"Patient {min(both)} is both trained on and held out: what is held out "
            "would judge nothing. Split by patient, not by row."
        )
    if len({ids[int(k)] for k in rows}) < 2:
        raise ValueError("Fewer than two patients are left to learn from.")
    return rows, out


def require_finite(data: PyTree, what: str = "training data") -> None:
    """Raise ``ValueError`` saying where data to train on hold NaN or infinity."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(data):
        values = np.asarray(leaf)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0][0]) if values.ndim else 0
            where = jax.tree_util.keystr(path) or "values"
            raise ValueError(
                f"The {what} hold a value that is not finite: {where}, row {row}. "
                "Leave that patient or that sample out."
            )


def require_rows(data: PyTree, n: int) -> None:
    """Raise ``ValueError`` where a leaf has not one entry per patient."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(data):
        shape = np.shape(leaf)
        if not shape or shape[0] != n:
            raise ValueError(
                f"{jax.tree_util.keystr(path) or 'data'} has shape {shape}: its first "
                f"axis must be the {n} patients."
            )
