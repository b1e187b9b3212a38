"""A setting is declared once: the class, the command line and the help agree."""

import dataclasses
import inspect

import pytest
from typed_commands import call

from cordax.cli import ep
from cordax.cli.options import Typed, takes
from cordax.cli.show import Refused
from cordax.ep.settings import Settings
from cordax.settings import numbers, one_of, option, options, whole_numbers


def test_every_setting_is_an_option_or_the_file():
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert fields - set(options(Settings)) == {"file"}
    typed = set(inspect.signature(ep.run).parameters)
    assert set(options(Settings)) <= typed and "typed" not in typed


def test_the_help_says_what_the_class_says(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    said = " ".join(call(capsys, "ep", "run", "--help")[1].split())
    for _, told in options(Settings).values():
        assert told.flag in said
        assert told.help.split(";")[0].split(":")[0] in said, told.flag


@dataclasses.dataclass(frozen=True)
class Invented:
    file: str = ""
    rate: float = option(2.0, "Rate, 1/s.", least=0.0)
    kind: str = option("a", "Which.", read=one_of("a", "b"))
    at: tuple = option((), "Where.", flag="--place", many=True, read=numbers)
    which: tuple = option((), "Regions.", read=whole_numbers)


def typed(**values) -> Typed:
    default = {"rate": 2.0, "kind": "a", "at": None, "which": ""}
    return Typed(Invented, default | values)


def test_what_is_typed_becomes_the_settings():
    made = typed(at=["1,2", "3"], which="4,5").settings(file="x")
    assert made == Invented("x", 2.0, "a", ((1.0, 2.0), (3.0,)), (4, 5))
    assert typed().settings() == Invented()
    assert typed().given == []
    assert typed(at=["1"], which="2", rate=3.0).given == [
        "--rate",
        "--place",
        "--which",
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"at": ["1,x"]}, "--place takes numbers"),
        ({"which": "1.5"}, "--which takes whole numbers"),
        ({"kind": "c"}, "--kind takes a or b; got 'c'"),
    ],
)
def test_what_is_wrong_is_refused_by_its_flag(values, words):
    with pytest.raises(Refused, match=words):
        typed(**values).settings()


def test_a_command_gets_its_own_arguments_beside_the_settings():
    got = {}

    @takes(Invented)
    def command(typed: Typed, file: str = "", force: bool = False) -> None:
        """Says."""
        got.update(rate=typed.settings(file=file).rate, force=force)

    names = list(inspect.signature(command).parameters)
    assert names == ["file", "rate", "kind", "at", "which", "force"]
    command(file="f", rate=5.0, kind="a", at=None, which="", force=True)
    assert got == {"rate": 5.0, "force": True} and command.__doc__ == "Says."


def test_again_takes_everything_from_the_file(capsys, tmp_path):
    out = str(tmp_path / "out")
    code, _, said = call(
        capsys, "ep", "run", "--again", "r.json", "--beats", "3", "-o", out
    )
    assert code == 2 and "--beats" in said and "r.json" in said
