"""Twin folders: exact, whole or absent, and clear about what is wrong with them.

`twin_v1/` was written by schema 1 and is never rewritten; each later schema adds its
own folder, and all must load. It was made by `save(folder, example())`.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from stored_twin import example

from cordax import patients
from cordax.records import examine, record
from cordax.twins import store

V1 = Path(__file__).parent / "twin_v1"


def same(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return a == b


def test_what_is_saved_is_loaded_exactly(tmp_path):
    store.save(tmp_path / "twin", example())
    assert sorted(os.listdir(tmp_path)) == ["twin"]
    assert sorted(os.listdir(tmp_path / "twin")) == ["arrays.h5", "twin.json"]
    found = store.load(tmp_path / "twin")
    assert same(found, example())


def test_a_patient_record_is_part_of_it(tmp_path):
    patient = examine.read(patients.find("periop"))
    store.save(tmp_path / "twin", example() | {"record": patient.payload()})
    again = record.from_payload(store.load(tmp_path / "twin")["record"])
    assert again.measurements == patient.measurements
    assert np.array_equal(again.waveforms[0].beat, patient.waveforms[0].beat)


def test_a_difference_would_be_seen(tmp_path):
    changed = example()
    changed["draws"]["beat"] = changed["draws"]["beat"] + 1e-15
    store.save(tmp_path / "twin", changed)
    assert not same(store.load(tmp_path / "twin"), example())


def test_every_released_schema_still_loads():
    assert same(store.load(V1), example())


def test_migrations_are_applied_in_order(tmp_path, monkeypatch):
    shutil.copytree(V1, tmp_path / "twin")
    monkeypatch.setattr(store, "SCHEMA", 3)
    steps = {1: lambda p: p | {"a": 1}, 2: lambda p: p | {"b": p["a"] + 1}}
    monkeypatch.setattr(store, "MIGRATIONS", steps)
    assert store.load(tmp_path / "twin")["b"] == 2


def test_every_older_schema_has_a_migration():
    assert set(store.MIGRATIONS) == set(range(1, store.SCHEMA))


def test_an_existing_folder_needs_force(tmp_path):
    store.save(tmp_path / "twin", example())
    with pytest.raises(FileExistsError, match="--force"):
        store.save(tmp_path / "twin", example())
    changed = example() | {"seed": 7}
    store.save(tmp_path / "twin", changed, force=True)
    assert store.load(tmp_path / "twin")["seed"] == 7
    assert os.listdir(tmp_path) == ["twin"]


def test_a_failed_write_leaves_the_old_twin(tmp_path, monkeypatch):
    store.save(tmp_path / "twin", example())

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="disk is full"):
        store.save(tmp_path / "twin", example() | {"seed": 7}, force=True)
    assert store.load(tmp_path / "twin")["seed"] == 20260101
    assert os.listdir(tmp_path) == ["twin"]


def edit(folder: Path, **changes) -> None:
    path = folder / "twin.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BROKEN = {
    "newer": (lambda f: edit(f, schema=99), "newer cordax .schema 99.*--upgrade"),
    "no schema": (lambda f: edit(f, schema=None), "damaged"),
    "another format": (lambda f: edit(f, format="x"), "not a cordax twin"),
    "no json": (lambda f: (f / "twin.json").unlink(), "half written.*twin.json"),
    "half a json": (lambda f: cut(f / "twin.json"), "half written.*--force"),
    "no arrays": (lambda f: (f / "arrays.h5").unlink(), "arrays.h5 is missing"),
    "half the arrays": (lambda f: cut(f / "arrays.h5"), "does not belong"),
    "a lost part": (lambda f: edit(f, model={}), "lacks model/builder"),
    "NaN": (
        lambda f: edit(f, model={"builder": "a", "leaves": {"r": float("nan")}}),
        "model/leaves/r holds NaN",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_folders_say_what_to_do(tmp_path, name):
    damage, words = BROKEN[name]
    shutil.copytree(V1, tmp_path / "twin")
    damage(tmp_path / "twin")
    with pytest.raises(store.StoreError, match=words):
        store.load(tmp_path / "twin")


def test_a_file_is_not_offered_to_be_written_over(tmp_path):
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(store.StoreError, match="a twin is a folder") as told:
        store.load(tmp_path / "notes.md")
    assert "--force" not in str(told.value)


def test_no_folder_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="cordax fit PATIENT -o"):
        store.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"draws": {"r": np.array([1.0, np.nan])}}, "draws/r holds NaN"),
        ({"fit": {"x": float("inf")}}, "fit/x is inf"),
        ({"fit": {"x": object()}}, "a object cannot be stored"),
        ({"fit": {"a/b": 1}}, "cannot be the name"),
        ({"fit": {"x": np.array(["a"])}}, "arrays of <U1"),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path, change, words):
    with pytest.raises(store.StoreError, match=words):
        store.save(tmp_path / "twin", example() | change)
    assert os.listdir(tmp_path) == []
