"""What a run of tissue is told: plain values, as typed and as stored in run.json."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cordax.settings import numbers, one_of, option, whole_numbers

SCHEMA = 1
KIND = "run of tissue"  # of folder
Triple = tuple[float, float, float]

#: Velocities (m/s) along fibre, sheet and normal where none are wanted: the reference
#: values of human ventricles in the project's benchmarks.
VELOCITY: Triple = (0.65, 0.25, 0.25)
CELL = "mitchell_schaeffer_2003"


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run; None and empty leave the choice to the program.

    Lengths in mm, times in ms, ``velocity`` in m/s, ``conductivity`` in S/m. ``layer``
    is one name, or a name for each region as "1=epi,2=endo". ``sinus`` starts a
    biventricle as sinus rhythm does, through a fast layer; ``strength`` is in times the
    threshold, which is then searched. ``stimulate`` holds (x, y,
    z) or (x, y, z, radius), ``ablate`` (x, y, z, radius) or two points and a radius.
    ``fibres`` is "file" (those the geometry has) or "rule". ``fibre_field``,
    ``sheet_field`` and ``region_field`` name what holds them in the file, where it has
    a name of its own; ``conduct_lines`` makes lines beside tetrahedra cables;
    ``threshold`` is the value above which an image of no labels is tissue.

    **Raises** ValueError where options contradict each other or have a wrong length.
    """

    heart: str = option(
        "",
        "In place of a file: cable, ring, sheet, slab, atrium, left_ventricle or "
        "biventricle.",
    )
    file: str = ""
    unit: str = option(
        "",
        "Unit of length of the file: m, cm, mm or um.",
        read=one_of("", "m", "cm", "mm", "um"),
    )
    spacing: float | None = option(
        None, "Of the voxels, or of a generated mesh's edges, mm."
    )
    elements: bool = option(False, "Run on the elements, not on voxels.", flag="--mesh")
    fibres: str = option(
        "file",
        "file: those the mesh has; rule: made by rule.",
        read=one_of("file", "rule"),
    )
    insulating: tuple[int, ...] = option(
        (),
        "Regions that do not conduct.",
        flag="--regions-insulating",
        metavar="3,4",
        read=whole_numbers,
    )
    fibre_field: str = option("", "The file's field of fibres.", metavar="NAME")
    sheet_field: str = option("", "The file's field of sheets.", metavar="NAME")
    region_field: str = option(
        "", "The file's field of region numbers.", metavar="NAME"
    )
    conduct_lines: bool = option(
        False, "Lines beside tetrahedra are cables, not labels; with --mesh."
    )
    threshold: float | None = option(
        None, "An image that is no label map: tissue is above this."
    )
    cell: str = option(CELL, "Membrane model; cordax ep cell --help lists them.")
    layer: str = option("", "epi, endo, m; by region: 1=epi,2=endo", metavar="NAME")
    prepace: int = option(10, "Beats of one cell before the tissue's first.", least=0)
    velocity: tuple[float, ...] = option(
        (),
        "Wanted along fibre, sheet, normal, m/s; one for all.",
        metavar="F,S,N",
        read=numbers,
    )
    conductivity: tuple[float, ...] = option(
        (), "Instead of velocities, S/m.", metavar="F,S,N", read=numbers
    )
    stimulate: tuple[tuple[float, ...], ...] = option(
        (),
        "Where, mm; repeatable. The apex if not.",
        metavar="X,Y,Z[,RADIUS]",
        many=True,
        read=numbers,
    )
    surface: str = option("", "Stimulate where this field is 1.", metavar="NAME")
    sinus: bool = option(
        False,
        "Start two ventricles as sinus rhythm does: five root points and a fast "
        "endocardial layer.",
    )
    strength: float | None = option(
        None, "Times the threshold, searched first; customary is 2."
    )
    s1: float = option(500.0, "Cycle length, ms.", least=1.0)
    beats: int = option(1, "How many S1.", least=1)
    s2: tuple[float, ...] = option(
        (), "Intervals of S2, S3, ...", metavar="MS,...", read=numbers
    )
    ablate: tuple[tuple[float, ...], ...] = option(
        (),
        "Ball, or capsule X,Y,Z,X,Y,Z,R; mm; repeatable.",
        metavar="X,Y,Z,R",
        many=True,
        read=numbers,
    )
    probe: tuple[tuple[float, ...], ...] = option(
        (),
        "Record the voltage here; repeatable.",
        metavar="X,Y,Z",
        many=True,
        read=numbers,
    )
    duration: float | None = option(
        None, "ms; 500 after the last stimulus if not given."
    )
    dt: float | None = option(None, "Time step, ms.")
    every: float | None = option(None, "Interval of ECG samples and frames, ms.")
    eikonal: bool = option(False, "Activation times only, in seconds.")
    ecg: bool = option(False, "Twelve leads.")
    movie: bool = option(False, "A film of the voltage (GIF).")

    def __post_init__(self) -> None:
        if bool(self.heart) == bool(self.file):
            raise ValueError(
                "Give a mesh or an image, or a generated heart: cordax ep run FILE, or "
                "cordax ep run --heart left_ventricle"
            )
        _of_files(self)
        if self.velocity and self.conductivity:
            raise ValueError("Give --velocity or --conductivity, not both.")
        if self.eikonal and self.conductivity:
            raise ValueError("The eikonal equation takes --velocity.")
        if self.eikonal and self.movie:
            raise ValueError(
                "A movie shows the voltage, which --eikonal does not compute; the "
                "report's 3-D view plays its front."
            )
        for name in ("velocity", "conductivity"):
            values = getattr(self, name)
            if values and (len(values) not in (1, 3) or min(values) <= 0):
                raise ValueError(
                    f"--{name} takes one positive number, or three: along the fibre, "
                    f"the sheet and its normal; got {values}."
                )
        if self.strength is not None and not self.strength > 1.0:
            raise ValueError(
                f"--strength is in times the threshold, above 1; got {self.strength}."
            )
        if self.strength is not None and self.eikonal:
            raise ValueError("The eikonal equation has no stimulus: no --strength.")
        if self.sinus and (self.stimulate or self.surface):
            raise ValueError(
                "--sinus starts at its own root points: leave --stimulate and "
                "--surface out."
            )
        if self.sinus and not self.eikonal and (self.elements or self.conductivity):
            raise ValueError(
                "--sinus conducts faster in a layer, which tissue on elements or with "
                "--conductivity cannot: leave those out, or add --eikonal."
            )
        if self.fibres not in ("file", "rule"):
            raise ValueError(f"--fibres takes file or rule; got {self.fibres!r}.")
        _lengths("--stimulate", self.stimulate, (3, 4), "x,y,z or x,y,z,radius")
        _lengths("--ablate", self.ablate, (4, 7), "x,y,z,radius or two points, radius")
        _lengths("--probe", self.probe, (3,), "x,y,z")

    @property
    def wanted(self) -> Triple:
        """The velocities (m/s) wanted along fibre, sheet and normal."""
        return three(self.velocity or VELOCITY)

    @property
    def pulses(self) -> list[float]:
        """When the stimuli start (ms)."""
        from physio.electrophysiology.tissue.pacing import train

        return train(self.s1, self.beats, *self.s2)

    @property
    def name(self) -> str:
        """What the heart is called in titles."""
        return Path(self.file).name if self.file else self.heart.replace("_", " ")


