"""Residuals, closures, ion channels and discrepancies that are learned."""

from learned.terms.clamp import ClampRecord, followed, gate_from_clamp, voltage_clamp
from learned.terms.closure import (
    LearnedActivation,
    LearnedReflex,
    LearnedVessel,
    outside,
)
from learned.terms.discrepancy import (
    Comparison,
    Discrepancy,
    Sizes,
    fit_discrepancy,
    told_by,
    without_data,
)
from learned.terms.ion_channel import (
    COEFFICIENTS,
    Gated,
    LearnedCurrent,
    LearnedGate,
    gated,
    outward,
    with_current,
)
from learned.terms.residual import (
    NeuralResidual,
    look_up,
    neural_residual,
    visited,
    without_residual,
)

__all__ = [
    "COEFFICIENTS",
    "ClampRecord",
    "Comparison",
    "Discrepancy",
    "Gated",
    "LearnedActivation",
    "LearnedCurrent",
    "LearnedGate",
    "LearnedReflex",
    "LearnedVessel",
    "NeuralResidual",
    "Sizes",
    "fit_discrepancy",
    "followed",
    "gate_from_clamp",
    "gated",
    "look_up",
    "neural_residual",
    "outside",
    "outward",
    "told_by",
    "visited",
    "voltage_clamp",
    "with_current",
    "without_data",
    "without_residual",
]
