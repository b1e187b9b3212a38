"""svZeroDSolver's reference cases as circulations of cordax.

A case file of svZeroDSolver (tests/cases, BSD-3-Clause) becomes a network of cordax's
own elements; units are the file's own, for a network is indifferent to them. Laws of
its elements: src/model/*.cpp at commit c7b0ca09.
"""

# pyright: reportCallIssue=false, reportArgumentType=false
# A param field converts the number it is given, and an abstract field's place is its
# subclass's: the type checker knows neither.

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from physio import Augmented
from physio.hemodynamics import Circulation, ElasticVessel, InertialVessel, Resistance
from physio.hemodynamics.elements.chambers import StiffeningChamber, TwoCosine
from physio.hemodynamics.elements.elastance_laws import FourierSeries, ShiftingChamber
from physio.hemodynamics.elements.inertial_valves import InertialDiode
from physio.hemodynamics.elements.smooth_valves import InertialTanhDiode, TanhDiode
from physio.hemodynamics.elements.sources import (
    FlowSource,
    PressureSource,
    Reservoir,
    SampledActivation,
)
from physio.rhythm import RegularRhythm
from physio.units import S_PER_MIN

Case = dict[str, Any]
# The loops' valves, with the names of their resistance and inertance in a case file
VALVES = {
    "tricuspid_valve": ("right_atrium", "right_ventricle", "Rra_v", "Lra_v"),
    "pulmonary_valve": ("right_ventricle", "pulmonary_vessels", "Rrv_a", "Lrv_a"),
    "mitral_valve": ("left_atrium", "left_ventricle", "Rla_v", "Lla_v"),
    "aortic_valve": ("left_ventricle", "aorta", "Rlv_ao", "Llv_a"),
}


def boundary(case: Case, name: str) -> Case:
    """The values of a boundary condition by its name."""
    found = (b for b in case["boundary_conditions"] if b["bc_name"] == name)
    return next(found)["bc_values"]


def _element(case: Case, index: int) -> Case:
    return case["vessels"][index]["zero_d_element_values"]


def rcr(case: Case) -> Circulation:
    """Given flow into a three-element windkessel, from its steady state."""
    flow, out = boundary(case, "INFLOW")["Q"], boundary(case, "OUT")
    start = out["C"] * (out["Pd"] + out["Rd"] * float(np.mean(flow)))
    return Circulation(
        RegularRhythm(60.0),
        {"wave": SampledActivation("ventricles", np.asarray(flow))},
        {
            "bed": ElasticVessel(out["C"], start_volume=start),
            "distal": Reservoir(out["Pd"]),
        },
        {
            "inflow": FlowSource("distal", "bed", "wave"),
            "outflow": Resistance("bed", "distal", out["Rd"]),
        },
        implied="distal",
    )


def coronary(case: Case) -> Circulation:
    """Given flow into coronary vessels squeezed by the pressure in the muscle."""
    flow, out = boundary(case, "INFLOW")["Q"], boundary(case, "OUT")
    mean = float(np.mean(flow))
    inside = out["P_v"] + mean * out["Rv1"]
    arteries = out["Ca"] * (inside + mean * out["Ra2"])
    muscle = out["Cc"] * (inside - out["Pim"][0])
    return Circulation(
        RegularRhythm(60.0),
        {
            "wave": SampledActivation("ventricles", np.asarray(flow)),
            "squeeze": SampledActivation("ventricles", np.asarray(out["Pim"])),
        },
        {
            "arteries": ElasticVessel(out["Ca"], start_volume=arteries),
            "vessels": ElasticVessel(
                out["Cc"], 0.0, 1.0, start_volume=muscle, squeezed_by="muscle"
            ),
            "muscle": PressureSource("squeeze"),
            "distal": Reservoir(out["P_v"]),
        },
        {
            "inflow": FlowSource("distal", "arteries", "wave"),
            "arterioles": Resistance("arteries", "vessels", out["Ra2"]),
            "veins": Resistance("vessels", "distal", out["Rv1"]),
        },
        implied="distal",
    )


def valve(case: Case) -> Circulation:
    """Given pressure, a vessel, a tanh valve, a vessel and a resistance."""
    first, second = _element(case, 0), _element(case, 1)
    law = case["valves"][0]["params"]
    out = boundary(case, "OUTLET")
    return Circulation(
        RegularRhythm(60.0),
        {"wave": SampledActivation("ventricles", np.asarray(boundary(case,
        "INLET")["P"]) )}, { "inlet": PressureSource("wave"), "upstream":
        ElasticVessel(first["C"], start_volume=0.0), "downstream":
        ElasticVessel(second["C"], start_volume=0.0), "outlet": Reservoir(out["Pd"]), },
        { "entry": Resistance("inlet", "upstream", first["R_poiseuille"]),
            # without inertance in theirs: 1e-6 is a time constant below 1e-8 s
            "valve": InertialTanhDiode(
                "upstream", "downstream", law["Rmin"], law["Rmax"], law["Steepness"],
                second["R_poiseuille"], 1e-6,
            ),
            "exit": Resistance("downstream", "outlet", out["R"]),
        },
        implied="inlet",
    )  # fmt: skip


