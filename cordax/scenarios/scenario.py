"""Scenarios: one or several treatments given together, typed or from a TOML file.

title = "Bolus under a vasodilator"

[[treatment]]
name = "fluid_bolus"
dose = "500mL"      # or a number in the treatment's own unit
"""

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cordax.scenarios import doses


class ScenarioError(ValueError):
    """A treatment or a scenario file that cannot be understood."""


@dataclass(frozen=True)
class Treatment:
    """A treatment and its dose in the treatment's own unit."""

    name: str
    dose: float

    def __str__(self) -> str:
        # 90/min, not 901/min; a plain number has no unit at all
        unit = doses.DOSES[self.name].unit.removeprefix("1")
        return f"{self.name}={self.dose:g}{unit}"

    def make(self) -> Any:
        """The intervention, System -> System; loads JAX."""
        from cordax.scenarios.names import TREATMENTS

        return TREATMENTS[self.name].make(self.dose)


@dataclass(frozen=True)
class Scenario:
    """Treatments applied in order, as one what-if."""

    treatments: tuple[Treatment, ...]
    title: str = ""

    def __str__(self) -> str:
        return self.title or " and ".join(map(str, self.treatments))


def parse(text: str) -> Treatment:
    """ "fluid_bolus=500mL" -> Treatment("fluid_bolus", 500.0).

    **Raises** ScenarioError with the nearest names or the unit to type.
    """
    name, equals, dose = text.partition("=")
    name = name.strip().replace("-", "_")
    _known(name)
    if not equals or not dose.strip():
        raise ScenarioError(
            f"{text!r} has no dose. Type {name}={doses.DOSES[name].example}"
        )
    try:
        return Treatment(name, doses.convert(name, dose))
    except ValueError as error:
        raise ScenarioError(str(error)) from None


def parse_all(texts: list[str]) -> Scenario:
    """What the command line was given: treatments, or one scenario file."""
    if len(texts) == 1 and texts[0].endswith(".toml"):
        return read(Path(texts[0]))
    for text in texts:
        if text.endswith(".toml"):
            raise ScenarioError(
                f"{text}: a scenario file stands alone. Put the other treatments "
                "into it."
            )
    return Scenario(tuple(parse(text) for text in texts))


def read(path: Path) -> Scenario:
    """A scenario file.

    **Raises** ScenarioError naming file, entry and what to type; OSError.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ScenarioError(f"There is no scenario file {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} is not valid TOML: {error}") from None
    entries = data.get("treatment")
    odd = sorted(set(data) - {"title", "treatment"})
    if odd or not isinstance(entries, list) or not entries:
        raise ScenarioError(
            f"{path}: {f'{odd[0]!r} is unknown' if odd else 'no treatment'}. A "
            'scenario has a title and entries: [[treatment]], name = "fluid_bolus", '
            'dose = "500mL"'
        )
    found = tuple(_entry(path, i, entry) for i, entry in enumerate(entries, start=1))
    return Scenario(found, str(data.get("title", "")))


def _entry(path: Path, index: int, entry: Any) -> Treatment:
    where = f"{path}, treatment {index}"
    if not isinstance(entry, dict) or set(entry) != {"name", "dose"}:
        raise ScenarioError(f'{where}: type name = "..." and dose = ..., nothing else.')
    dose = entry["dose"]
    if isinstance(dose, bool) or not isinstance(dose, (int, float, str)):
        raise ScenarioError(f"{where}: dose = {dose!r} is no dose.")
    try:
        return parse(f"{entry['name']}={dose}")
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from None


def _known(name: str) -> None:
    if name in doses.DOSES:
        return
    near = difflib.get_close_matches(name, doses.DOSES, 3, 0.5) or list(doses.DOSES)
    raise ScenarioError(
        f"No treatment is called {name!r}. Did you mean {', '.join(near)}? "
        "List them with: cordax whatif --help"
    )