def _of_files(settings: Settings) -> None:
    """Raises for options that would be ignored."""
    options = ("unit", "fibre_field", "sheet_field", "region_field", "threshold")
    given = [name for name in options if getattr(settings, name) not in ("", None)]
    if settings.heart and (given or settings.conduct_lines):
        name = given[0].replace("_", "-") if given else "conduct-lines"
        raise ValueError(
            f"--{name} is for files; the generated {settings.heart} is in mm and has "
            f"its own fields. Leave --{name} out."
        )
    if settings.conduct_lines and not settings.elements:
        raise ValueError(
            "Voxels hold no lines: cables conduct on the elements. Type "
            "--conduct-lines --mesh"
        )
    if settings.conduct_lines and not settings.eikonal:
        raise ValueError(
            "Lines conduct as cables in the front alone: in tissue on elements a line "
            "is a link between two layers. Type --conduct-lines --mesh --eikonal"
        )
    if settings.fibre_field and settings.fibres == "rule":
        raise ValueError("--fibres rule makes fibres: leave --fibre-field out.")


def three(values: tuple[float, ...]) -> Triple:
    """One number for all three directions, or three."""
    return (values[0], values[-1] if len(values) == 1 else values[1], values[-1])


def _lengths(option: str, rows: Any, allowed: tuple[int, ...], wanted: str) -> None:
    for row in rows:
        if len(row) not in allowed:
            raise ValueError(f"{option} takes {wanted} in mm; got {len(row)} numbers.")


def stored(settings: Settings) -> dict[str, Any]:
    """The settings as run.json holds them."""
    return dataclasses.asdict(settings)


def again(path: Path) -> Settings:
    """The settings of a run.json.

    **Raises** ValueError where it is no such file, or of a newer program.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        schema, given = int(found["schema"]), dict(found["settings"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not the run.json of a run ({error}). Name OUT/run.json."
        ) from None
    if schema > SCHEMA:
        raise ValueError(
            f"{path} was written by a newer cordax (schema {schema}, here {SCHEMA}). "
            "Update cordax."
        )
    names = {field.name for field in dataclasses.fields(Settings)}
    unknown = sorted(set(given) - names)
    if unknown:
        raise ValueError(f"{path} holds unknown settings: {', '.join(unknown)}.")
    return Settings(**{name: _tuples(value) for name, value in given.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
