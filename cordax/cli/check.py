"""`cordax doctor`: is everything here that cordax needs, and does it work?"""

from typing import Any

import typer

from cordax.cli.show import Json, out, print_json, table


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
