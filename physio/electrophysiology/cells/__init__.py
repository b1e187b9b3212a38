"""Membrane models, one published model per file, and how they are paced."""

from physio.electrophysiology.cells.aliev_panfilov_1996 import (
    AlievPanfilov1996 as AlievPanfilov1996,
)
from physio.electrophysiology.cells.bueno_orovio_2008 import (
    BuenoOrovio2008 as BuenoOrovio2008,
)
from physio.electrophysiology.cells.bueno_orovio_2008 import (
    bueno_orovio_2008 as bueno_orovio_2008,
)
from physio.electrophysiology.cells.bueno_orovio_2008 import (
    bueno_orovio_2008_cellml as bueno_orovio_2008_cellml,
)
from physio.electrophysiology.cells.catalogue import CATALOGUE as CATALOGUE
from physio.electrophysiology.cells.catalogue import Cell as Cell
from physio.electrophysiology.cells.cell import AbstractCell as AbstractCell
from physio.electrophysiology.cells.cell import Excitation as Excitation
from physio.electrophysiology.cells.cell import Gate as Gate
from physio.electrophysiology.cells.cell import changed as changed
from physio.electrophysiology.cells.cell import relaxed as relaxed
from physio.electrophysiology.cells.cell import rush_larsen as rush_larsen
from physio.electrophysiology.cells.courtemanche_1998 import (
    Courtemanche1998 as Courtemanche1998,
)
from physio.electrophysiology.cells.courtemanche_1998 import (
    atrial_fibrillation_remodelling as atrial_fibrillation_remodelling,
)
from physio.electrophysiology.cells.mitchell_schaeffer_2003 import (
    CorradoNiederer2016 as CorradoNiederer2016,
)
from physio.electrophysiology.cells.mitchell_schaeffer_2003 import (
    MitchellSchaeffer2003 as MitchellSchaeffer2003,
)
from physio.electrophysiology.cells.protocols import ActionPotential as ActionPotential
from physio.electrophysiology.cells.protocols import SteadyState as SteadyState
from physio.electrophysiology.cells.protocols import (
    action_potential as action_potential,
)
from physio.electrophysiology.cells.protocols import midpoint as midpoint
from physio.electrophysiology.cells.protocols import pace as pace
from physio.electrophysiology.cells.protocols import to_steady_state as to_steady_state
from physio.electrophysiology.cells.restitution import Restitution as Restitution
from physio.electrophysiology.cells.restitution import alternans as alternans
from physio.electrophysiology.cells.restitution import dynamic as dynamic
from physio.electrophysiology.cells.restitution import s1s2 as s1s2
from physio.electrophysiology.cells.restitution import table as table
from physio.electrophysiology.cells.ten_tusscher_2006 import (
    TenTusscher2006 as TenTusscher2006,
)
from physio.electrophysiology.cells.ten_tusscher_2006 import (
    ten_tusscher_2006 as ten_tusscher_2006,
)
from physio.electrophysiology.cells.tor_ord_2019 import TorOrd2019 as TorOrd2019
from physio.electrophysiology.cells.tor_ord_2019 import tor_ord_2019 as tor_ord_2019
