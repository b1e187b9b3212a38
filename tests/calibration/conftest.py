"""The synthetic patient and its fit, made once."""

import jax
import pytest
from synthetic_patient import TRUTH, problem_at

from calibration import fit


@pytest.fixture(scope="session")
def problem():
    return problem_at(TRUTH)


@pytest.fixture(scope="session")
def found(problem):
    return fit(
        problem.model, problem.space, problem.observations, problem.experiment,
        starts=6, key=jax.random.key(3),
    )  # fmt: skip
