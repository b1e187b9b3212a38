"""Scenarios: one or several treatments given together, typed or from a TOML file.

title = "Bolus under a vasodilator"

[[treatment]]
name = "fluid_bolus"
dose = "500mL"      # or a number in the treatment's own unit
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cordax import vocabulary
from cordax.scenarios import doses


class ScenarioError(ValueError):
    """A treatment or a scenario file that cannot be understood."""


@dataclass(frozen=True)
class Treatment:
    """A treatment and its dose in the treatment's own unit."""

    name: str
    dose: float
    note: str = ""  # where another word was typed: "bleeding: taken as haemorrhage"

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

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken for something else."""
        return tuple(t.note for t in self.treatments if t.note)


#: What may be asked: as typed, parsed, by name and dose, or several of these.
One = str | Treatment | Mapping[str, Any]
Asked = One | Scenario | Sequence[One]


def parse(text: str) -> Treatment:
    """ "fluid_bolus=500mL" -> Treatment("fluid_bolus", 500.0).

    **Raises** ScenarioError with the nearest names or the unit to type.
    """
    typed, equals, dose = text.partition("=")
    name = _name(typed.strip())
    if not equals or not dose.strip():
        raise ScenarioError(
            f"{text!r} has no dose. Type {name}={doses.DOSES[name].example}"
        )
    note = "" if _plain(typed) == name else f"{typed.strip()}: taken as {name}"
    try:
        return Treatment(name, doses.convert(name, dose), note)
    except ValueError as error:
        raise ScenarioError(f"{note}. {error}" if note else str(error)) from None


def understand(asked: Asked) -> Scenario:
    """Treatments in any of the ways they can be asked, by the parser of the command
    line: "fluid_bolus=500mL", several of these, a scenario file's name, {"peep": 10}.

    **Raises** ScenarioError naming what is wrong and what to type.
    """
    if isinstance(asked, Scenario):
        return asked
    if isinstance(asked, Treatment):
        return Scenario((asked,))
    if isinstance(asked, str):
        return parse_all([asked])
    if isinstance(asked, Mapping):
        return parse_all([f"{name}={dose}" for name, dose in asked.items()])
    if all(isinstance(each, str) for each in asked):
        return parse_all([str(each) for each in asked])
    parts = [understand(each).treatments for each in asked]
    return Scenario(tuple(treatment for part in parts for treatment in part))


def parse_all(texts: Sequence[str]) -> Scenario:
    """What the command line was given: treatments, or one scenario file."""
    if len(texts) == 1 and texts[0].endswith(".toml"):
        return read(Path(texts[0]))
    for text in texts:
        if text.endswith(".toml"):
            raise ScenarioError(
                f"{text}: a scenario file stands alone. Put the other treatments "
                "into it."
            )
    each = [part for text in texts for part in _several(text) if part.strip()]
    if not each:
        raise ScenarioError(
            "No treatment is given. Type, for example, fluid_bolus=500mL"
        )
    return Scenario(tuple(parse(text) for text in each))


def _several(text: str) -> list[str]:
    """ "peep=5 heart_rate=90" holds two treatments; "peep=5 cmH2O" one."""
    if text.count("=") < 2:
        return [text]
    return re.split(r"[\s,;]+(?=[^\W\d][\w-]*\s*=)", text.strip())


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


def _plain(typed: str) -> str:
    return typed.strip().lower().replace("-", "_").replace(" ", "_")


def _name(typed: str) -> str:
    """The treatment that a typed word stands for; ScenarioError where for none."""
    plain = _plain(typed)
    if plain in doses.DOSES:
        return plain
    meaning = vocabulary.TREATMENTS.understand(typed)
    if meaning.understood:
        return meaning.names[0]
    known = f"Known are {', '.join(doses.DOSES)}. List them with: cordax whatif --help"
    about = "" if typed.lower() == meaning.term else f" ({meaning.term})"
    if meaning.kind == "choice":
        raise ScenarioError(f"{typed!r}{about} has no dose of its own. {meaning.hint}")
    if meaning.kind == "not modelled":
        hint = f"{meaning.hint} " if meaning.hint else ""
        raise ScenarioError(f"{typed!r}{about} is not modelled. {hint}{known}")
    if meaning.kind == "misspelt":
        raise ScenarioError(
            f"No treatment is called {typed!r}. Did you mean "
            f"{' or '.join(meaning.names)}? List them with: cordax whatif --help"
        )
    raise ScenarioError(f"No treatment is called {typed!r}. {known}")
