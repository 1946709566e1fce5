"""Whatever stands in a file: the numbers that were given, or an error of ours that names it."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import ase.db
import ase.io
import h5py
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk, fcc111
from ase.constraints import FixAtoms
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from toy import planted

import cpdkit
from cpdkit import load_dataset
from cpdkit.datasets.arrays import read_arrays

DATA = planted(n=60)
X, C, Y = (np.round(8 * a) / 8 for a in (DATA.X, DATA.C, DATA.y))  # exact in single precision
GIVEN = {"features": X, "composition": C, "gap": Y}
PLAIN = cpdkit.cpd(X, C, pd.DataFrame({"gap": Y}), groups=DATA.formulas, leak=False)["mean"]


def refused(error: Exception, *names: str) -> bool:
    """In a sentence raised here, which names a file or an argument."""
    last = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    ours = last is not None and "/cpdkit/" in last.tb_frame.f_code.co_filename
    return ours and re.search("|".join(names), str(error)) is not None


def scores(path: Path, **others: Path) -> np.ndarray:
    read = read_arrays(path, **others)
    kept = {"features": read.features, "composition": read.composition, "targets": read.targets}
    table = cpdkit.cpd(*kept.values(), groups=read.formulas, ids=read.ids, leak=False)
    return table["mean"].to_numpy()


def same_or_refused(path: Path, *names: str, **others: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = scores(path, **others)
        except (ValueError, TypeError) as error:
            assert refused(error, *names, path.name), repr(error)  # noqa: PT017, or the same
        else:
            np.testing.assert_array_equal(found, PLAIN)


ARRAYS = {
    "array": lambda a: a,
    "Fortran order": np.asfortranarray,
    "a view": lambda a: np.repeat(a, 2, axis=0)[::2],
    "big endian": lambda a: a.astype(">f8"),
    "single": lambda a: a.astype(np.float32),
    "long double": lambda a: a.astype(np.longdouble),
    "one row less": lambda a: a[:-1],
    "NaN": lambda a: np.where(np.arange(60).reshape(-1, *[1] * (a.ndim - 1)) == 3, np.nan, a),
    "infinite": lambda a: (
        a * np.where(np.arange(60) == 3, np.inf, 1).reshape(-1, *[1] * (a.ndim - 1))
    ),
    "complex": lambda a: a + 0j,
    "text": lambda a: a.astype("S"),
    "dates": lambda a: a.astype("datetime64[s]"),
    "records": lambda a: np.ascontiguousarray(a).view([("x", float)]),
    "objects": lambda a: a.astype(object),
    "cube": lambda a: np.stack([a, a], axis=-1)[..., None],
    "nothing": lambda a: a[:0],
    "no column": lambda a: a.reshape(60, -1)[:, :0],
    "too small": lambda a: a * 1e-200,
    "too large": lambda a: a * 1e200,
    "a number": lambda a: 1.5,
    "nothing at all": lambda a: None,
}
SAME_ARRAYS = [*ARRAYS][:6]
LABELS = {
    "text": lambda f: f,
    "bytes": lambda f: f.astype("S"),
    "spaces": lambda f: np.array([f"{item} " for item in f]),
    "another order of elements": lambda f: np.array([re.sub("(C.)(H.)", r"\2\1", x) for x in f]),
    "no UTF-8": lambda f: np.array([item.encode() + b"\xe9" for item in f]),
    "objects": lambda f: f.astype(object),
    "numbers": lambda f: np.arange(len(f)),
    "fractions": lambda f: np.arange(len(f)) / 2,
    "one less": lambda f: f[:-1],
    "one empty": lambda f: np.array(["", *f[1:]]),
    "a column": lambda f: f[:, None],
    "one": lambda f: np.array("CH4"),
}


def write_arrays(path: Path, arrays: dict) -> None:
    try:
        if path.suffix == ".npz":
            np.savez(path, **arrays)
            return
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                text = np.asarray(array).dtype.kind == "U"
                file[name] = np.asarray(array).astype(object) if text else array
    except (TypeError, ValueError):
        assume(False)


@settings(max_examples=100)
@given(
    st.sampled_from([".npz", ".h5"]),
    st.fixed_dictionaries(
        {name: st.sampled_from([*ARRAYS, *SAME_ARRAYS, *SAME_ARRAYS]) for name in GIVEN}
    ),
    st.sampled_from([*LABELS]),
)
def test_arrays_in_files(tmp_path_factory, ending, kinds, label):
    # These are other data.
    assume(set(kinds.values()) != {"one row less"} or label != "one less")
    assume(kinds["composition"] != "nothing at all")
    path = tmp_path_factory.mktemp("odd") / f"a{ending}"
    arrays = {name: ARRAYS[kinds[name]](array) for name, array in GIVEN.items()}
    arrays["formulas"] = LABELS[label](DATA.formulas)
    write_arrays(path, {name: array for name, array in arrays.items() if array is not None})
    same_or_refused(path, *GIVEN, "formulas", "groups", "target", "rows")


@pytest.mark.parametrize("ending", [".npz", ".h5"])
@pytest.mark.parametrize("name", ["formulas", "groups", "ids", "target_names"])
def test_bytes_that_are_no_text_are_named(tmp_path, ending, name):
    wrong = np.array([b"\xe9"] if name == "target_names" else [b"C\xe9"] * 60)
    given_too = {"features": X, "composition": C, "targets": Y, name: wrong}
    write_arrays(tmp_path / f"a{ending}", given_too)
    with pytest.raises(ValueError, match=f"{name}.*codec can't decode byte 0xe9"):
        read_arrays(tmp_path / f"a{ending}")


def test_labels_of_several_entries_are_named():
    ragged = np.empty(60, dtype=object)
    ragged[:] = [np.arange(i % 3) for i in range(60)]
    for name in ("groups", "ids"):
        with pytest.raises(ValueError, match=f"{name} must be one label for each row"):
            cpdkit.cpd(X, C, Y, **{name: ragged})


COLUMNS = {f"feature_{i}": X[:, i] for i in range(X.shape[1])}
COLUMNS |= {f"composition_{i}": C[:, i] for i in range(C.shape[1])}
TABLE = pd.DataFrame({"formula": DATA.formulas, **COLUMNS, "gap": Y})
TEXT = TABLE.to_csv(index=False)
HEADER, _, BODY = TEXT.partition("\n")
SAME_TEXT = {
    "as it is": lambda t: t,
    "Windows": lambda t: t.replace("\n", "\r\n"),
    "byte-order mark": lambda t: "\ufeff" + t,
    "spaces": lambda t: t.replace(",", ",  "),
    "blank lines": lambda t: t.replace("\n", "\n\n"),
    "no last line end": lambda t: t.rstrip("\n"),
    "quoted": lambda t: re.sub(r"[^,\n]+", r'"\g<0>"', t),
    "exponents": lambda t: re.sub(r"(?<=,)-?\d+\.\d+", lambda m: f"{float(m[0]):.17e}", t),
}  # fmt: skip
ODD_TEXT = {
    "semicolons": TEXT.replace(",", ";"),
    "decimal commas": TABLE.to_csv(index=False, decimal=","),
    "row numbers": TABLE.to_csv(),
    "row numbers without a place in the header": TABLE.to_csv().lstrip(","),
    "an index without a place in the header": TABLE[::-1].to_csv().lstrip(","),
    "commas at the end of rows": f"{HEADER}\n" + BODY.replace("\n", ",\n"),
    "a comma at the end of the header": f"{HEADER},\n{BODY}",
    "a field more in one row": TEXT.replace("\n", ",7\n", 9).replace(",7\n", "\n", 8),
    "a field less in one row": f"{HEADER}\n" + re.sub(r",[^,\n]*\n", "\n", BODY, count=1),
    "a column twice": TABLE.assign(again=Y).rename(columns={"again": "gap"}).to_csv(index=False),
    "percent": TEXT.replace(".125", ".125%"),
    "thousands": TEXT.replace("gap", "gap").replace(",3.", ',"3,000.'),
    "a remark": f"# features\n{TEXT}",
    "open quotes": TEXT.replace("C", '"C', 1),
    "a name less": TEXT.replace("feature_0,", ",", 1),
    "two tables": TEXT + TEXT,
    "a header": f"{HEADER}\n",
    "a blank cell": f"{HEADER}\n" + re.sub(r",[^,\n]*\n", ",\n", BODY, count=1),
    "words": re.sub(r"(?<=,)3\.\d+", "none", TEXT, count=1),
    "yes and no": re.sub(r"(?<=,)3\.\d+", "True", TEXT, count=1),
    "nothing": "",
}  # fmt: skip


@settings(max_examples=20)
@given(st.lists(st.sampled_from([*SAME_TEXT]), min_size=1, max_size=3, unique=True))
def test_the_dress_of_a_table_changes_nothing(tmp_path_factory, kinds):
    assume(kinds.index("as it is") == 0 if "as it is" in kinds else True)
    path = tmp_path_factory.mktemp("odd") / "a.csv"
    text = TEXT
    for kind in sorted(kinds, key=list(SAME_TEXT).index, reverse=True):
        text = SAME_TEXT[kind](text)
    path.write_bytes(text.encode())
    np.testing.assert_array_equal(scores(path), PLAIN)


@pytest.mark.parametrize("kind", ODD_TEXT)
def test_odd_tables(tmp_path, kind):
    path = tmp_path / "a.csv"
    path.write_text(ODD_TEXT[kind])
    with pytest.raises(ValueError) as caught:  # noqa: PT011, any sentence of ours
        scores(path)
    assert refused(caught.value, "a.csv", "target 'gap'", "rows", "formula"), caught.value


CRYSTALS = [bulk("NaCl", "rocksalt", a=5.6), bulk("Cu"), bulk("CsCl", "cesiumchloride", a=4.1)]


def changed(change) -> list:
    frames = [atoms.copy() for atoms in CRYSTALS]
    replaced = change(frames[1])
    return [frames[0], frames[1] if replaced is None else replaced, frames[2]]


STRUCTURES = {
    "plain": lambda a: None,
    "held fast": lambda a: a.set_constraint(FixAtoms([0])),
    "left-handed": lambda a: a.set_cell(-a.cell.array),
    "far": lambda a: a.set_positions(a.positions + 1e4),
    "molecule": lambda a: ase.Atoms("H2O", np.eye(3)),
    "slab": lambda a: fcc111("Cu", (1, 1, 3), vacuum=5),
    "no atoms": lambda a: ase.Atoms(cell=np.eye(3) * 4, pbc=True),
    "ghost": lambda a: a.numbers.__setitem__(0, 0),
    "no such element": lambda a: a.numbers.__setitem__(0, 119),
    "NaN": lambda a: a.positions.__setitem__((0, 0), np.nan),
    "infinite cell": lambda a: a.cell.__setitem__((0, 0), np.inf),
    "flat": lambda a: a.set_cell(np.diag([3.0, 3.0, 0.0])),
    "small": lambda a: a.set_cell(a.cell * 1e-2, scale_atoms=True),
    "needle": lambda a: a.set_cell(np.diag([1e6, 2e-6, 2e-6])),
    "strip": lambda a: a.set_cell(np.diag([1e9, 1e-4, 1.0])),
    "large": lambda a: a.set_cell(a.cell * 1e4, scale_atoms=True),
    "two at one place": lambda a: ase.Atoms("Cu2", np.zeros((2, 3)), cell=np.eye(3) * 4, pbc=True),
}
VALUES = {
    "plain": [1.0, -2.5, 1e-300],
    "whole": [1, 2, -3],
    "of NumPy": [np.float32(0.5), np.float32(3), np.int8(-7)],
    "many digits": [0.1234567890123456789, 2 / 3, 1e22 / 7],
    "yes and no": [True, False, True],
    "NaN": [1.0, np.nan, 2.0],
    "infinite": [1.0, 2.0, -np.inf],
    "text": [1.0, "two", 3.0],
    "only text": ["a", "b", "c"],
    "numbers as text": ["1", "2", "3"],
    "too long": [2**70, 1, 2],
    "complex": [1 + 2j, 1, 2],
}


def write_crystals(ending: str, folder: Path, frames: list, values: list) -> Path:
    """Wherever the writer takes such things; else there is no such file."""
    path = folder / f"mine{ending}"
    try:
        if ending == "":
            path.mkdir()
            for i, atoms in enumerate(frames):
                ase.io.write(path / f"c{i}.cif", atoms)
            table = pd.DataFrame({"id": [f"c{i}" for i in range(3)], "y": values})
            table.to_csv(path / "properties.csv", index=False)
        elif ending == ".xyz":
            for atoms, value in zip(frames, values, strict=True):
                atoms.info["y"] = value
            ase.io.write(path, frames, format="extxyz")
        else:
            with ase.db.connect(path) as base:
                for atoms, value in zip(frames, values, strict=True):
                    base.write(atoms, y=value)
    except Exception:  # of ASE, which raises whatever it meets
        assume(False)
    return path


@settings(max_examples=100)
@given(
    st.sampled_from(["", ".xyz", ".db", ".json"]),
    st.sampled_from([*STRUCTURES] + 4 * ["plain"]),
    st.sampled_from([*VALUES] + 4 * ["plain"]),
)
def test_structures_in_files(tmp_path_factory, ending, structure, kind):
    frames, values = changed(STRUCTURES[structure]), VALUES[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_crystals(ending, tmp_path_factory.mktemp("odd"), frames, values)
        try:
            ds = load_dataset(path, targets=["y"])
        except (ValueError, TypeError, OSError) as error:
            assert refused(error, "mine", "target"), repr(error)  # noqa: PT017, or the same
            return
        # XYZ has the digits of text, and does not tell a number from its text.
        expected = [float(value) for value in values]
        np.testing.assert_allclose(ds.targets["y"], expected, rtol=1e-7 if ending == ".xyz" else 0)
        for ours, theirs in zip(ds.atoms, frames, strict=True):
            assert sorted(ours.numbers) == sorted(theirs.numbers)
            np.testing.assert_allclose(ours.cell.cellpar(), theirs.cell.cellpar(), rtol=1e-4)


def test_a_database_is_read_only_where_it_makes_sense(tmp_path):
    good = write_crystals(".json", tmp_path, changed(STRUCTURES["plain"]), [1.0, 2.0, 3.0])
    for n, change in enumerate(
        [
            {"energy": [1, 2]}, {"energy": "a"}, {"numbers": [29.5, 17]}, {"numbers": [29]},
            {"numbers": [10**30, 1]}, {"pbc": [1, 1]}, {"cell": "a"},
            {"constraints": [{"name": "Nope", "kwargs": {}}]}, {"key_value_pairs": [1]},
            {"positions": None}, {"positions": [[0, 0], [1, 1]]}, {"numbers": None},
        ]
    ):  # fmt: skip
        content = json.loads(good.read_text())
        content["1"] = {k: v for k, v in (content["1"] | change).items() if v is not None}
        path = tmp_path / f"changed{n}.json"
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=r"changed\d+.json") as caught:
            load_dataset(path, targets=["y"])
        assert refused(caught.value, "changed"), change
    (tmp_path / "empty.db").write_bytes(b"")
    with pytest.raises(ValueError, match="empty.db' holds no structures"):
        load_dataset(tmp_path / "empty.db", targets=["y"])
    assert (tmp_path / "empty.db").stat().st_size == 0


TABLES = {
    "id,y\nNA,1\nnull,2\n": [1, 2],
    "id,y\r\n NA , 1\r\nnull,2\r\n": [1, 2],
    "y, id\n1,NA\n2,null\n": [1, 2],
    "id,y\nNA,1,\nnull,2,\n": "more fields than its header",
    "id,y,y\nNA,1,3\nnull,2,4\n": "column 'y' stands there twice",
    "id,id,y\nNA,null,1\nnull,NA,2\n": "column 'id' stands there twice",
    "y,id\n0,1,NA\n1,2,null\n": "more fields than its header",
    "y,id\na,1,NA\nb,2,null\n": "more fields than its header",
    ",id,y\n0,NA,1\n1,null,2\n": "column 1 has no name",
    "id,y\nNA,1\nNA,2\n": "ids repeat: 'NA'",
    "id,y\nNA,1\n,2\n": "no file .*.cif', which properties.csv names",
}


@pytest.mark.parametrize("text", TABLES)
def test_tables_of_cif_folders(tmp_path, text):
    for name, atoms in zip(["NA", "null"], CRYSTALS, strict=False):
        ase.io.write(tmp_path / f"{name}.cif", atoms)
    (tmp_path / "properties.csv").write_bytes(text.encode())
    if isinstance(TABLES[text], str):
        with pytest.raises((ValueError, OSError), match=TABLES[text]):
            load_dataset(tmp_path, targets=["y"])
        return
    ds = load_dataset(tmp_path, targets=["y"])
    assert ds.ids.tolist() == ["NA", "null"]
    assert ds.formulas.tolist() == ["ClNa", "Cu"]
    assert ds.targets["y"].tolist() == TABLES[text]


FRAMES = [ase.Atoms("H", info={"a": 1.0, "b": 3.0}), ase.Atoms("He", info={"a": 2.0, "b": 4.0})]
CHOSEN = {
    "list": ["b", "a"], "tuple": ("b", "a"), "array": np.array(["b", "a"]),
    "series": pd.Series(["b", "a"]), "index": pd.Index(["b", "a"]), "keys": {"b": 0, "a": 0},
    "one": "a", "set": {"a", "b"}, "nested": [["b", "a"]], "numbers": [1, 0], "none": None,
    "empty": [], "twice": ["a", "a"], "bytes": [b"b", b"a"], "a number": 3, "gap": ["b", None],
    "no such": ["b", "c"],
}  # fmt: skip
OPTIONS = {
    "units": [None, {"a": "eV"}, {"c": "eV"}, ["eV"], "eV", 3],
    "n": [None, 2, np.int64(2), 2.0, "2", True, 0, 3],
    "seed": [0, 1, -1, "0", 1.5, None],
    "at_most": [None, 5, 2.0, "2", 0],
    "max_atoms": [None, 1, 0, 1.5, "1"],
    "missing": ["raise", "drop", "no", None, ["drop"]],
    "split": ["probe", "train", None],
}


@settings(max_examples=100)
@given(
    st.sampled_from([*CHOSEN] + 6 * ["list"]),
    st.fixed_dictionaries({k: st.sampled_from(v + 6 * v[:1]) for k, v in OPTIONS.items()}),
)
def test_options_of_load_dataset(tmp_path_factory, chosen, options):
    path = tmp_path_factory.mktemp("odd") / "mine.xyz"
    ase.io.write(path, FRAMES, format="extxyz")
    try:
        ds = load_dataset(path, targets=CHOSEN[chosen], **options)
    except (ValueError, TypeError) as error:
        assert refused(error, "mine", "targets", *OPTIONS), repr(error)  # noqa: PT017, or the same
    else:
        assert ds.targets.to_numpy().tolist() == [[3, 1], [4, 2]]
        assert ds.formulas.tolist() == ["H", "He"]
