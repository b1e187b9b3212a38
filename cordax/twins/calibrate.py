"""From a record to a twin: prepare, fit, draw from the posterior."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from calibration.optimise.fit import Fit, fit, fit_many
from calibration.sampling.posterior import Posterior, sample_fit
from cordax.progress import Progress, silent
from cordax.records.record import Record
from cordax.twins import prepare as build
from cordax.twins.twin import Twin
from learned.storage.hybrid import Learned
from learned.terms.residual import without_residual

DRAWS = 255  # with the most probable one, whole chunks of lanes


STARTS = 6


ESS = 1000.0  # effective draws of the posterior, from which DRAWS are resampled


def _diagnostics(found: Fit, posterior: Posterior) -> dict[str, Any]:
    """Plain values; what is infinite or NaN as text: JSON has neither."""
    numbers = {k: float(v) for k, v in posterior.diagnostics.items()}
    return {
        "method": posterior.method,
        "chi2": float(found.chi2[0]),
        "starts": STARTS,
        "starts_converged": int(found.converged.sum()),
        **{k: v if np.isfinite(v) else str(v) for k, v in numbers.items()},
    }


def _made(
    record: Record, start: build.Start, found: Fit, posterior: Posterior, seed: int,
    plain: Fit | None, residual: Learned | None,
) -> Twin:  # fmt: skip
    key = jax.random.fold_in(jax.random.key(seed), 2)
    normal = jax.random.normal(key, (posterior.z.shape[0],))
    return Twin(
        record=record,
        start=start,
        z=np.asarray(found.z),
        draws=np.asarray(posterior.z),
        gains=np.asarray(jax.vmap(start.reflex_gain.value)(normal)),
        sd_ratio=np.asarray([posterior.shrinkage[n] for n in start.space.names]),
        verdict=(*found.verdict, *posterior.verdict),
        diagnostics=_diagnostics(found, posterior),
        seed=seed,
        residual=residual,
        plain_z=None if plain is None else np.asarray(plain.z),
    )


def fitted(
    records: Sequence[Record],
    *,
    seed: int = 20260101,
    progress: Progress = silent,
    residual: Learned | None = None,
) -> list[Fit | None]:
    """The fits of several patients, those of one kind as one batch.

    Patients are of one kind where the same was measured in them and the same is free.
    None for one that is alone of its kind: ``calibrate`` fits it by itself.
    """
    starts = [build.start(record, residual=residual) for record in records]
    groups: dict[Any, list[int]] = {}
    for k, s in enumerate(starts):
        kind = jax.tree.structure((s.model, s.space, s.observations, s.experiment))
        groups.setdefault(kind, []).append(k)
    found: list[Fit | None] = [None] * len(records)
    for rows in groups.values():
        if len(rows) > 1:
            some = [starts[k] for k in rows]
            fits = fit_many(
                [s.model for s in some], [s.space for s in some],
                [s.observations for s in some], [s.experiment for s in some],
                starts=STARTS, key=jax.random.fold_in(jax.random.key(seed), 0),
                progress=lambda n, _: progress("fit", min(1.0, n / 15)),
            )  # fmt: skip
            for k, one in zip(rows, fits, strict=True):
                found[k] = one
    return found


def calibrate(
    record: Record,
    *,
    seed: int = 20260101,
    progress: Progress = silent,
    found: Fit | None = None,
    residual: Learned | None = None,
    surrogate: Learned | None = None,
    interrupted: Callable[[Twin], None] | None = None,
) -> Twin:
    """A twin of a patient record: fit (or ``found``), posterior draws, diagnostics.

    With a learned ``residual`` the circulation is a hybrid, and the fit is made once
    more without it to tell which parameters moved. A learned ``surrogate`` of this
    patient leads the posterior's chains, every draw decided by the circulation
    itself (delayed acceptance).

    Raises ``ValueError`` where no start reaches a periodic beat. On Ctrl-C while
    sampling, ``interrupted`` is given the twin of Laplace's approximation to keep;
    then ``KeyboardInterrupt`` goes on.
    """
    start = build.start(record, residual=residual)
    key = jax.random.key(seed)

    def told(iteration: int, objective: float) -> None:
        progress("fit", min(1.0, iteration / 15))

    if found is None:
        found = fit(
            start.model, start.space, start.observations, start.experiment,
            starts=STARTS, key=jax.random.fold_in(key, 0), progress=told,
        )  # fmt: skip
    if not found.ok:
        raise ValueError(f"{record.id}: {' '.join(found.verdict)}")
    plain = None
    if residual is not None:
        plain = fit(
            without_residual(start.model), start.space, start.observations,
            start.experiment,
            starts=STARTS, key=jax.random.fold_in(key, 0),
        )  # fmt: skip
    how: dict[str, Any] = {}
    if surrogate is not None:
        from cordax.twins.surrogate_density import log_density

        how = {"method": "delayed", "surrogate": log_density(surrogate, found)}
    try:
        posterior = sample_fit(
            found, key=jax.random.fold_in(key, 1), draws=DRAWS, ess=ESS,
            progress=lambda n, ess: progress("posterior", min(1.0, ess / ESS)), **how,
        )  # fmt: skip
    except KeyboardInterrupt:
        if interrupted is not None:
            rough = sample_fit(
                found, key=jax.random.fold_in(key, 1), method="laplace", draws=DRAWS
            )
            interrupted(_made(record, start, found, rough, seed, plain, residual))
        raise
    return _made(record, start, found, posterior, seed, plain, residual)
