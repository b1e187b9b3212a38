"""The Jacobian of every shipped solver setting, on its own and on a finer grid.

Each problem is linearised by the program that its fits use; the differences take the
primal part of the same program. An error is relative to the largest entry of its row:
what one sd of the prior of any parameter does to that observation.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from differences import central

from benchmarks import recovery
from calibration import Experiment, Problem
from calibration.optimise.batches import linearise_each, linearise_many, together
from cordax.cohorts import fluid_challenge as fluid_twin
from cordax.cohorts import fluid_table
from cordax.patients import find
from cordax.records import examine
from cordax.twins import prepare as build
from physio.units import MMHG_PER_CMH2O

FLUID = """\
id,SV_pre_fluid_avg,SVI_pre_fluid_avg,CI_pre_fluid_avg,MAP_pre_fluid_avg,PP_pre_fluid_avg,CVP_pre_fluid_avg,SVV_pre_fluid_avg,MAP_post_fluid_avg,SV_post_fluid_avg,CVP_post_fluid_avg
a,70,36,2.5,70,52,9,9.0,76,74,11
"""  # noqa: E501 (the header of a table)
MEASURED = (115.0, 73.0, 4.0, 22.0, 15.0, 8.0, 6.0, 150.0, 60.0, 165.0, 56.0)


def application(folder: Path) -> Problem:
    """The application's: 300 steps a beat."""
    s = build.start(examine.read(find("periop")))
    return Problem(s.model, s.space, s.observations, s.experiment)


def recovered(folder: Path) -> Problem:
    """The recovery study's: 200 steps."""
    values = dict(zip(recovery.MEASURED, MEASURED, strict=True))
    return recovery.problem(recovery.heart(), values)


def fluid(folder: Path) -> Problem:
    """The fluid bench's: 200 steps, and a held breath within its features."""
    path = folder / "fluid.csv"
    path.write_text(FLUID)
    patient, priors = fluid_table.read(path)[0], fluid_twin.frozen_priors()
    model = fluid_twin._model(patient, priors)
    breath = jnp.asarray(priors["heart"]["breath_cmh2o"] * MMHG_PER_CMH2O)
    experiment = Experiment(fluid_twin.Breathing(breath), steps_per_beat=200)
    seen = fluid_twin.observations(patient, priors)
    return Problem(model, fluid_twin._space(model, priors), seen, experiment)


def of_a_cohort(problem, z, start):
    """By the program that fits several patients at once, as the fluid bench does."""
    return linearise_each(together([problem] * len(z)), z, start)


PROGRAMS = {application: linearise_many, recovered: linearise_many, fluid: of_a_cohort}


@pytest.fixture(scope="module", params=PROGRAMS)
def made(request, tmp_path_factory):
    """A problem, its fits' program, and the linearisation at the prior median."""
    problem = request.param(tmp_path_factory.mktemp("jacobian"))
    program = PROGRAMS[request.param]
    z, start = np.zeros((1, problem.space.size)), np.asarray(problem.start())[None]
    at = program(problem, z, start)
    assert at.prediction.ok.all()
    return problem, program, at


def error_of(jacobian, reference):
    # a value that was not measured has an sd that leaves no row
    scale = np.maximum(np.abs(reference).max(axis=1, keepdims=True), 1e-2)
    return float((np.abs(jacobian - reference) / scale).max())


@pytest.mark.slow
def test_on_the_same_grid(made, record_property):
    problem, program, at = made
    n, h = problem.space.size, 1e-3
    steps = np.concatenate([k * h * np.eye(n) for k in (-2, -1, 1, 2)])
    near = at.prediction.state + steps @ at.state_jacobian[0].T
    beside = program(problem, steps, near)
    assert beside.prediction.ok.all()
    r = beside.residuals.reshape(4, n, -1)
    central = (r[0] - 8.0 * r[1] + 8.0 * r[2] - r[3]) / (12.0 * h)
    error = error_of(at.jacobian[0], central.T)
    record_property("jacobian_error", error)
    assert error <= 1e-6
    # one wrong by a thousandth would be seen
    assert error_of(1.001 * at.jacobian[0], central.T) > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "bound"), [(application, 0.03), (recovered, 5e-3)], indirect=["made"]
)
def test_on_a_four_times_finer_grid(made, bound, record_property):
    """Not the fluid bench's: its held breath keeps its 200 steps inside the features.

    The bounds are what is reached (0.020 and 0.0022), not the 5e-4 that is wanted:
    the opening and closing of a valve fall between steps.
    """
    problem, _, at = made
    e = problem.experiment
    finer = Experiment(
        e.features, e.inputs, e.transfers, 4 * e.steps_per_beat, e.tol, e.max_iterations
    )
    fine = Problem(problem.model, problem.space, problem.observations, finer)
    error = error_of(at.jacobian[0], central(fine, np.zeros(problem.space.size), at))
    record_property("jacobian_error", error)
    assert error <= bound
