"""Interactive charts show what is recorded, ask the network for nothing, say what they are."""

from __future__ import annotations

import io
import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from charts import CHARTS, KINDS, PROBES, RECORDS, SCORES, SLIDERS, gradient_table, ladder_table
from paths import ROOT

from cpdkit.experiments.labels import label
from tools import playground

NUMBERS = ["mean", "low", "high"]


@pytest.fixture(scope="module", params=list(CHARTS))
def spec(request: pytest.FixtureRequest) -> dict:
    return CHARTS[request.param]()


@pytest.fixture(scope="module")
def grid() -> pd.DataFrame:
    return pd.read_csv(playground.PATH)


def held_by(spec: dict) -> pd.DataFrame:
    (values,) = spec["datasets"].values()
    return pd.read_csv(io.StringIO(values))


def recorded(dataset: str, name: str) -> pd.DataFrame:
    notebook = RECORDS[dataset][0]
    file = f"{notebook[:2]}_{name}.csv"
    return pd.read_csv(ROOT / "cpdkit/recorded_data" / notebook / dataset / file)


@pytest.mark.parametrize("dataset", list(RECORDS))
def test_the_gradient_is_the_recorded_one(dataset: str) -> None:
    raw = recorded(dataset, "gradient").query("protocol == 'sound' and depth == 1")
    raw = raw[raw["score"].isin(list(SCORES)) & raw["mean"].notna()]
    drawn = gradient_table().query("dataset == @dataset")
    assert len(drawn) == len(raw) > 50
    assert drawn["representation"].tolist() == raw["encoder"].map(label).tolist()
    for column in ["target", "score", *NUMBERS]:
        assert drawn[column].tolist() == raw[column].tolist(), column
    manifest = ROOT / "cpdkit/recorded_data" / RECORDS[dataset][0] / dataset / "manifest.json"
    asked = json.loads(manifest.read_text())["parameters"]
    assert set(drawn["structures"]) == {asked["n_structures"]}


@pytest.mark.parametrize("dataset", list(RECORDS))
def test_the_ladder_is_the_recorded_one(dataset: str) -> None:
    raw = recorded(dataset, "ladder").query("score == 'r2_partial'").dropna(subset=["mean"])
    drawn = ladder_table().query("dataset == @dataset")
    assert drawn[NUMBERS].to_numpy().tolist() == raw[NUMBERS].to_numpy().tolist()
    rungs = drawn.sort_values("rung", kind="stable")["removed"].drop_duplicates()
    assert rungs.tolist() == [label(name) for name in raw["removed"].drop_duplicates()]


def test_kinds_are_told_apart_by_target() -> None:
    table = gradient_table().query("dataset == 'xtb9'").set_index(["representation", "target"])
    kinds = table["kind"].groupby(level=[0, 1]).first()
    saw, other, untrained, descriptor, null = KINDS
    assert kinds["SO3LR", "mu"] == saw != kinds["SO3LR", "gap"] == other
    assert kinds["SOAP descriptor", "gap"] == descriptor
    assert kinds["PaiNN, untrained", "mu"] == untrained
    assert kinds["random features", "mu"] == null
    trained = table["trained"]["PaiNN, trained on energies", "gap"].iloc[0]
    assert trained == "xtb9/train: 20,500 molecules, atomization energy in eV, epochs: 10"


def test_what_is_written_holds_the_data_and_no_address(spec: dict) -> None:
    assert "//" not in json.dumps(spec)
    held = held_by(spec)
    of = {"removed": ladder_table, "score": gradient_table}
    table = next((of[c]() for c in of if c in held), None)
    expected = pd.read_csv(playground.PATH) if table is None else table
    assert len(held) == len(expected)
    numbers = expected.select_dtypes("number").columns
    assert np.allclose(held[numbers], expected[numbers], rtol=1e-3, equal_nan=True)


