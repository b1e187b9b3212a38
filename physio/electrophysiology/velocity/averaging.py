"""The bond average for any cell: its own coefficients, else fitted once and kept.

A published cell states b and c (its ``excitation``). For another, a user's own, they
are fitted on a cable in a minute and kept beside the compiled programs, under a digest
of the cell's equations, parameters and start and of the code that fits: a changed cell
is fitted again, and what a damaged file should hold too.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from physio.electrophysiology.cells import cell as cells
from physio.electrophysiology.cells.cell import changed
from physio.electrophysiology.diffusion import bond_average, operator
from physio.electrophysiology.diffusion.bond_average import BondAverage
from physio.electrophysiology.velocity import plane_waves
from physio.files import cache_folder, write_atomic

SCHEMA = 1
_CODE = (bond_average, plane_waves, operator, cells)  # what a fitted number depends on
_LARGEST = 2.0  # of |b| and |c|: what waves bear is a tenth of it
_LOST = 0.5  # share by which a wave misses that no averaging can keep
_VOLTAGES = 12  # at which the fast current's states are looked for


class FittedAverage(NamedTuple):
    """A bond average and where its coefficients are from.

    ``origin`` is "published", "cached" or "fitted"; ``errors`` the shares by which a
    cable's velocity misses over ``FITTED_AT``, empty where published.
    """

    scheme: BondAverage
    origin: str
    errors: tuple[float, ...] = ()


def fitted_average(cell: Any, *, folder: Path | None = None) -> FittedAverage:
    """The bond average of a cell, fitted from its own start where it has none.

    ``folder`` is where fits are kept, ``${XDG_CACHE_HOME:-~/.cache}/cordax/
    bond_average`` unless given. **Raises** ValueError where no wave travels, or no
    coefficients keep its velocity.
    """
    rule = cell.excitation
    if rule is not None and rule.ratio:
        return FittedAverage(BondAverage(), "published")
    folder = cache_folder("bond_average") if folder is None else folder
    names = fast_states(cell) if rule is None else rule.states
    path = folder / f"{digest(cell)}.json"
    kind = jax.tree.leaves(cell)[0].dtype
    kept = _read(path)
    origin = "cached" if kept else "fitted"
    found = kept or _fitted(cell, names)
    b, c, *errors = found
    if not kept:
        _write(path, found)
    scheme = BondAverage(jnp.asarray(b, kind), jnp.asarray(c, kind), names)
    return FittedAverage(scheme, origin, tuple(errors))


def fast_states(cell: Any) -> tuple[str, ...]:
    """The gates that the cell's fast current reads, by name.

    Those whose change changes the current at some voltage between rest and peak.
    """
    y = cell.initial_state()
    low, high = float(y.v), float(2 * cell.threshold - y.v)
    v = jnp.linspace(low, low + 1.2 * (high - low), _VOLTAGES, dtype=y.v.dtype)
    y = jax.tree.map(lambda x: jnp.full(v.shape, x), y)
    y = changed(y, v=v, **{k: jnp.full_like(v, 0.5) for k in cell.gates(y)})

    def reads(name: str) -> bool:
        x = getattr(y, name)

        def move(x: Any) -> Any:
            return cell.fast_current(changed(y, **{name: x}))

        return bool(jnp.any(jax.jvp(move, (x,), (jnp.ones_like(x),))[1] != 0))

    return tuple(name for name in cell.gates(y) if reads(name))


def digest(cell: Any) -> str:
    """Of what a fit depends on: equations as traced, parameters, start and code."""
    start = cell.initial_state()

    def whole(cell: Any, y: Any) -> Any:
        return cell.current(y), cell.fast_current(y), cell.gates(y), cell.rates(y, y.v)

    traced = jax.make_jaxpr(whole)(cell, start)
    told = hashlib.sha256(f"{SCHEMA} {cell.threshold} {cell.stimulus}".encode())
    told.update(re.sub(r"0x[0-9a-f]+", "", str(traced)).encode())
    for module in _CODE:
        told.update(Path(str(module.__file__)).read_bytes())
    for leaf in jax.tree.leaves((cell, start, traced.consts)):
        x = np.asarray(leaf)
        told.update(f"{x.dtype}{x.shape}".encode() + x.tobytes())
    return told.hexdigest()


def _fitted(cell: Any, names: tuple[str, ...]) -> tuple[float, ...]:
    b, c, errors = plane_waves.fit_bond_average(cell, states=names)
    found = (b, c, *(float(x) for x in errors))
    if not _usable(found):
        raise ValueError(
            f"No wave of {type(cell).__name__} keeps its velocity on a grid: averaging "
            f"its fast current leaves {100 * float(np.max(np.abs(errors))):.0f} %."
        )
    return found


def _usable(found: tuple[float, ...]) -> bool:
    """b, c and the errors left: finite, and a wave at every spacing."""
    b, c, *errors = found
    return (
        len(errors) == len(plane_waves.FITTED_AT)
        and bool(np.isfinite(found).all())
        and max(abs(b), abs(c)) < _LARGEST
        and max(map(abs, errors)) < _LOST
    )


def _read(path: Path) -> tuple[float, ...] | None:
    """What a file holds; None where there is none, or none that can be used."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        found = (float(held["middle"]), float(held["end"]), *map(float, held["errors"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if _usable(found) and held.get("key") == path.stem else None


def _write(path: Path, found: tuple[float, ...]) -> None:
    b, c, *errors = found
    held = {"key": path.stem, "middle": b, "end": c, "errors": errors}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(held) + "\n")
    except OSError:
        return  # a full or read-only disk costs the next run a fit, this one nothing
