"""`cordax doctor` and `cordax bench`: is it sound, and how well does it predict?"""

from pathlib import Path
from typing import Annotated, Any

import typer

from cordax.cli.show import DEFAULT_SEED, Json, Seed, out, print_json, progress, table

bench = typer.Typer(
    help="Score the twin's predictions on a table of real measurements.",
    no_args_is_help=True,
)


def doctor(json: Json = False) -> None:
    """Print versions, devices, renderer and cache, and what is wrong with them.

    Exit code 1 where something is.

    Example: cordax doctor
    """
    import cordax
    from cordax.doctor import examine

    cordax.setup()
    found = examine()
    if json:
        print_json(found)
    else:
        _print(found)
    if found["problems"]:
        raise typer.Exit(1)


def _print(found: dict[str, Any]) -> None:
    cache = found["cache"]
    rows = [[name, version] for name, version in found["versions"].items()]
    rows += [["device", device] for device in found["devices"]]
    rows += [["3-D renderer", found["renderer"]]]
    kept = f"{cache['folder']}: {cache['programs']} programs, {cache['megabytes']} MB"
    rows += [["cache", kept]]
    table("", ["Item", "Found"], rows)
    for problem in found["problems"]:
        out.print(f"Problem: {problem}", highlight=False, markup=False, soft_wrap=True)
    if not found["problems"]:
        out.print("No problems.", highlight=False)


@bench.command("fluid-response")
def fluid_response(
    file: Annotated[
        Path, typer.Argument(help="CSV with columns as MAP_pre_fluid_avg.")
    ],
    seed: Seed = DEFAULT_SEED,
    json: Json = False,
) -> None:
    """Predict each patient's response to fluid from the measurements before it.

    Scores mean pressure, stroke volume and central venous pressure: RMSE,
    CRPS and coverage of the 90 % interval, beside no change and mean change.

    Example: cordax bench fluid-response fluid_response.csv --json
    """
    from cordax.bench import fluid_response as task

    _score(task.run, file, seed, json)


@bench.command()
def ventilation(
    file: Annotated[
        Path, typer.Argument(help="CSV with columns as vent_rel_vt, PPV_gam.")
    ],
    seed: Seed = DEFAULT_SEED,
    json: Json = False,
) -> None:
    """Predict pulse-pressure variation at each ventilator setting from the others.

    Example: cordax bench ventilation vent_protocol.csv --json
    """
    from cordax.bench import ventilation as task

    _score(task.run, file, seed, json)


def _score(run, file: Path, seed: int, json: bool) -> None:
    import cordax

    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file}.")
    cordax.setup()
    with progress(file.name, quiet=json) as step:
        scores = run(file, seed=seed, progress=step)
    if json:
        print_json(scores)
        return
    header = ["Quantity", *next(iter(scores.values()))]
    rows = [
        [name, *(f"{value:.4g}" for value in score.values())]
        for name, score in scores.items()
    ]
    table(f"{file.name} (seed {seed})", header, rows)
