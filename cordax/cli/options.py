"""The command line's options, made from a settings class (``cordax.settings``)."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import typer

from cordax.cli.show import Refused
from cordax.settings import from_typed, options


@dataclass(frozen=True)
class Typed:
    """What was typed for a settings class."""

    kind: type
    values: dict[str, Any]

    @property
    def given(self) -> list[str]:
        """The flags that were typed, those left at their defaults not counted."""
        found = []
        for name, (field, told) in options(self.kind).items():
            default = None if told.read and told.many else field.default
            if told.read and not isinstance(field.default, str) and not told.many:
                default = ""
            if self.values[name] not in (default, []):
                found.append(told.flag)
        return found

    def settings(self, **more: Any) -> Any:
        """The settings; ``more`` are fields that have no option.

        What is wrong is refused with the option's name.
        """
        try:
            return from_typed(self.kind, self.values | more)
        except ValueError as error:
            raise Refused(str(error)) from None


def takes(kind: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command whose first argument is what was typed for a settings class.

    ``@takes(Settings)`` on ``def run(typed, file=..., output=...)`` gives a function
    that typer sees with the class's options in the place of ``typed``, behind the first
    of the command's own.
    """

    def wrapped(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        names = options(kind)

        def call(**given: Any) -> None:
            typed = Typed(kind, {name: given[name] for name in names})
            command(typed, **{p.name: given[p.name] for p in own})

        made = [_parameter(kind, name) for name in names]
        parameters = [
            p.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for p in (*own[:1], *made, *own[1:])
        ]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in parameters}
        call.__name__, call.__doc__ = command.__name__, command.__doc__
        return call

    return wrapped


def _parameter(kind: type, name: str) -> inspect.Parameter:
    """One option as typer reads it: text where it is read, else the field's type."""
    field, told = options(kind)[name]
    hint: Any = get_type_hints(kind)[name]
    default = field.default
    if told.read is not None:
        hint, default = (list[str] | None, None) if told.many else (str, "")
        if isinstance(field.default, str):
            default = field.default
    how = {"help": told.help, "metavar": told.metavar, "min": told.least}
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[hint, typer.Option(told.flag, **how)],
    )
