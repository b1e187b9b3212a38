"""Tables and folders of patients: read, fitted, learned from."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.cohorts.fluid_challenge import (
        BOLUS,
        DRAWS,
        Breathing,
        Priors,
        calibrate,
        changes,
        frozen_priors,
        observations,
    )
    from cordax.cohorts.fluid_table import PREDICTED, RANGES, Patient, cohort, read
    from cordax.cohorts.residual import learn, stages
    from cordax.cohorts.surrogate import JUDGED
    from cordax.cohorts.table import Column, LeftOut

__all__ = [
    "BOLUS",
    "Breathing",
    "Column",
    "DRAWS",
    "JUDGED",
    "LeftOut",
    "PREDICTED",
    "Patient",
    "Priors",
    "RANGES",
    "calibrate",
    "changes",
    "cohort",
    "frozen_priors",
    "learn",
    "observations",
    "read",
    "stages",
]

__getattr__, __dir__ = lazily(__name__)
