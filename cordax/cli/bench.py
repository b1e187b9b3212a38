"""`cordax bench`: how well do predictions meet measurements nobody fitted?"""

from pathlib import Path
from typing import Annotated, Any

import typer

from cordax.cli.show import (
    DEFAULT_SEED,
    Json,
    Refused,
    Seed,
    out,
    print_json,
    progress,
    table,
)

app = typer.Typer(
    help="Score predictions on a table of real measurements.",
    no_args_is_help=True,
)

_HEADINGS = {
    "n": "n",
    "rmse": "RMSE",
    "rmse_no_change": "no change",
    "rmse_mean_change": "mean change",
    "crps": "CRPS",
    "crps_mean_change": "mean change",
    "coverage90": "90 %",
}
_LEGEND = (
    "Post-fluid values: RMSE beside that of predicting no change and the training "
    "patients' mean change, CRPS beside the latter's, coverage of the 90 % interval."
)
_NAMES = {
    "map": "MAP, mmHg",
    "sv": "SV, mL",
    "cvp": "CVP, mmHg",
}


@app.command("fluid-response")
def fluid_response(
    file: Annotated[
        Path, typer.Argument(help="CSV with columns such as MAP_pre_fluid_avg.")
    ],
    bolus: Annotated[
        float,
        typer.Option(min=0.0, max=2000.0, help="Fluid given to each patient, mL."),
    ] = 250.0,
    seed: Seed = DEFAULT_SEED,
    json: Json = False,
) -> None:
    """Predict each patient's response to fluid from the values before it.

    Scores mean pressure, stroke volume and central venous pressure: RMSE,
    CRPS and coverage of the 90 % interval, beside no change and mean change.
    Takes one to two minutes.

    Example: cordax bench fluid-response fluid_response.csv --json
    """
    import cordax
    from cordax.bench import fluid_response as task

    cordax.setup()
    with progress(file.name, quiet=json) as step:
        found = task.details(file, bolus=bolus, seed=seed, progress=step)
    if json:
        print_json(task.reported(found) | {"table": found["table"]})
        return
    rows = [
        [_NAMES[name], *(_cell(value) for value in score.values())]
        for name, score in task.reported(found).items()
    ]
    table(f"{file.name} (seed {seed})", ["Quantity", *_HEADINGS.values()], rows)
    _say([_LEGEND, *found["assumptions"]])


@app.command()
def ventilation(
    file: Annotated[
        Path, typer.Argument(help="CSV with columns such as vent_rel_vt, PPV_gam.")
    ],
    seed: Seed = DEFAULT_SEED,
    json: Json = False,
) -> None:
    """Predict pulse-pressure variation at each ventilator setting from the others.

    Example: cordax bench ventilation vent_protocol.csv --json
    """
    import cordax
    from cordax.bench import ventilation as task

    cordax.setup()
    with progress(file.name, quiet=json) as step:
        found, left_out = task.scores_and_table(file, seed=seed, progress=step)
    if json:
        print_json(found | {"table": left_out.plain()})
        return
    rows = [[name, _cell(value)] for name, value in _flat(found).items()]
    table(f"{file.name} (seed {seed})", ["Score", "Value"], rows)
    _say(left_out.words())


@app.command()
def hybrid(
    file: Annotated[
        Path, typer.Argument(help="CSV with columns such as vent_rel_vt, PPV_gam.")
    ],
    seed: Seed = DEFAULT_SEED,
    json: Json = False,
) -> None:
    """Predict pulse-pressure variation by a hybrid, and by both its parents.

    Each ventilator setting from the patient's other settings and the heart rate of
    the row at 6 mL/kg and 17 breaths (or nearest to it); what patients share, from
    the file's other patients. Hyper-parameters come from the study's odd-numbered
    patients; where FILE holds one of those, from FILE's other patients too. Takes
    up to two minutes and needs the extra learn: pip install 'cordax[learn]'.

    Example: cordax bench hybrid vent_protocol.csv --json
    """
    import cordax
    from cordax.bench import hybrid as task
    from cordax.bench.hybrid_models import TRAINERS

    cordax.setup()
    models = task.REPORTED if json else tuple(TRAINERS)
    try:
        with progress(file.name, quiet=json) as step:
            found = task.details(file, seed=seed, models=models, progress=step)
    except ImportError as error:
        raise Refused(str(error)) from None
    if json:
        print_json(task.reported(found) | {"table": found["table"].plain()})
        return
    _print_hybrid(found, f"{file.name} (seed {seed})")


def _print_hybrid(found: dict[str, Any], title: str) -> None:
    rows = []
    for name, score in found["scores"].items():
        minus = found["hybrid_minus"].get(name)
        less = "{:+.3f}".format(minus["mean"]) if minus else "-"
        ends = "{:+.3f} to {:+.3f}".format(*minus["interval90"]) if minus else "-"
        rows.append([name, *map(_cell, score.values()), less, ends])
    header = ["Model", "RMSE", "CRPS", "90 %", "Hybrid minus", "90 % interval"]
    table(title, header, rows)
    told = (
        f"{found['n']} settings of {found['patients']} patients; hyper-parameters "
        f"{found['learned']}. two_level: the hybrid without its physics."
    )
    _say([told, *found["table"].words()])


def _say(lines: list[str]) -> None:
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)


@app.command()
def niederer(
    dx: Annotated[
        float, typer.Option(help="Distance of the nodes, mm, at most 1.5.")
    ] = 0.2,
    scheme: Annotated[
        str, typer.Option(help="bond-average or second-order.")
    ] = "bond-average",
    dt: Annotated[float, typer.Option(help="Time step, ms.")] = 0.01,
    json: Json = False,
) -> None:
    """Run the N-version benchmark of tissue (Niederer 2011): nine activation times.

    At 0.2 mm a minute or two; each halving of dx costs eight times as much.

    Example: cordax bench niederer --dx 0.2 --scheme second-order --json
    """
    schemes = ("second-order", "bond-average")
    if scheme not in schemes:
        raise Refused(f"--scheme takes {' or '.join(schemes)}; got {scheme!r}.")
    import cordax
    from cordax.bench import niederer as task

    cordax.setup(fuse=True)
    with progress(f"niederer, {dx:g} mm", quiet=json) as step:
        times = task.run(
            dx, scheme, dt=dt, progress=lambda done, of: step(scheme, done / of)
        )
    if json:
        # a point never reached has no time, and JSON no NaN
        reached = {k: t if t == t else None for k, t in times.items()}
        print_json({"points": reached})
        return
    _print_niederer(times, dx, scheme, dt)


def _print_niederer(times: dict[str, float], dx: float, scheme: str, dt: float) -> None:
    from cordax.bench.niederer_table import CODES, CONVERGED
    from physio.units import PERCENT

    codes = CODES.get(round(dx, 6))
    rows = []
    for name, time in times.items():
        value, uncertain = CONVERGED[name]
        row = [name, f"{time:.2f}", f"{value:g} ± {uncertain:g}"]
        row.append(f"{PERCENT * (time / value - 1):+.1f} %")
        if codes is not None:
            row.append("{:g} ± {:g}".format(*codes[name]))
        rows.append(row)
    header = ["Point", "Here, ms", "Converged, ms", "Off by"]
    header += ["11 codes, ms"] if codes else []
    table(f"Niederer 2011, {dx:g} mm, {scheme}, dt {dt:g} ms", header, rows)


def _flat(found: dict[str, Any], start: str = "") -> dict[str, Any]:
    """Nested scores by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{start}{name}.")
        else:
            flat[start + name] = value
    return flat


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)
