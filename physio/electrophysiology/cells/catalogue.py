"""The membrane models by name: one entry each, which everything else reads.

The command line's names and help, the page of the documentation, the tests over all
cells and the coefficients of the bond average come from here. A new model is a module
beside this one, and an entry.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from physio.electrophysiology.cells.cell import AbstractCell, Excitation
from physio.electrophysiology.cells.published.aliev_panfilov_1996 import (
    AlievPanfilov1996,
)
from physio.electrophysiology.cells.published.bueno_orovio_2008 import (
    BuenoOrovio2008,
    bueno_orovio_2008,
    bueno_orovio_2008_cellml,
)
from physio.electrophysiology.cells.published.courtemanche_1998 import Courtemanche1998
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


@dataclass(frozen=True)
class Cell:
    """A membrane model by name: how it is made, and how it is run in tissue.

    ``build`` takes a layer of the wall where ``layers`` names any, the first unless one
    is given. The voltage in mV is ``voltage_scale_offset[0] * v +
    voltage_scale_offset[1]``. ``step`` (ms) is the largest at which its waves are used;
    a grid may ask for less. How wide a grid may be is no number of its own: it follows
    from its velocity without a grid (``velocity.tuning.WIDEST``). ``unaveraged`` says
    why a model has no coefficients of the bond average, where it has none.
    """

    name: str
    model: type[AbstractCell]
    help: str
    source: str
    build: Callable[..., Any]
    layers: tuple[str, ...] = ()
    voltage_scale_offset: tuple[float, float] = (1.0, 0.0)
    step: float = 0.02
    unaveraged: str = ""

    @property
    def excitation(self) -> Excitation | None:
        """The coefficients of the bond average, as its module states them."""
        return self.model.excitation

    def make(self, layer: str = "") -> Any:
        """The cell of a layer; ``ValueError`` with the layers it has otherwise."""
        if layer and layer not in self.layers:
            held = ", ".join(self.layers) or "no layers"
            raise ValueError(f"{self.name} has {held}; got the layer {layer!r}.")
        return self.build(layer) if layer else self.build()


_WALL = ("epi", "endo", "m")
_HUNDRED = (100.0, -80.0)  # of v in 0 to 1

#: In the order in which they are listed: the quick ones first.
ENTRIES: tuple[Cell, ...] = (
    Cell(
        "mitchell_schaeffer_2003", MitchellSchaeffer2003,
        "two variables, four times: the quickest",
        "Mitchell, Schaeffer 2003, 10.1016/S0092-8240(03)00041-7",
        MitchellSchaeffer2003, voltage_scale_offset=_HUNDRED, step=0.1,
    ),
    Cell(
        "corrado_niederer_2016", CorradoNiederer2016,
        "Mitchell-Schaeffer in the form that never excites itself",
        "Corrado, Niederer 2016, 10.1016/j.mbs.2016.08.010",
        CorradoNiederer2016, voltage_scale_offset=_HUNDRED, step=0.05,
    ),
    Cell(
        "aliev_panfilov_1996", AlievPanfilov1996,
        "two variables, a slow upstroke: for qualitative studies of re-entry",
        "Aliev, Panfilov 1996, 10.1016/0960-0779(95)00089-5",
        AlievPanfilov1996, voltage_scale_offset=_HUNDRED, step=0.05,
    ),
    Cell(
        "bueno_orovio_2008", BuenoOrovio2008,
        "minimal human ventricle, four variables: the paper's equations and table 1",
        "Bueno-Orovio, Cherry, Fenton 2008, 10.1016/j.jtbi.2008.03.029",
        bueno_orovio_2008, _WALL, (85.7, -84.0), 0.05,
    ),
    Cell(
        "bueno_orovio_2008_cellml", BuenoOrovio2008,
        "the older form in CellML (bueno_2007): w closes above theta_o, not theta_w, "
        "so that early beats are shorter than the paper's",
        "CellML form bueno_2007_epi and _endo of github.com/Chaste/cellml",
        bueno_orovio_2008_cellml, ("epi", "endo"), (85.7, -84.0), 0.05,
    ),
    Cell(
        "ten_tusscher_2006", TenTusscher2006,
        "human ventricle, 19 variables, the N-version benchmark's",
        "ten Tusscher, Panfilov 2006, 10.1152/ajpheart.00109.2006",
        ten_tusscher_2006, _WALL, step=0.04,
    ),
    Cell(
        "courtemanche_1998", Courtemanche1998,
        "human atrium, 21 variables",
        "Courtemanche, Ramirez, Nattel 1998, 10.1152/ajpheart.1998.275.1.H301",
        Courtemanche1998,
    ),
    Cell(
        "tor_ord_2019", TorOrd2019,
        "human ventricle, 45 variables, dynamic chloride; endo unless a layer is named",
        "Tomek 2019, 10.7554/eLife.48890; 2020, 10.1101/2020.06.01.127043",
        tor_ord_2019, ("endo", "epi", "m"),
    ),
)  # fmt: skip

#: The entries by name.
CATALOGUE: dict[str, Cell] = {entry.name: entry for entry in ENTRIES}
