"""Settings that say once how each of them is typed, read and explained.

A settings class is a frozen dataclass whose fields are made by :func:`option`. The
command line makes its options from it (``cordax.cli.options``), a form in a browser can
do the same, and a file of settings is checked against it; nothing is declared twice.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Refused(Exception):
    """What was asked contradicts itself: the command line's exit code 2."""


@dataclass(frozen=True)
class Option:
    """How one setting is typed.

    ``flag`` is its name on the command line, ``--name`` of the field if empty; ``help``
    and ``metavar`` explain it; ``many`` may be given several times; ``read`` turns one
    typed text and the flag into the value and raises ``ValueError`` naming the flag;
    ``least`` bounds a number from below.
    """

    help: str
    flag: str = ""
    metavar: str | None = None
    many: bool = False
    read: Callable[[str, str], Any] | None = None
    least: int | float | None = None


def option(default: Any, help: str, **how: Any) -> Any:
    """A dataclass field with its :class:`Option`; the field's type is that of a value
    as kept, or of what is typed where ``read`` is not given."""
    return dataclasses.field(default=default, metadata={"option": Option(help, **how)})


def options(kind: type) -> dict[str, tuple[dataclasses.Field[Any], Option]]:
    """Each setting of a class that has an option, by its name, in order."""
    found = {}
    for field in dataclasses.fields(kind):
        told = field.metadata.get("option")
        if told is not None:
            flag = told.flag or f"--{field.name.replace('_', '-')}"
            found[field.name] = (field, dataclasses.replace(told, flag=flag))
    return found


def numbers(text: str, flag: str) -> tuple[float, ...]:
    """ "1,2.5,3" as numbers; ``ValueError`` names the option."""
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(
            f"{flag} takes numbers separated by commas; got {text!r}."
        ) from None


def whole_numbers(text: str, flag: str) -> tuple[int, ...]:
    """ "1,2,3" as whole numbers, exactly; ``ValueError`` names the option."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(
            f"{flag} takes whole numbers separated by commas; got {text!r}."
        ) from None


def one_of(*allowed: str) -> Callable[[str, str], str]:
    """A reader of one of some words; ``ValueError`` lists them."""

    def read(text: str, flag: str) -> str:
        if text not in allowed:
            words = [word for word in allowed if word]
            listed = ", ".join(words[:-1]) + f" or {words[-1]}"
            raise ValueError(f"{flag} takes {listed}; got {text!r}.")
        return text

    return read


def from_typed(kind: type, typed: dict[str, Any]) -> Any:
    """The settings of what was typed: text where the setting is read, values elsewhere.

    Raises ``ValueError`` naming the option that is wrong.
    """
    given = {}
    for name, (_, told) in options(kind).items():
        value = typed[name]
        if told.read is not None and told.many:
            value = tuple(told.read(text, told.flag) for text in value or ())
        elif told.read is not None:
            value = told.read(value or "", told.flag)
        given[name] = value
    rest = {name: value for name, value in typed.items() if name not in given}
    return kind(**given, **rest)
