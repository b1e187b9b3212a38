"""A twin: a circulation, what is free in it, and posterior draws for one patient.

``calibrate(record)`` makes one, ``whatif`` asks it, ``save`` and ``load`` keep it. A
what-if runs every draw twice, before and after, with the reflex at rest in the
patient's own state: the gain of the reflex is a draw from its prior, because nothing
measured at rest tells it.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from calibration.optimise.batches import features_many, predict_many
from calibration.problems.problem import Problem
from calibration.sampling.interval import interval
from cordax.records.record import Record, from_payload
from cordax.scenarios.scenario import Asked, understand
from cordax.twins import prepare as build
from cordax.twins import store
from cordax.twins.learned_range import flag, input_rows
from cordax.twins.what_if import Draw, WhatIf, awake, change_rows, kept_of, treated
from learned.storage import file as learned_file
from learned.storage import hybrid as storage
from learned.storage.hybrid import Learned
from learned.terms.residual import without_residual
from physio.files import note_file, versions
from physio.hemodynamics.control.baroreflex import LOOP_GAIN_AT_UNIT_GAIN
from physio.parameters import parameters

_ASKED = "whatifs"  # folder of the what-ifs asked, inside the twin's
_RESIDUAL = "residual.h5"  # the learned part, inside the twin's folder


@dataclass(frozen=True)
class Twin:
    """One patient's circulation with its uncertainty.

    ``z`` is the most probable vector of free parameters, ``draws`` (n_draw, n_z) and
    ``gains`` (n_draw,) equally weighted samples of them and of the reflex's gain.
    ``residual`` is the learned part where there is one, ``plain_z`` the most probable
    vector without it.
    """

    record: Record
    start: build.Start
    z: Float[np.ndarray, " n_z"]
    draws: Float[np.ndarray, "n_draw n_z"]
    gains: Float[np.ndarray, " n_draw"]
    sd_ratio: Float[np.ndarray, " n_z"]
    verdict: tuple[str, ...]
    diagnostics: dict[str, Any]
    seed: int
    what_ifs: tuple[WhatIf, ...] = ()
    residual: Learned | None = None
    plain_z: Float[np.ndarray, " n_z"] | None = None

    @property
    def problem(self) -> Problem:
        """Model, space, observations and experiment of the calibration."""
        s = self.start
        return Problem(s.model, s.space, s.observations, s.experiment)

    @property
    def model(self) -> Any:
        """The most probable circulation."""
        return self.problem.model_at(jnp.asarray(self.z))[0]

    @cached_property
    def rest(self) -> Draw:
        """The beats at rest: the most probable first, then one per draw."""
        return self._beats(self.problem)

    @cached_property
    def mechanistic_rest(self) -> Draw:
        """The beats of the same draws without the learned part."""
        if self.residual is None:
            return self.rest
        s = self.start
        return self._beats(
            Problem(without_residual(s.model), s.space, s.observations, s.experiment)
        )

    def _beats(self, problem: Problem) -> Draw:
        z = np.concatenate([self.z[None], self.draws])
        start = np.tile(np.asarray(problem.start()), (len(z), 1))
        _, seen = predict_many(problem, z, start)
        return kept_of(seen.features, seen.values, seen.ok)

    @property
    def reflex(self) -> str:
        """On or blunted, with the loop gain and its 90 % interval."""
        middle, low, high = (g * LOOP_GAIN_AT_UNIT_GAIN for g in interval(self.gains))
        return f"{self.start.reflex}, loop gain {middle:.1f} ({low:.1f} to {high:.1f})"

    def _after(self, interventions: Sequence[Any]) -> Draw:
        from physio.interventions import then

        z = np.concatenate([self.z[None], self.draws])
        gains = np.concatenate([[np.median(self.gains)], self.gains])
        arrays = (jnp.asarray(x) for x in (z, gains, self.rest.sensed))
        models, experiments = awake(self.problem, *arrays)
        after, start = treated(models, then(*interventions))
        features, _, ok = features_many(after, experiments, start)
        return kept_of(features, (), ok)

    def whatif(self, treatments: Asked) -> WhatIf:
        """Every index before and after treatments given together, and its change.

        ``treatments`` as typed: ``"fluid_bolus=500mL"``, several of these, a scenario
        file, or ``{"fluid_bolus": "0.5 L"}``. The twin is not changed:
        :meth:`remember` gives one whose report shows the answer. Raises
        ``ValueError`` where more than a tenth of the draws find no periodic beat.
        """
        from cordax.scenarios.names import TREATMENTS

        scenario = understand(treatments)
        parsed = scenario.treatments
        after = self._after(
            [TREATMENTS[t.name].make(jnp.asarray(t.dose, float)) for t in parsed]
        )
        good = np.asarray(self.rest.ok & after.ok)
        lost = int((~good).sum())
        if lost > 0.1 * good.size:
            raise ValueError(
                f"{lost} of {good.size} draws find no periodic beat after "
                f"{', '.join(map(str, parsed))}: the dose is beyond what this heart "
                "bears in the model. Try a smaller one."
            )
        learned, inputs = {}, ()
        if self.residual is not None:
            learned, inputs = (
                after.learned,
                input_rows(self.residual, after.learned, good),
            )
        return WhatIf(
            " and ".join(map(str, parsed)), change_rows(self.rest, after, good),
            self.reflex, int(good[1:].sum()), lost, after.waves, good, learned,
            inputs, flag(inputs), scenario.notes,
        )  # fmt: skip

    def remember(self, found: WhatIf) -> "Twin":
        """A twin that shows this answer in its report, after those it showed before;
        the same treatments asked again replace their answer."""
        others = tuple(w for w in self.what_ifs if w.title != found.title)
        return dataclasses.replace(self, what_ifs=(*others, found))

    def save(self, folder: str | Path, force: bool = False) -> None:
        """Write the twin folder, whole or not at all.

        Raises ``FileExistsError`` where it exists and ``force`` is not set.
        """
        space = self.start.space
        physical = jax.vmap(space.physical)(jnp.asarray(self.draws))
        payload = {
            "model": {
                "builder": self.start.state,
                "arguments": {"body_surface_area_m2": self.start.body_surface_area},
                "interventions": [],
                "leaves": {
                    name: float(p.value) for name, p in parameters(self.model).items()
                },
            },
            "record": self.record.payload(),
            "draws": {k: np.asarray(v) for k, v in physical.items()}
            | {"reflex.gain": self.gains},
            "z": {
                "most_probable": self.z,
                "draws": self.draws,
                "sd_ratio": self.sd_ratio,
            },
            "verdict": list(self.verdict),
            "diagnostics": self.diagnostics,
            "seed": self.seed,
            "versions": versions(),
            "residual": None if self.residual is None else _mark(self.residual),
        }
        if self.plain_z is not None:
            payload["z"]["without_residual"] = self.plain_z
        store.save(folder, payload, force=force, more=self._keep_residual)
        self.keep(folder)

    def _keep_residual(self, folder: Path) -> None:
        if self.residual is not None:
            storage.save(folder / _RESIDUAL, self.residual)

    def keep(self, folder: str | Path) -> None:
        """Add the what-ifs remembered to the twin's folder, for its report."""
        for k, found in enumerate(self.what_ifs):
            name = f"{_ASKED}/{k + 1:03d}.h5"
            store.save_part(Path(folder) / name, found.payload())
            note_file(folder, name)

    @classmethod
    def load(cls, folder: str | Path, model: Any = None) -> "Twin":
        """Read a twin folder.

        The circulation is built again from the record and checked leaf by leaf
        against the stored one, so that a changed default cannot pass unseen.
        """
        payload = store.load(folder)
        record = from_payload(payload["record"])
        residual = _residual(Path(folder), payload.get("residual"))
        start = build.start(record, model=model, residual=residual)
        z = {k: np.asarray(v, float) for k, v in payload["z"].items()}
        twin = cls(
            record, start, z["most_probable"], z["draws"],
            np.asarray(payload["draws"]["reflex.gain"]), z["sd_ratio"],
            tuple(payload["verdict"]), payload["diagnostics"], payload["seed"],
            residual=residual, plain_z=z.get("without_residual"),
        )  # fmt: skip
        _same_leaves(twin.model, payload["model"]["leaves"], Path(folder))
        kept = sorted((Path(folder) / _ASKED).glob("*.h5"))
        answers = (WhatIf.from_payload(store.load_part(path)) for path in kept)
        return dataclasses.replace(twin, what_ifs=tuple(answers))


