"""The command line's options, made from a settings class (``cordax.settings``)."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from cordax.cli.show import Refused
from cordax.settings import from_typed, options


def takes(kind: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command whose first argument is a settings object: its options are the class's.

    ``@takes(Settings)`` on ``def run(settings, file=..., output=...)`` gives a function
    that typer sees with every option of the class in the place of ``settings``. An
    argument that the class also has as a field without an option (``file``) is handed
    to both. What is wrong is refused with the option's name.
    """

    def wrapped(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        fields = set(inspect.signature(kind).parameters)

        def typed(**given: Any) -> None:
            names = {name for name in given if name in fields}
            try:
                settings = from_typed(kind, {name: given[name] for name in names})
            except ValueError as error:
                raise Refused(str(error)) from None
            command(settings, **{p.name: given[p.name] for p in own})

        made = [_parameter(kind, name) for name in options(kind)]
        parameters = [*own[:1], *made, *own[1:]]
        signature = inspect.Signature(
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        )
        typed.__signature__ = signature  # type: ignore[attr-defined]
        typed.__annotations__ = {p.name: p.annotation for p in parameters}
        typed.__name__, typed.__doc__ = command.__name__, command.__doc__
        return typed

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
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[
            hint,
            typer.Option(
                told.flag, help=told.help, metavar=told.metavar, min=told.least
            ),
        ],
    )