def test_every_choice_has_a_name_and_something_to_show(spec: dict) -> None:
    chosen = [param for param in spec["params"] if "bind" in param]
    assert len(chosen) >= 3
    assert all(
        param["bind"]["name"].strip() and "_" not in param["bind"]["name"] for param in chosen
    )
    held = held_by(spec)
    for name, of in spec.get("usermeta", {}).items():
        options = next(p["bind"]["options"] for p in chosen if p["name"] == name)
        assert set(options) == set().union(*of.values())
        for dataset, known in of.items():
            assert set(held.loc[held["dataset"] == dataset, name]) == set(known)


def test_the_grid_is_small_complete_and_what_the_sliders_reach(grid: pd.DataFrame) -> None:
    assert playground.PATH.stat().st_size <= 300_000
    rows = grid[["curvature", "share", "rare", "rows", "probe", "penalty"]].fillna(0)
    settings = product(*(set(rows[name]) for name in rows.columns[:4]))
    asked = [("chosen", 0), *product(["floor", "plain"], playground.PENALTIES)]
    expected = sorted((*place, *how) for place, how in product(settings, asked))
    assert sorted(rows.itertuples(index=False, name=None)) == expected
    assert set(grid["probe"]) == set(PROBES)
    for param in CHARTS["playground"]()["params"]:
        bind = param["bind"]
        if bind["input"] == "range":
            steps = np.arange(bind["min"], bind["max"] + bind["step"] / 2, bind["step"])
            assert np.allclose(steps, sorted(set(grid[param["name"]].dropna())))
            assert np.isclose(steps, param["value"]).any()


@pytest.mark.parametrize(
    ("probe", "penalty", "rare"),
    [("chosen", None, 10), ("floor", -2, 20), ("plain", 0, 0), ("plain", 0, 10)],
)
def test_rows_of_the_grid_come_out_again(
    grid: pd.DataFrame, probe: str, penalty: float | None, rare: int
) -> None:
    again = playground.scores(100, rare, probe, penalty)
    same = (grid["probe"] == probe) & (grid["rare"] == rare) & (grid["rows"] == 100)
    stored = grid[same & (grid["penalty"].eq(penalty) | (penalty is None))].reset_index(drop=True)
    numbers = [name for name in grid if name.startswith(("r2_", "planted"))]
    assert len(stored) == len(again) == 25
    assert np.allclose(again[numbers], stored[numbers], rtol=0.01, atol=0.005)


def test_what_the_playground_says_to_try_happens(grid: pd.DataFrame) -> None:
    def at(**other: object) -> pd.Series:
        where = {"curvature": 0, "share": 0.4, "rare": 0, "rows": 400, "probe": "chosen"} | other
        found = grid[np.all([grid[name] == value for name, value in where.items()], axis=0)]
        assert len(found) == 1
        return found.iloc[0]

    assert abs(at()["r2_geom_mean"] - 0.4) < 0.05
    assert abs(at()["r2_partial_mean"] - at()["planted"]) < 0.05
    curved = at(curvature=0.25, share=0.0)
    assert curved["planted"] == 0 < 0.05 < min(curved["r2_geom_low"], curved["r2_partial_low"])
    much, little = at(share=0.8), at(share=0.2)
    lost = {s: much[f"{s}_mean"] - little[f"{s}_mean"] for s in ("r2_geom", "r2_partial")}
    assert lost["r2_geom"] > 2 * lost["r2_partial"] > 0
    plain = at(rare=20, probe="plain", penalty=-2)
    assert max(plain["r2_geom_mean"], plain["r2_partial_mean"]) < -1000
    assert at(rare=20)["r2_partial_mean"] > 0.7
    floor = {p: at(probe="floor", rows=100, penalty=p)["r2_partial_mean"] for p in (-6, 0, 2)}
    assert max(floor[-6], floor[2]) < 0.5 < floor[0]


def test_pages_name_each_slider_and_describe_each_chart() -> None:
    text = (ROOT / "book/playground.md").read_text()
    for title, _ in SLIDERS.values():
        assert f"| {title.split(' in ')[0].split(' (')[0].split(',')[0]} |" in text
    written = text + (ROOT / "book/explore.md").read_text()
    assert [name for name in CHARTS if f"```{{chart}} {name}\n:alt: " not in written] == []
