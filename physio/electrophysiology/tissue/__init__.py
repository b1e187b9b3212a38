"""The monodomain equation: run, paced, ablated, kept."""

from physio.electrophysiology.tissue.capture import captures, threshold
from physio.electrophysiology.tissue.lesions import ablate, line, sphere
from physio.electrophysiology.tissue.monodomain import (
    Monodomain,
    TissueState,
    as_dtype,
    by_region,
    check_step,
    discretise,
)
from physio.electrophysiology.tissue.pacing import (
    Pacing,
    Stimulus,
    stimulate,
    train,
    within,
)
from physio.electrophysiology.tissue.recording import (
    COMPILER,
    Recorder,
    Run,
    activation_map,
    in_pairs,
    run,
    whole_vectors,
)

__all__ = [
    "COMPILER",
    "Monodomain",
    "Pacing",
    "Recorder",
    "Run",
    "Stimulus",
    "TissueState",
    "ablate",
    "activation_map",
    "as_dtype",
    "by_region",
    "captures",
    "check_step",
    "discretise",
    "in_pairs",
    "line",
    "run",
    "sphere",
    "stimulate",
    "threshold",
    "train",
    "whole_vectors",
    "within",
]
