"""Membrane models, one published model per file, and how they are paced."""

from physio.electrophysiology.cells.augmented import AugmentedCell
from physio.electrophysiology.cells.catalogue import CATALOGUE, Cell
from physio.electrophysiology.cells.cell import (
    AbstractCell,
    Excitation,
    Gate,
    changed,
    relaxed,
    rush_larsen,
)
from physio.electrophysiology.cells.protocols import (
    ActionPotential,
    SteadyState,
    action_potential,
    midpoint,
    pace,
    to_steady_state,
)
from physio.electrophysiology.cells.published.aliev_panfilov_1996 import (
    AlievPanfilov1996,
)
from physio.electrophysiology.cells.published.bueno_orovio_2008 import (
    BuenoOrovio2008,
    bueno_orovio_2008,
    bueno_orovio_2008_cellml,
)
from physio.electrophysiology.cells.published.courtemanche_1998 import (
    Courtemanche1998,
    atrial_fibrillation_remodelling,
)
from physio.electrophysiology.cells.published.mitchell_schaeffer_2003 import (
    CorradoNiederer2016,
    MitchellSchaeffer2003,
)
from physio.electrophysiology.cells.published.ten_tusscher_2006 import (
    TenTusscher2006,
    ten_tusscher_2006,
)
from physio.electrophysiology.cells.published.tor_ord_2019 import (
    TorOrd2019,
    tor_ord_2019,
)
from physio.electrophysiology.cells.restitution import (
    Restitution,
    alternans,
    dynamic,
    s1s2,
    table,
)

__all__ = [
    "AbstractCell",
    "ActionPotential",
    "AlievPanfilov1996",
    "AugmentedCell",
    "BuenoOrovio2008",
    "CATALOGUE",
    "Cell",
    "CorradoNiederer2016",
    "Courtemanche1998",
    "Excitation",
    "Gate",
    "MitchellSchaeffer2003",
    "Restitution",
    "SteadyState",
    "TenTusscher2006",
    "TorOrd2019",
    "action_potential",
    "alternans",
    "atrial_fibrillation_remodelling",
    "bueno_orovio_2008",
    "bueno_orovio_2008_cellml",
    "changed",
    "dynamic",
    "midpoint",
    "pace",
    "relaxed",
    "rush_larsen",
    "s1s2",
    "table",
    "ten_tusscher_2006",
    "to_steady_state",
    "tor_ord_2019",
]