def chamber(case: Case, volume: float, pressure: float) -> Circulation:
    """Given pressure, a tanh valve, a chamber with inductor, a tanh valve, a vessel.

    ``volume`` is the chamber's at the start, ``pressure`` the vessel's.
    """
    vessel, out = _element(case, 0), boundary(case, "OUTLET")
    entry, exit_ = (v["params"] for v in case["valves"])
    law = case["chambers"][0]["values"]
    beat = case["chambers"][0]["activation_function"]
    half = 0.5 * beat["t_twitch"]
    return Circulation(
        RegularRhythm(60.0),
        {
            "wave": SampledActivation("ventricles", np.asarray(boundary(case,
            "INLET")["P"])), "twitch": TwoCosine("ventricles", half, half, 1.0,
            beat["t_active"]), }, { "inlet": PressureSource("wave"), "ventricle":
            ShiftingChamber( "twitch", law["Emax"] - law["Emin"], law["Emin"],
            law["Vrd"], law["Vrs"], start_volume=volume, ), "vessel":
            ElasticVessel(vessel["C"], start_volume=vessel["C"] * pressure), "outlet":
            Reservoir(out["Pd"]), }, { "entry_valve": TanhDiode( "inlet", "ventricle",
            entry["Rmin"], entry["Rmax"], entry["Steepness"] ), "exit_valve":
            InertialTanhDiode( "ventricle", "vessel", exit_["Rmin"], exit_["Rmax"],
            exit_["Steepness"], vessel["R_poiseuille"], law["Impedance"], ), "exit":
            Resistance("vessel", "outlet", out["R"]), }, implied="inlet", )  # fmt: skip


def _branch(case: Case, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compartments and connections from the aorta to the right atrium."""
    own, name = _element(case, index), f"branch{index}"
    end = case["vessels"][index]["boundary_conditions"]["outlet"]
    out = boundary(case, end)
    kind = {b["bc_name"]: b["bc_type"] for b in case["boundary_conditions"]}[end]
    first = out.get("Rp", out.get("Ra")) + own["R_poiseuille"]
    held = ElasticVessel(out.get("C", out.get("Ca")), start_volume=0.0)
    parts: dict[str, Any] = {f"{name}_arteries": held}
    links: dict[str, Any] = {
        name: InertialVessel("aorta", f"{name}_arteries", first, own["L"])
    }
    last = f"{name}_arteries"
    if kind != "ClosedLoopRCR":
        heart = case["closed_loop_blocks"][0]["parameters"]
        side, share = ("left", "iml") if kind.endswith("Left") else ("right", "imr")
        last = f"{name}_muscle"
        parts[last] = ElasticVessel(
            out["Cim"], 0.0, heart[share], start_volume=0.0,
            squeezed_by=f"{side}_ventricle",
        )  # fmt: skip
        links[f"{name}_arterioles"] = Resistance(f"{name}_arteries", last, out["Ram"])
    rest = out["Rd"] if kind == "ClosedLoopRCR" else out["Rv"]
    links[f"{name}_veins"] = Resistance(last, "right_atrium", rest)
    return parts, links


def _heart(case: Case) -> dict[str, Any]:
    own = case["closed_loop_blocks"][0]["parameters"]
    start = case["initial_condition"]

    def atrium(side: str) -> StiffeningChamber:
        names = ("Emax", "Kxp", "Kxv", "Vaso")
        laws = (own[f"{name}_{side}"] for name in names)
        return StiffeningChamber(
            "atria", *laws, start_volume=start[f"V_{side.upper()}:CLH"]
        )

    def ventricle(side: str) -> ShiftingChamber:
        v0 = own[f"V{side}_u"]
        return ShiftingChamber(
            "ventricles", own[f"E{side}_s"], 0.0, v0, v0,
            start_volume=start[f"V_{side.upper()}:CLH"],
        )  # fmt: skip

    return {
        "right_atrium": atrium("ra"),
        "right_ventricle": ventricle("rv"),
        "left_atrium": atrium("la"),
        "left_ventricle": ventricle("lv"),
        "pulmonary_vessels": ElasticVessel(
            own["Cp"], start_volume=own["Cp"] * start["P_pul:CLH"]
        ),
        "aorta": ElasticVessel(own["Cpa"], start_volume=0.0),
        "reservoir": Reservoir(),
    }


def closed_loop(case: Case, valve: Callable[..., Any] = InertialDiode) -> Augmented:
    """Heart, lungs and every branch between the aorta and the right atrium.

    The left atrium receives what leaves the right ventricle, not what leaves the
    lungs (ClosedLoopHeartPulmonary.cpp, equation 9): a correction of the graph.
    """
    block = case["closed_loop_blocks"][0]
    own, cycle = block["parameters"], block["cardiac_cycle_period"]
    parts, links = _heart(case), {}
    for index in range(len(case["vessels"])):
        more, paths = _branch(case, index)
        parts, links = {**parts, **more}, {**links, **paths}
    for name, (source, target, resistance, inertance) in VALVES.items():
        links[name] = valve(source, target, own[resistance], own[inertance])
    links["lungs"] = Resistance("pulmonary_vessels", "left_atrium", own["Rpd"])
    length = cycle * own["Tsa"]
    rhythm = RegularRhythm(S_PER_MIN / cycle, length - cycle / own["tpwave"])
    half = 0.5 * own["Tsa"]  # of a cycle of 1 s: the durations grow with the cycle
    activations = {
        "ventricles": FourierSeries("ventricles"),
        "atria": TwoCosine("atria", half, half, 1.0),
    }
    base = Circulation(rhythm, activations, parts, links, implied="reservoir")

    def correction(t: Array, y: Any, inputs: Any) -> Array:
        flow = base.observe(t, y, inputs).flow
        return flow["pulmonary_valve"] - flow["lungs"]

    def into(extra: Array) -> Any:
        zero = jax.tree.map(jnp.zeros_like, base.initial_state())
        return eqx.tree_at(lambda y: y.volume["left_atrium"], zero, extra)

    return Augmented(base, correction, into)
