"""Ranges of healthy adults at rest, shown beside the indices of a report.

Ranges as published; volumes and ejection fractions are mean ± 2 sd, by sex. Where the
sex is not known the range spans both.
"""

_CATHETER = (
    "Rosenkranz & Preston 2015, 10.1183/16000617.0062-2015, right heart catheterisation"
)
_BIOBANK = "UK Biobank, Petersen 2017, 10.1186/s12968-017-0327-9, mean ± 2 sd"
_GUIDELINE = "Whelton 2018, 10.1161/HYP.0000000000000065, normal; lower limit customary"

_BOTH: dict[str, tuple[float, float, str]] = {
    "systolic_pressure": (90.0, 120.0, _GUIDELINE),
    "diastolic_pressure": (60.0, 80.0, _GUIDELINE),
    "mean_pressure": (70.0, 105.0, "as commonly quoted"),
    "central_venous_pressure": (1.0, 6.0, _CATHETER),
    "rv_systolic_pressure": (15.0, 25.0, _CATHETER),
    "rv_end_diastolic_pressure": (1.0, 8.0, _CATHETER),
    "pulmonary_systolic_pressure": (15.0, 25.0, _CATHETER),
    "pulmonary_diastolic_pressure": (4.0, 12.0, _CATHETER),
    "pulmonary_mean_pressure": (8.0, 20.0, _CATHETER),
    "wedge_pressure": (4.0, 12.0, _CATHETER),
    "cardiac_output": (4.0, 6.0, _CATHETER),
    "cardiac_index": (2.4, 4.0, _CATHETER),
    "pulmonary_resistance": (0.0, 3.0, _CATHETER),
    "systemic_resistance": (8.8, 20.0, _CATHETER),
    "transpulmonary_gradient": (0.0, 12.0, _CATHETER),
    "lv_end_diastolic_pressure": (4.0, 12.0, "as commonly quoted"),
    "lv_dpdt_max": (1200.0, 1800.0, "as commonly quoted"),
}

#: mean and sd of men, of women
_BY_SEX: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "lv_end_diastolic_volume": ((166.0, 32.0), (124.0, 21.0)),
    "lv_end_systolic_volume": ((69.0, 16.0), (49.0, 11.0)),
    "lv_stroke_volume": ((96.0, 20.0), (75.0, 14.0)),
    "stroke_volume": ((96.0, 20.0), (75.0, 14.0)),
    "lv_ejection_fraction": ((58.0, 5.0), (61.0, 5.0)),
    "rv_end_diastolic_volume": ((182.0, 36.0), (130.0, 24.0)),
    "la_maximum_volume": ((71.0, 19.0), (62.0, 17.0)),
    "ra_maximum_volume": ((93.0, 27.0), (69.0, 17.0)),
}


def published(index: str, sex: str | None) -> tuple[tuple[float, float], str] | None:
    """Range (in the index's unit) and source, or None where none is known."""
    if index in _BOTH:
        low, high, source = _BOTH[index]
        return (low, high), source
    if index not in _BY_SEX:
        return None
    men, women = ((mean - 2.0 * sd, mean + 2.0 * sd) for mean, sd in _BY_SEX[index])
    chosen = {"male": [men], "female": [women]}.get(sex or "", [men, women])
    return (min(c[0] for c in chosen), max(c[1] for c in chosen)), _BIOBANK
