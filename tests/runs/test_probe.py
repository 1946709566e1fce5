"""`cpdkit probe` gives the scores of `cpd`, warns where they mislead, and answers odd files."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from toy import planted

import cpdkit
from cpdkit._messages import WrongCall
from cpdkit.cli import main
from cpdkit.datasets import arrays as module
from cpdkit.datasets import canonical_formulas
from cpdkit.datasets.arrays import Arrays, read_arrays
from cpdkit.runs.probe import Findings, probe_arrays, shown

DATA = planted()
COUNTS = cpdkit.composition.composition_matrix(DATA.formulas)
TARGETS = pd.DataFrame({"gap": DATA.y, "mu": 1.0 - 2.0 * DATA.X[:, 0]})
GOOD = Arrays(DATA.X, TARGETS, formulas=DATA.formulas)


def table() -> pd.DataFrame:
    features = pd.DataFrame(DATA.X).add_prefix("feature_")
    return pd.concat([pd.Series(DATA.formulas, name="formula"), features, TARGETS], axis=1)


def write_npz(path: Path) -> list[str]:
    np.savez(path / "a.npz", features=DATA.X, formulas=DATA.formulas, **TARGETS)
    return ["a.npz"]


def write_npz_of_matrices(path: Path) -> list[str]:
    np.savez_compressed(
        path / "a.npz", features=DATA.X, formulas=DATA.formulas.astype("S"),
        composition=COUNTS.astype(np.int8), targets=TARGETS, target_names=list(TARGETS),
    )  # fmt: skip
    return ["a.npz"]


def write_csv(path: Path) -> list[str]:
    table().to_csv(path / "a.csv", index=False)
    return ["a.csv"]


def write_csv_of_composition(path: Path) -> list[str]:
    counts = pd.DataFrame(COUNTS, columns=["H", "C", "O"]).add_prefix("composition_")
    pd.concat([table(), counts], axis=1).to_csv(path / "a.csv", index=False)
    return ["a.csv"]


def write_parquet(path: Path) -> list[str]:
    pytest.importorskip("pyarrow")
    table().to_parquet(path / "a.parquet")
    return ["a.parquet"]


def write_hdf5(path: Path) -> list[str]:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path / "a.h5", "w") as file:
        file["features"] = DATA.X
        file["formulas"] = DATA.formulas.tolist()
        for name in TARGETS:
            file[name] = TARGETS[name]
    return ["a.h5"]


def write_npy(path: Path) -> list[str]:
    np.save(path / "a.npy", DATA.X)
    (path / "f.txt").write_text("\n".join(DATA.formulas) + "\n")
    TARGETS.to_csv(path / "t.csv", index=False)
    return ["a.npy", "--formulas", "f.txt", "--targets", "t.csv"]


def write_npy_alone(path: Path) -> list[str]:
    np.save(path / "a.npy", DATA.X)
    np.save(path / "f.npy", DATA.formulas)
    np.savez(path / "t.npz", targets=TARGETS, target_names=list(TARGETS))
    return ["a.npy", "--formulas", "f.npy", "--targets", "t.npz"]


WRITERS: list[Callable[[Path], list[str]]] = [
    write_npz, write_npz_of_matrices, write_csv, write_csv_of_composition, write_parquet,
    write_hdf5, write_npy, write_npy_alone,
]  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__[6:])
@pytest.mark.parametrize("folds", ["random", "formula"])
def test_every_format_gives_the_scores_of_cpd(
    write: Callable[[Path], list[str]], folds: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"folds": folds, "repeats": 2, "seed": 3}
    expected = cpdkit.cpd(DATA.X, DATA.formulas, TARGETS, **options)
    command = ["probe", *write(here), "--folds", folds, "--repeats", "2", "--seed", "3"]
    assert main([*command, "--json", "-o", "out"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = pd.DataFrame(told["scores"])[list(expected)]
    for column in ("target", "score", "note"):
        assert found[column].tolist() == expected[column].tolist()
    for column in ("mean", "low", "high"):
        np.testing.assert_allclose(found[column].astype(float), expected[column], atol=1e-9)
    assert told["settings"] == expected.attrs
    assert told["warnings"] == []
    assert list(told["sentences"]) == ["gap", "mu"]
    kept = pd.read_csv("out/scores.csv", keep_default_na=False)
    assert kept.columns.tolist() == ["target", "score", "mean", "low", "high", "note"]
    np.testing.assert_allclose(kept["mean"], found["mean"].astype(float), rtol=1e-12)
    assert Path("out/scores.svg").read_text().count("<svg ") == 1
    assert len(list(Path("out").iterdir())) == 2


def test_text_says_table_sentences_and_files(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", *write_npz(here), "--targets", "mu", "-o", "out"]) == 0
    said = capsys.readouterr().out
    expected = cpdkit.cpd(DATA.X, DATA.formulas, TARGETS[["mu"]]).set_index("score")
    assert said.startswith("400 rows, 12 features, 58 formulas; 5 random folds, probe ridge")
    assert f"share of what composition leaves  {expected.loc['r2_partial', 'mean']:.2f}" in said
    assert "\nmu: composition alone explains " in said
    assert "gap" not in said
    assert "Warning" not in said
    assert said.endswith("out/scores.csv\nout/scores.svg\n")


def test_the_figure_is_the_same_each_time(here: Path) -> None:
    command = ["probe", *write_npz(here)]
    assert main([*command, "-o", "a"]) == main([*command, "-o", "b"]) == 0
    assert Path("a/scores.svg").read_bytes() == Path("b/scores.svg").read_bytes()


def test_help_shows_a_file_that_works(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["probe", "--help"])
    assert stop.value.code == 0
    lines = capsys.readouterr().out.partition("To write one:\n\n")[2].split("\n\n")[0].splitlines()
    code = dedent("\n".join(lines)).replace('["CH4", "C2H6O", ...]', "given")
    assert len(lines) == 4
    exec(code, {"given": list(DATA.formulas), "X": DATA.X, "y": DATA.y})
    assert main(["probe", "arrays.npz"]) == 0


def test_neither_torch_nor_matplotlib_is_loaded(here: Path) -> None:
    code = (
        f"import sys; from cpdkit.cli import main; main({['probe', *write_npz(here)]})\n"
        "print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"


def few_rows() -> Findings:
    data = planted(n=60, noise=0.0)
    return probe_arrays(Arrays(data.X, pd.DataFrame({"y": data.y}), formulas=data.formulas))


def few_formulas() -> Findings:
    kept = np.isin(DATA.formulas, np.unique(DATA.formulas)[:9])
    few = np.flatnonzero(kept)[np.arange(300) % kept.sum()]
    X = DATA.X[few] + np.random.default_rng(0).normal(size=(300, 12))
    return probe_arrays(
        Arrays(X, pd.DataFrame({"y": X @ np.ones(12)}), formulas=DATA.formulas[few])
    )


def wide() -> Findings:
    data = planted(n=120, noise=3.0)
    return probe_arrays(Arrays(data.X, pd.DataFrame({"y": data.y}), composition=data.C))


def crossing() -> Findings:
    """A target linear in composition, read by neighbours from squares of composition."""
    X = np.hstack([DATA.C, DATA.C**2])
    y = DATA.C @ [1.0, -0.5, 0.2] + 0.1 * np.random.default_rng(0).normal(size=400)
    return probe_arrays(Arrays(X, pd.DataFrame({"y": y}), composition=DATA.C), probe="knn")


def too_many_columns() -> Findings:
    C = np.hstack([DATA.C, np.random.default_rng(0).normal(size=(400, 40))])
    return probe_arrays(Arrays(DATA.X, TARGETS, composition=C))


def leaking() -> Findings:
    """Fractions leave the size of a structure in features that hold counts."""
    fractions = COUNTS / COUNTS.sum(axis=1, keepdims=True)
    return probe_arrays(Arrays(DATA.X, TARGETS, composition=fractions, formulas=DATA.formulas))


@pytest.mark.parametrize(
    ("make", "begins"),
    [
        (few_rows, "too few rows: 60"),
        (few_formulas, "few distinct formulas: 9."),
        (wide, "y: wide interval."),
        (crossing, "y: above the ceiling."),
        (too_many_columns, "more composition columns than the rows carry: 43 "),
        (leaking, "composition in another form is left in the features"),
    ],
)
def test_each_warning_comes_where_it_is_due(make: Callable[[], Findings], begins: str) -> None:
    found = make()
    assert sum(text.startswith(begins) for text in found.warnings) == 1, found.warnings
    assert f"Warning: {begins}" in shown(found)
    assert not any(text.startswith(begins[:10]) for text in probe_arrays(GOOD).warnings)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("folds", ["random", "formula"])
def test_good_data_bring_no_warning(seed: int, folds: str) -> None:
    data = planted(n=600, seed=seed)
    good = Arrays(data.X, pd.DataFrame({"y": data.y}), formulas=data.formulas)
    assert probe_arrays(good, folds=folds).warnings == []
    with_matrix = Arrays(data.X, good.targets, composition=data.C)
    assert probe_arrays(with_matrix).warnings == []


def test_redundant_columns_are_no_reason_to_warn() -> None:
    C = np.tile(DATA.C, 40)
    assert probe_arrays(Arrays(DATA.X, TARGETS, composition=C)).warnings == []


def test_sentences_say_what_is_so() -> None:
    noise = np.random.default_rng(1).normal(size=(400, 3))
    targets = pd.DataFrame(
        {"both": DATA.y, "decided": DATA.C[:, 0], "chance": noise[:, 0] + DATA.C[:, 1]}
    )
    said = probe_arrays(Arrays(DATA.X, targets, composition=DATA.C)).sentences
    scores = cpdkit.cpd(DATA.X, DATA.C, DATA.y).set_index("score")["mean"]
    assert f"alone explains {100 * scores.r2_comp:.1f}% of it" in said["both"]
    assert f"the features explain {100 * scores.r2_partial:.1f}% (" in said["both"]
    assert said["decided"].endswith("leaves nothing for the features to explain.")
    assert "explain any of the rest is not shown: " in said["chance"]
    nothing = probe_arrays(Arrays(DATA.X, pd.DataFrame({"y": noise[:, 0]}), composition=DATA.C))
    assert "composition alone explains nothing of it" in nothing.sentences["y"]


def test_groups_of_any_name_and_ids_are_used() -> None:
    molecules = np.array([f"molecule {i % 80}" for i in range(400)])
    ids = np.arange(400)[::-1]
    given = Arrays(
        DATA.X, TARGETS, composition=DATA.C, formulas=DATA.formulas, groups=molecules, ids=ids
    )
    for folds in ("random", "formula"):
        expected = cpdkit.cpd(
            DATA.X, DATA.C, TARGETS, groups=molecules, ids=ids, folds=folds, leak=False
        )
        pd.testing.assert_frame_equal(probe_arrays(given, folds=folds).table, expected)


def test_text_of_tables_stays_as_it_is(here: Path) -> None:
    rows = ["id,formula,feature_0,gap", "007, NaN,1,1", "08,H2O,2,", '"a,b",(CH3)2O,3,2e-3']
    (here / "a.csv").write_text("\ufeff" + "\n".join(rows) + "\n", encoding="utf-8")
    found = read_arrays(here / "a.csv")
    assert found.ids is not None
    assert found.formulas is not None
    assert found.ids.tolist() == ["007", "08", "a,b"]
    assert canonical_formulas(found.formulas).tolist() == ["NNa", "H2O", "C2H6O"]
    np.testing.assert_array_equal(found.targets["gap"], [1.0, np.nan, 0.002])


def save(path: Path, **changes: object) -> None:
    given = {"features": DATA.X, "formulas": DATA.formulas, "gap": DATA.y}
    np.savez(path, **{k: v for k, v in (given | changes).items() if v is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": None, "X": DATA.X}, "holds no 'features', but 'formulas', 'gap', 'X'"),
        ({"formulas": None}, "neither 'composition' nor 'formulas'"),
        ({"gap": None}, "no target among 'features', 'formulas'"),
        ({"formulas": np.array(list(DATA.formulas), dtype=object)},
         "'formulas' in 'a.npz' holds Python objects, which are never unpickled; save text as "
         "np.array(values, dtype=str)"),
        ({"formulas": DATA.formulas[:-1]}, "'formulas' has shape (399,), but there are 400 rows"),
        ({"formulas": np.arange(400)}, "'formulas' holds int64, where text is expected"),
        ({"formulas": np.array([*DATA.formulas[:-1], "Xy2"])}, "'Xy2' is no chemical formula"),
        ({"formulas": DATA.formulas[:, None]}, "'formulas' has shape (400, 1)"),
        ({"gap": DATA.y[:-1]}, "'gap' has shape (399,)"),
        ({"xyz": np.ones((400, 3))}, "'xyz' has shape (400, 3), expected (400,). If it is no"),
        ({"smiles": DATA.formulas}, "'smiles' holds <U6, where an array of real numbers"),
        ({"gap": DATA.y + 0j}, "'gap' holds complex128"),
        ({"gap": 3.0}, "'gap' holds a single float64"),
        ({"features": DATA.X[:, 0]}, "features have shape (400,)"),
        ({"gap": np.full(400, np.nan)}, "target 'gap' is NaN or infinite in 400 of 400 rows"),
        ({"targets": TARGETS}, None),
        ({"targets": TARGETS, "target_names": ["a"]}, "(400, 2) and 1 names"),
        ({"targets": TARGETS, "target_names": ["gap", "mu"]}, "'gap' stands there twice"),
        ({"composition": np.ones((400, 2))}, "one formula only"),
    ],
)  # fmt: skip
def test_odd_archives_are_answered(
    changes: dict, message: str | None, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(here / "a.npz", **changes)
    assert main(["probe", "a.npz"]) == (1 if message else 0)
    said = capsys.readouterr().err
    assert (message or "") in said
    assert said.count("\n") == (1 if message else 0)


def test_what_is_not_named_does_not_matter(here: Path) -> None:
    save(here / "a.npz", smiles=DATA.formulas, notes=np.array([{}], dtype=object), xyz=np.ones(3))
    assert main(["probe", "a.npz", "--targets", "gap"]) == 0


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "cannot be read: "),
        ("formula,feature_0,gap\nCH4,1,2\nCH4,1,2,3,4\n", "cannot be read: "),
        ("formula,feature_0,gap\nCH4,1,2,9\nH2,1,2,9\n", "more fields than its header"),
        ("formula,feature_0,gap,gap\nCH4,1,2,3\n", "the column 'gap' stands there twice"),
        ("formula,feature_0,gap\nCH4,1,2\nH2,abc,2\n", "'feature_0' holds 'abc' in row 1"),
        ("formula,feature_0,smiles\nCH4,1,C\n", "'smiles' holds 'C' in row 0"),
        ("formula;feature_0;gap\nCH4;1;2\n", "holds no 'features', but 'formula;feature_0;gap'"),
        ("formula,feature_0,gap,features\nCH4,1,2,3\n", "the column 'features' has no place"),
        ("formula,feature_0,gap\n,1,2\n", "'' is no chemical formula"),
        ("formula,feature_0,gap\nCH4,1,2\n", "1 rows cannot fill 5 folds"),
    ],
)
def test_odd_tables_are_answered(
    lines: str, message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "a.csv").write_text(lines)
    assert main(["probe", "a.csv"]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


@pytest.mark.parametrize("ending", [".npz", ".npy", ".csv", ".parquet", ".h5"])
@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04K\x01.", b"PK\x03\x04" + bytes(60), b"\xff\x00"]
)
def test_other_files_are_answered(
    ending: str, content: bytes, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / f"a{ending}").write_bytes(content)
    assert main(["probe", f"a{ending}"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("cpdkit: 'a")
    assert "Traceback" not in said


@pytest.mark.parametrize("write", WRITERS[:7:2], ids=lambda write: write.__name__[6:])
def test_a_cut_file_is_answered(
    write: Callable[[Path], list[str]], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = write(here)
    whole = Path(command[0]).read_bytes()
    for share in (0.3, 0.9):
        Path(command[0]).write_bytes(whole[: int(share * len(whole))])
        assert main(["probe", *command]) in (0, 1)  # a table that is cut between lines is whole
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("write", WRITERS[:7], ids=lambda write: write.__name__[6:])
def test_no_more_is_read_than_the_bound(
    write: Callable[[Path], list[str]],
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "LARGEST", 8000)
    assert main(["probe", *write(here)]) == 1
    assert "at most 8,000 are read" in capsys.readouterr().err


def test_an_archive_that_swells_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile("a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("features.npy", bytes(10**6))
    data = bytearray(Path("a.npz").read_bytes())
    at = data.index(b"PK\x01\x02") + 24  # the size that the directory states
    data[at : at + 4] = (2**32 - 2).to_bytes(4, "little")
    Path("a.npz").write_bytes(data)
    monkeypatch.setattr(module, "LARGEST", 2**31)
    assert main(["probe", "a.npz"]) == 1
    assert "unpacks to 4,294,967,294 bytes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.npz"], "there is no file 'absent.npz'"),
        (["a.pkl"], "ends in none of .npz, .csv"),
        ([".."], "ends in none of"),
        (["a.npz", "--targets", "gapp"], "did you mean 'gap'"),
        (["a.npz", "--formulas", "absent.txt"], "there is no file 'absent.txt'"),
        (["a.npz", "--formulas", "f.txt"], "'formulas' stands in 'a.npz' and in 'f.txt'"),
        (["c.npz", "--folds", "formula"], "need the array 'formulas' or 'groups'"),
        (["a.npz", "--folds", "formulas"], "unknown value 'formulas'; did you mean 'formula'"),
        (["a.npz", "--repeats", "0"], "no whole number from 1"),
        (["a.npz", "--n-folds", "2"], "no whole number from 3"),
        (["a.npz", "--probe", "forest"], "unknown value 'forest'"),
        ([], "required: FILE"),
    ],
)
def test_a_wrong_call_ends_with_status_2(
    arguments: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(here / "a.npz")
    save(here / "c.npz", formulas=None, composition=DATA.C)
    (here / "f.txt").write_text("\n".join(DATA.formulas))
    try:
        status = main(["probe", *arguments])
    except SystemExit as stop:
        status = int(stop.code or 0)
    assert status == 2
    assert message in capsys.readouterr().err


def test_a_library_that_lacks_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "a.h5").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(RuntimeError, match="pip install h5py"):
        read_arrays(here / "a.h5")
    with pytest.raises(WrongCall):
        read_arrays(here / "b.h5")
