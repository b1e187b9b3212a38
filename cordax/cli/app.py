"""The application: its verbs, `--version`, and how errors become exit codes."""

import json
import sys
from typing import Annotated

import typer

from cordax.cli import bench, calibrate, check, ep, learn, mesh, records, twins
from cordax.cli.show import Refused, err

_EPILOG = "For research; not a medical device. cordax VERB --help explains each verb."
DONE, BAD_INPUT, BAD_OPTIONS, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="cordax",
    help="""
A patient's circulation: measurements in, a calibrated heart with honest uncertainty
and what-ifs out.

[b]Start here[/b]

  cordax demo                                   a real patient, end to end
  cordax record new anna.toml                   a commented record to fill in
  cordax record check anna.toml                 is it right? with line numbers
  cordax fit anna.toml -o anna                  calibrate; anna/ is the twin
  cordax whatif anna fluid_bolus=500mL          before, after, change
  cordax report anna                            one HTML file

[b]Intended use:[/b] research and education. cordax is not a medical device: nothing
it prints may guide the diagnosis or treatment of a patient.
""",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> bool:
    if wanted:
        from cordax import __version__

        typer.echo(f"cordax {__version__}")
        raise typer.Exit()
    return wanted


@app.callback()
def _cordax(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


app.command("fit")(calibrate.fit)
app.command("demo")(calibrate.demo)
app.command("whatif", epilog=_EPILOG)(twins.whatif)
app.command("report")(twins.report)
app.command("export")(twins.export)
app.command("patients")(records.patients)
app.add_typer(records.app, name="record")
app.add_typer(learn.app, name="learn")
app.add_typer(bench.app, name="bench")
app.add_typer(mesh.app, name="mesh")
app.add_typer(ep.app, name="ep")
app.command("doctor")(check.doctor)


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code; never raises on bad input."""
    as_json = "--json" in arguments
    try:
        code = app(arguments, prog_name="cordax", standalone_mode=False)
        if code == INTERRUPTED:  # typer turned Ctrl-C into its code, and said nothing
            _say("Interrupted.", as_json)
        elif code and as_json:  # what was found wrong stands in the JSON
            err.print("Error: problems were found; the JSON holds them.")
        return code if isinstance(code, int) else DONE
    except (KeyboardInterrupt, typer.Abort):
        _say("Interrupted.", as_json)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone (| head): nothing left to say
        sys.stderr.close()
        return BAD_INPUT
    except (Refused, FileExistsError) as error:
        _say(str(error), as_json)
        return BAD_OPTIONS
    except (ValueError, LookupError, OSError) as error:
        _say(_sentence(error), as_json, getattr(error, "problems", ()))
        return BAD_INPUT
    except Exception as error:
        # typer carries its own copy of click, so its usage errors are known by shape
        format_message = getattr(error, "format_message", None)
        if format_message is None or not hasattr(error, "exit_code"):
            raise
        usage = getattr(getattr(error, "ctx", None), "get_usage", None)
        if usage and not as_json:
            err.print(usage(), highlight=False, markup=False)
        _say(format_message(), as_json)
        return BAD_OPTIONS


def _sentence(error: Exception) -> str:
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return where + error.strerror
    return str(error) or type(error).__name__


def _say(message: str, as_json: bool, problems=()) -> None:
    if as_json:
        from dataclasses import asdict

        print(json.dumps({"error": message, "problems": [asdict(p) for p in problems]}))
        # a program that reads the JSON shows its user, or its log, this one line
        first, *more = message.splitlines() or [""]
        line = first + (f" (and {len(more)} more in the JSON)" if more else "")
        err.print(f"Error: {line}", highlight=False, markup=False, soft_wrap=True)
    else:
        err.print("[bold red]Error:[/] ", end="")
        err.print(message, highlight=False, markup=False, soft_wrap=True)
