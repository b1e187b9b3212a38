"""One loop for everything learned, resumed bit for bit."""

from learned.training.loop import Stage, Trained, TrainingFigures, train
from learned.training.penalties import orthogonality, shooting
from learned.training.split import FEWEST

__all__ = [
    "FEWEST",
    "Stage",
    "Trained",
    "TrainingFigures",
    "orthogonality",
    "shooting",
    "train",
]
