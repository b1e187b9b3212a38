"""Observations state their errors; what others imply never counts twice."""

import numpy as np
import pytest

from calibration import Observation, Waveform, default_discrepancy, independent
from calibration.observations.independence import require_independent
from calibration.observations.kinds import KINDS


def _co(**options):
    return Observation("cardiac_output", 5.0, 0.9, "L/min", **options)


def test_errors_add_in_quadrature():
    assert float(_co(discrepancy_sd=1.2).total_sd) == pytest.approx(1.5)


def test_every_kind_has_its_default_discrepancy_and_peripheral_sites_more():
    for kind in ("systolic_pressure", "diastolic_pressure", "mean_pressure"):
        aortic = default_discrepancy(kind, "", 100.0)
        assert aortic == KINDS[kind].discrepancy.absolute
        for site in ("radial", "brachial", "femoral", "cuff"):
            assert default_discrepancy(kind, site, 100.0) > aortic
    assert float(_co().discrepancy_sd) == pytest.approx(0.1)


def test_what_is_derived_is_a_check_only():
    resistance = Observation("systemic_resistance", 18.0, 2.0, "WU")
    assert resistance.role == "check"
    with pytest.raises(ValueError, match="check"):
        Observation("systemic_resistance", 18.0, 2.0, "WU", role="likelihood")


def test_one_measurement_counts_once():
    both = (
        _co(),
        Observation("stroke_volume", 70.0, 10.0, "mL"),
        Observation("systolic_pressure", 120.0, 3.0, "mmHg", "radial"),
        Observation("diastolic_pressure", 70.0, 3.0, "mmHg", "radial"),
        Observation("pulse_pressure", 50.0, 3.0, "mmHg", "radial"),
    )
    with pytest.raises(ValueError, match=r"stroke_volume follows from cardiac_output"):
        require_independent(both)
    roles = [o.role for o in independent(both)]
    assert roles == ["likelihood", "check", "likelihood", "likelihood", "check"]
    require_independent(independent(both))


def test_a_kind_that_no_catalogue_knows_states_its_own_discrepancy():
    with pytest.raises(ValueError, match=r"'spleen' is not in .* discrepancy_sd"):
        Observation("spleen", 1.0, 0.1, "mL")
    assert Observation("spleen", 1.0, 0.1, "mL", discrepancy_sd=0.0).role


def test_an_observation_given_twice_is_refused():
    with pytest.raises(ValueError, match="Given twice: cardiac_output"):
        require_independent((_co(), _co()))
    with pytest.raises(ValueError, match="nothing to fit"):
        require_independent((_co(role="check"),))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sd": 0.0}, "positive"),
        ({"sd": np.nan}, "positive"),
        ({"value": np.nan}, "not finite"),
        ({"role": "truth"}, "role="),
        ({"site": "toe"}, "site="),
        ({"site": "radial"}, "has no site"),
    ],
)
def test_a_bad_observation_is_refused_by_name(options, told):
    given = {"kind": "cardiac_output", "value": 5.0, "sd": 0.5, "unit": "L/min"}
    with pytest.raises(ValueError, match=told):
        Observation(**{**given, **options})


def test_a_waveform_counts_as_its_independent_samples():
    t = np.arange(80) / 100
    beat = Waveform("pressure.systemic_arteries", t, 90 + t, 2.0, 0.8)
    assert float(beat.weight) ** 2 * 80 == pytest.approx(20.0)
    short = Waveform("pressure.systemic_arteries", t[:10], 90 + t[:10], 2.0, 0.8)
    assert float(short.weight) == 1.0


def test_a_bad_waveform_is_refused():
    t = np.arange(80) / 100
    with pytest.raises(ValueError, match="kind is such as"):
        Waveform("systolic_pressure", t, t, 2.0, 0.8)
    with pytest.raises(ValueError, match="times must rise"):
        Waveform("pressure.systemic_arteries", t[::-1], t, 2.0, 0.8)
    with pytest.raises(ValueError, match="within one period"):
        Waveform("pressure.systemic_arteries", t, t, 2.0, 0.5)
    with pytest.raises(ValueError, match="not finite"):
        Waveform("pressure.systemic_arteries", t, t * np.nan, 2.0, 0.8)