def _mark(residual: Learned) -> str:
    """What tells one learned part from another."""
    arrays = eqx.filter(residual.part, eqx.is_array)
    return learned_file.digest(*jax.tree.leaves(arrays))


def _residual(folder: Path, mark: str | None) -> Learned | None:
    """The learned part of a twin folder; ``StoreError`` where it is not its own."""
    if mark is None:
        return None
    again = f"Calibrate again: cordax fit PATIENT --residual FILE -o {folder} --force"
    try:
        found = storage.load(folder / _RESIDUAL)
    except (FileNotFoundError, learned_file.LearnedError) as error:
        raise store.StoreError(f"{error} {again}") from None
    if _mark(found) != mark:
        raise store.StoreError(
            f"{folder / _RESIDUAL} is not what this twin was calibrated with. {again}"
        )
    return found


def _same_leaves(model: Any, stored: dict[str, float], folder: Path) -> None:
    now = {name: float(p.value) for name, p in parameters(model).items()}
    different = [
        name
        for name in {**now, **stored}
        if name not in now
        or name not in stored
        or not np.isclose(now[name], stored[name], rtol=1e-9, atol=1e-12)
    ]
    if different:
        raise store.StoreError(
            f"{folder}: {', '.join(sorted(different)[:4])} differ from what this "
            "cordax builds from the record. Calibrate again: cordax fit PATIENT "
            f"-o {folder} --force"
        )


def load(folder: str | Path, *, model: Any = None) -> Twin:
    """Read a twin folder; ``model`` where it is a circulation of your own."""
    return Twin.load(folder, model)
