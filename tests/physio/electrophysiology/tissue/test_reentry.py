"""Re-entry around a ring: its period, and which lesions end it."""

import numpy as np
import pytest

from benchmarks import reentry
from physio.electrophysiology.anatomy.shapes import Ring
from physio.electrophysiology.tissue.lesions import ablate
from physio.electrophysiology.tissue.recording import Recorder, run

LENGTH = 100.0


@pytest.mark.slow
def test_the_period_is_the_length_over_the_velocity_at_its_interval(record_property):
    found = reentry.ring(LENGTH)
    record_property("ratio", found["ratio"])
    # edges of 0.4 mm, a velocity from a fit over 14 mm: 2 %
    assert found["ratio"] == pytest.approx(1.0, abs=0.02)
    # at rest a wave is faster: the interval matters
    rested = LENGTH / reentry.velocity_at(220.0)
    assert found["period_ms"] / rested > 1.02


def test_only_a_lesion_right_across_ends_it():
    band = reentry.tissue(Ring(LENGTH, width=2.4).as_mesh(0.6))
    turning = reentry.one_way(band, LENGTH)
    x, y = np.asarray(band.nodes)[:, :2].T
    across = (np.abs(y) < 1.0) & (x < 0)
    inner = np.hypot(x, y) < LENGTH / (2 * np.pi) + 0.1
    for mask, lasts in ((across, False), (across & inner, True)):
        seen = run(
            ablate(mask)(band),
            500.0,
            dt=reentry.DT,
            record=Recorder(every=5.0),
            y0=turning,
        )
        assert (seen.time > 300.0).any() == lasts
