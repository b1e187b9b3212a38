"""What a treatment does to a twin's posterior draws: a value, asked of a twin."""

from dataclasses import asdict, dataclass, field
from typing import Any

import equinox as eqx
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from calibration.problems.problem import Problem
from calibration.sampling.interval import Interval, interval
from cordax.twins.features import LEARNED, SENSED, WAVE, difference
from cordax.twins.learned_range import InputRow
from physio.hemodynamics.control.baroreflex import Baroreflex
from physio.hemodynamics.indices.beat import UNITS
from physio.parameters import replace

_COMPARED = ("before", "after", "change")


@dataclass(frozen=True)
class Draw:
    """What is kept of the beats of draws: indices, predictions of the observations,
    waves by phase, how far a residual was asked, the mean pressure that the reflex
    senses; draws come first."""

    features: dict[str, np.ndarray]
    values: tuple[np.ndarray, ...]
    waves: dict[str, np.ndarray]
    learned: dict[str, np.ndarray]
    sensed: np.ndarray
    ok: np.ndarray


@dataclass(frozen=True)
class ChangeRow:
    """An index before and after a treatment; the change is taken draw by draw."""

    name: str
    unit: str
    before: Interval
    after: Interval
    change: Interval


@dataclass(frozen=True)
class WhatIf:
    """What treatments given together do: the answer, and what pictures need of it.

    ``good`` (n_draw + 1,) marks the beats found before and after, ``waves`` hold the
    beats after by phase; ``asked`` is how far a learned residual was asked, ``inputs``
    the same by input and ``flag`` the sentence where it left its range; ``notes`` say
    what was taken for another word.
    """

    title: str
    rows: tuple[ChangeRow, ...]
    reflex: str
    draws: int
    draws_lost: int
    waves: dict[str, np.ndarray]
    good: np.ndarray
    asked: dict[str, np.ndarray] = field(default_factory=dict)
    inputs: tuple[InputRow, ...] = ()
    flag: str = ""
    notes: tuple[str, ...] = ()

    def row(self, name: str) -> ChangeRow:
        """One index. Raises ``KeyError`` naming those that are there."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"{name!r} is not among {', '.join(r.name for r in self.rows)}")

    def table(self) -> dict[str, Any]:
        """The answer as plain values, for JSON."""
        found: dict[str, Any] = {
            "rows": [
                {
                    "index": r.name,
                    "unit": r.unit,
                    "before": r.before,
                    "after": r.after,
                    "change": r.change,
                }
                for r in self.rows
            ],
            "reflex": self.reflex,
            "draws": self.draws,
            "draws_lost": self.draws_lost,
            "notes": list(self.notes),
        }
        if self.inputs:
            found |= {"learned": [asdict(r) for r in self.inputs], "flag": self.flag}
        return found

    def payload(self) -> dict[str, Any]:
        """Everything as plain values and arrays, for the store."""
        return {
            "title": self.title, **self.table(), "waves": self.waves,
            "good": self.good, "asked": self.asked,
        }  # fmt: skip

    @classmethod
    def from_payload(cls, kept: dict[str, Any]) -> "WhatIf":
        """What :meth:`payload` gave, read back from a file."""
        rows = (
            ChangeRow(r["index"], r["unit"], *(Interval(*r[k]) for k in _COMPARED))
            for r in kept["rows"]
        )
        inputs = (
            InputRow(**r | {k: tuple(r[k]) for k in ("learned", "seen")})
            for r in kept.get("learned", ())
        )
        return cls(
            kept["title"], tuple(rows), kept["reflex"], kept["draws"],
            kept["draws_lost"], kept["waves"], np.asarray(kept["good"]),
            kept.get("asked", {}), tuple(inputs), kept.get("flag", ""),
            tuple(kept.get("notes", ())),
        )  # fmt: skip


def change_rows(before: Draw, after: Draw, good: np.ndarray) -> tuple[ChangeRow, ...]:
    """Every index that both beats have, over the draws that are good."""
    rows = []
    for name, unit in UNITS.items():
        if name not in after.features or name not in before.features:
            continue
        pair = [d.features[name][1:][good[1:]] for d in (before, after)]
        if not np.isfinite(pair).all() or not np.any(pair):
            continue  # a valve that does not leak has no regurgitation to show
        change = difference(pair[1], pair[0])
        rows.append(ChangeRow(name, unit, *map(interval, (*pair, change))))
    return tuple(rows)


def kept_of(features: dict[str, Any], values: tuple[Any, ...], ok: Any) -> Draw:
    waves = {k.removeprefix(WAVE): v for k, v in features.items() if k.startswith(WAVE)}
    scalars = {k: v for k, v in features.items() if k in UNITS}
    learned = {k: v for k, v in features.items() if k.startswith(LEARNED)}
    return Draw(scalars, values, waves, learned, features[SENSED], ok)


@eqx.filter_jit
def awake(problem: Problem, z: Array, gain: Array, sensed: Array) -> tuple[Any, Any]:
    """Models and experiments of draws, stacked, with the reflex at rest in each."""

    def one(z: Array, gain: Array, sensed: Array) -> tuple[Any, Any]:
        model, experiment, _ = problem.model_at(z)
        return replace(model, "reflex", Baroreflex(gain, sensed)), experiment

    return eqx.filter_vmap(one)(z, gain, sensed)


@eqx.filter_jit
def treated(models: Any, treatment: Any) -> tuple[Any, Array]:
    """Stacked models after a treatment, and where to begin to search for their beat:
    little to compile for each kind of treatment."""

    def one(model: Any) -> tuple[Any, Array]:
        after = treatment(model)
        return after, ravel_pytree(after.initial_state())[0]

    return eqx.filter_vmap(one)(models)
