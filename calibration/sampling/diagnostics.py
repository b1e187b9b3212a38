"""What a sampler says of itself, and whether that allows trust: one judgement.

The verdict in words (``calibration.sampling.posterior``) and the report's table are
both made of what ``judged`` returns. A figure that is NaN or infinite is bad, never
absent: Pareto's k is infinite where the weights' tail cannot be told.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from calibration.sampling.delayed_acceptance import AGREED
from calibration.sampling.pareto import TRUSTED

LEAST_ACCEPTED = 0.05  # share of a surrogate's proposals, below which it is no help
MOST_DIVERGENT = 0.01  # share of a chain's draws
MOST_FAILED = 0.05  # share of the draws tried that have no sound beat


@dataclass(frozen=True)
class Diagnostic:
    """One figure: ``good`` is None where it is only told; ``said`` is what is wrong."""

    key: str
    name: str
    value: float
    good: bool | None
    meaning: str
    said: str = ""


#: what is told and not judged: name and meaning
_TOLD = {
    "draws": ("draws", "of the sampler, before resampling"),
    "evaluations": ("runs of the model", "that the sampler needed"),
    "rounds": ("rounds", "of importance sampling"),
    "temperatures": ("temperatures", "from the proposal to the posterior"),
    "acceptance": ("acceptance", "share of the particles' moves"),
    "importance_pareto_k": (
        "pareto-k of importance sampling",
        "which was given up for tempered particles",
    ),
}


def judged(
    told: Mapping[str, float], answer: str = "sound prediction"
) -> tuple[Diagnostic, ...]:
    """Every figure of a sampler, those judged first; none is left out.

    ``told``: a sampler's diagnostics, with ``ess_wanted``, the effective number of
    draws asked for; ``answer`` is what a draw may lack (an experiment's). A figure
    without a judgement here is told by its key.
    """
    checks = (_pareto, _effective, _r_hat, _accepted, _surrogate, _divergent)
    made = (*(check(told) for check in checks), _failed(told, answer))
    found = tuple(d for d in made if d is not None)
    seen = {d.key for d in found} | {"ess_wanted"}
    rest = (_unjudged(k, float(v)) for k, v in told.items() if k not in seen)
    return *found, *rest


def _unjudged(key: str, value: float) -> Diagnostic:
    name, meaning = _TOLD.get(key, (key.replace("_", " "), ""))
    return Diagnostic(key, name, value, None, meaning)


def _pareto(told: Mapping[str, float]) -> Diagnostic | None:
    if "pareto_k" not in told:
        return None
    k = float(told["pareto_k"])
    return Diagnostic(
        "pareto_k", "pareto-k", k, k <= TRUSTED,
        f"tail of the importance weights; at most {TRUSTED}",
        f"pareto-k is {k:.2f}, above {TRUSTED}: the weights are not reliable.",
    )  # fmt: skip


def _effective(told: Mapping[str, float]) -> Diagnostic | None:
    if "ess" not in told:
        return None
    ess, wanted = float(told["ess"]), told.get("ess_wanted")
    if wanted is None:  # a twin kept by an earlier version
        return Diagnostic("ess", "effective draws", ess, None, "independent draws")
    return Diagnostic(
        "ess", "effective draws", ess, ess >= wanted,
        f"independent draws that the sample is worth; at least {wanted:.0f}",
        f"Effective number of draws {ess:.0f}, {wanted:.0f} wanted.",
    )  # fmt: skip


def _r_hat(told: Mapping[str, float]) -> Diagnostic | None:
    if "r_hat" not in told:
        return None
    r = float(told["r_hat"])
    return Diagnostic(
        "r_hat", "R-hat", r, r <= AGREED,
        f"spread between chains over that within; at most {AGREED}",
        f"R-hat is {r:.3f}, above {AGREED}: chains disagree.",
    )  # fmt: skip


def _accepted(told: Mapping[str, float]) -> Diagnostic | None:
    """Whether the surrogate led the chains where the posterior is."""
    if "accepted" not in told:
        return None
    share, least = float(told["accepted"]), 100.0 * LEAST_ACCEPTED
    return Diagnostic(
        "accepted", "accepted by the model", share, share >= LEAST_ACCEPTED,
        f"share of the surrogate's proposals; at least {LEAST_ACCEPTED}",
        f"The model accepted {100.0 * share:.1f} % of the surrogate's "
        f"proposals, {least:.0f} % wanted: the surrogate is not "
        "of this model. Train it anew, or sample without it.",
    )  # fmt: skip


def _surrogate(told: Mapping[str, float]) -> Diagnostic | None:
    if "surrogate_pareto_k" not in told:
        return None
    k = float(told["surrogate_pareto_k"])
    return Diagnostic(
        "surrogate_pareto_k", "pareto-k of the surrogate", k, k <= TRUSTED,
        f"tail of model over surrogate; at most {TRUSTED}",
        f"pareto-k of model over surrogate is {k:.2f}, above {TRUSTED}: the "
        "surrogate is narrower than the posterior, whose tails may be missing.",
    )  # fmt: skip


def _divergent(told: Mapping[str, float]) -> Diagnostic | None:
    if "divergences" not in told:
        return None
    n, most = float(told["divergences"]), MOST_DIVERGENT * float(told["draws"])
    return Diagnostic(
        "divergences", "divergent trajectories", n, n <= most,
        f"that ended where the posterior is too steep; at most {most:.0f}",
        f"{n:.0f} divergent trajectories.",
    )  # fmt: skip


def _failed(told: Mapping[str, float], answer: str) -> Diagnostic | None:
    if "failed" not in told:
        return None
    n, of = float(told["failed"]), float(told["evaluations"])
    return Diagnostic(
        "failed", f"draws without a {answer}", n, n <= MOST_FAILED * of,
        f"of {of:.0f}; at most {MOST_FAILED * of:.0f}",
        f"{n:.0f} of {of:.0f} draws had no {answer}.",
    )  # fmt: skip
