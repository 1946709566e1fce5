"""The service of the Materials Project, played by a server on this machine.

`materials_project_answer.json` was never given by the service, which our machines do not reach: it
is what `SummaryDoc` of emmet-core 0.87.3 writes of eight crystals of ASE. Its numbers are invented.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from cpdkit import load_dataset
from cpdkit.datasets import materials_project, materials_project_live
from cpdkit.datasets.materials_project_live import _id

LIVE = "materials-project-live"
DOCUMENTS = json.loads(Path(__file__).with_name("materials_project_answer.json").read_text())[
    "data"
]


class Service:
    """What the server does: filters and pages as the API's documentation has it."""

    def __init__(self):
        self.documents, self.queries, self.fails = DOCUMENTS, [], []

    def answer(self, address, key):
        query = {name: value[0] for name, value in parse_qs(urlsplit(address).query).items()}
        self.queries.append(query)
        assert urlsplit(address).path == "/materials/summary/"
        if self.fails:
            return self.fails.pop(0)
        if key != "mine":
            return 401, {"message": "No API key found in request"}
        found = self.documents
        if "material_ids" in query:
            names = query["material_ids"].split(",")
            found = [d for d in found if _id(d["material_id"]) in names]
        if "nsites_max" in query:
            found = [d for d in found if d["nsites"] <= int(query["nsites_max"])]
        if query.get("deprecated") == "false":
            found = [d for d in found if not d["deprecated"]]
        start = int(query["_skip"])
        page = [
            {name: d[name] for name in query["_fields"].split(",")}
            for d in found[start : start + int(query["_limit"])]
        ]
        return 200, {"data": page, "meta": {"total_doc": len(found), "api_version": "0"}}


@pytest.fixture
def service(monkeypatch):
    played = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, answer = played.answer(self.path, self.headers["X-API-KEY"])
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    monkeypatch.setenv("MP_API_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("MP_API_KEY", "mine")
    monkeypatch.setattr(materials_project_live, "_PAGE", 3)
    monkeypatch.setattr(materials_project_live, "_BACKOFF", 0)
    yield played
    server.shutdown()
    server.server_close()


def test_columns_units_and_ids_are_those_of_the_snapshot(service):
    ds = load_dataset(LIVE, at_most=100)
    assert ds.units == materials_project.UNITS
    assert list(ds.targets) == list(materials_project.UNITS)
    # by number, not by letter; the last never had figures; the deprecated one is not there
    assert ds.ids.tolist() == [
        "mp-30", "mp-149", "mp-1265", "mp-2133", "mp-10695", "mp-22862", "mp-aafqvwpa",
    ]  # fmt: skip
    row = ds.targets.loc[ds.ids == "mp-22862"].iloc[0]
    assert (row["formation_energy_per_atom"], row["band_gap"]) == (-2.1, 5.0)
    assert np.isnan(ds.targets["band_gap"][3])
    assert ds.info["fermi_energy"][0] == 7.1
    assert len(ds) == 7
    assert ds.formulas[[0, 5]].tolist() == ["Cu", "ClNa"]
    volume = np.array([a.get_volume() / len(a) for a in ds.atoms])
    assert np.allclose(volume, ds.targets["volume_per_atom"])
    mass = np.array([a.get_masses().mean() for a in ds.atoms])
    assert np.allclose(1.66053907 * mass / volume, ds.targets["density"], rtol=2e-3)


def test_structures_are_those_of_pymatgen(service):
    core = pytest.importorskip("pymatgen.core")
    ds = load_dataset(LIVE, at_most=100)
    for name, ours in zip(ds.ids, ds.atoms, strict=True):
        (stored,) = [d["structure"] for d in DOCUMENTS if _id(d["material_id"]) == name]
        theirs = core.Structure.from_dict(stored)
        assert ours.pbc.all()
        assert np.allclose(ours.cell.array, theirs.lattice.matrix)
        assert np.allclose(ours.positions, theirs.cart_coords)
        assert ours.numbers.tolist() == [site.specie.Z for site in theirs]


def test_a_seed_draws_the_same_whatever_the_order_of_the_answer(service):
    one = load_dataset(LIVE, n=4, seed=1)
    service.documents = DOCUMENTS[::-1]
    assert one.fingerprint == load_dataset(LIVE, n=4, seed=1).fingerprint
    assert one.ids.tolist() != load_dataset(LIVE, n=4, seed=2).ids.tolist()
    everything = load_dataset(LIVE, at_most=99)
    assert everything.sample(4, seed=1).ids.tolist() == one.ids.tolist()


def test_only_what_is_drawn_is_fetched(service):
    load_dataset(LIVE, n=2, seed=0)
    *listing, last = service.queries
    assert len(listing) == 3  # pages of three
    assert {q["batch_id_not_eq"] for q in listing} == {"gnome_r2scan_statics"}
    assert not any("structure" in q["_fields"] for q in listing)
    assert len(last["material_ids"].split(",")) == 2


def test_what_is_left_out_is_left_out_before_the_draw(service):
    small = load_dataset(LIVE, at_most=9, max_atoms=2, elements=["Na", "Cl", "Mg", "O", "Ti"])
    assert small.formulas.tolist() == ["MgO", "ClNa"]
    assert len(load_dataset(LIVE, n=6, missing="drop")) == 6
    with pytest.raises(ValueError, match="are NaN or infinite in some.*'band_gap': 1"):
        load_dataset(LIVE, n=7, targets=["band_gap"])
    with pytest.raises(ValueError, match="n=7 structures asked for.*has 6"):
        load_dataset(LIVE, n=7, targets=["band_gap"], missing="drop")
    for documents in (DOCUMENTS, []):
        service.documents = documents
        with pytest.raises(ValueError, match="no crystal of .* is left by"):
            load_dataset(LIVE, n=1, elements=["H"])


def test_nothing_is_asked_where_the_call_is_wrong(service, monkeypatch):
    for options, said in [
        ({}, "say with n= or at_most="),
        ({"n": 2, "split": "probe2"}, "has no splits"),
        ({"n": 0}, "n=0 must be a whole number"),
        ({"n": 2, "targets": ["gap"]}, "unknown target.*did you mean 'band_gap'"),
        ({"n": 2, "elements": ["Xx"]}, "'Xx' is no symbol"),
        ({"n": 2, "elements": "Li"}, r"must be a list of symbols"),
        ({"n": 2, "units": {"band_gap": "Ry"}}, "units are those of"),
    ]:
        with pytest.raises(ValueError, match=said):
            load_dataset(LIVE, **options)
    monkeypatch.delenv("MP_API_KEY")
    with pytest.raises(ValueError, match="log in at https://materialsproject.org/api.*MP_API_KEY"):
        load_dataset(LIVE, n=2)
    assert not service.queries


def test_what_goes_wrong_is_said(service, monkeypatch):
    service.fails = [(429, {}), (502, {})]  # is asked again
    assert len(load_dataset(LIVE, n=2)) == 2
    for fails, error, said in [
        ((500, {"detail": "down"}), OSError, "answers 500: .*down"),
        ((200, b"<html>"), ValueError, "answers what is not understood: <html>"),
        ((200, {"data": [], "meta": {"total_doc": 5}}), ValueError, "gave 0 of 5"),
        ((200, {"data": [{}], "meta": {"total_doc": 1}}), ValueError, "without .*'material_id'"),
    ]:
        service.fails = [fails]
        with pytest.raises(error, match=said):
            load_dataset(LIVE, n=2)
    disordered = json.loads(json.dumps(DOCUMENTS[0]))
    disordered["structure"]["sites"][0]["species"][0]["occu"] = 0.5
    service.documents = [disordered]
    with pytest.raises(ValueError, match="'mp-30' is not understood: .*partly occupied"):
        load_dataset(LIVE, n=1)
    monkeypatch.setenv("MP_API_KEY", "stolen")
    with pytest.raises(ValueError, match="refuses the key in MP_API_KEY .401") as caught:
        load_dataset(LIVE, n=1)
    assert "stolen" not in str(caught.value)
    monkeypatch.setenv("MP_API_ENDPOINT", "http://127.0.0.1:9/")
    with pytest.raises(OSError, match="cannot be reached") as caught:
        load_dataset(LIVE, n=1)
    assert "stolen" not in str(caught.value)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d["formula_pretty"])
def test_the_answer_fits_the_schema(document):
    summary = pytest.importorskip("emmet.core.summary")  # in no extra of ours
    known = summary.SummaryDoc.model_validate({**document, "last_updated": "2026-01-01T00:00:00"})
    assert known.model_dump(mode="json")["material_id"] == document["material_id"]
    fields = {"nsites", "volume", "density", *materials_project_live._NUMBERS}
    assert fields <= set(summary.SummaryDoc.model_fields)


def test_ids_in_letters_are_those_of_emmet():
    mpid = pytest.importorskip("emmet.core.mpid")
    for number in (1, 149, 3_347_529, 3_347_530, 67_102_854):
        given = str(mpid.AlphaID(number, prefix="mp", padlen=8))
        figures = mpid.AlphaID(number, prefix="mp").string
        assert _id(given) == (figures if number <= 3_347_529 else given)


def test_only_these_elements_of_any_data_set():
    ds = load_dataset("prototypes", elements=["Na", "Cl", "K"])
    assert set(ds.formulas) == {"ClNa", "ClK"}
    every = load_dataset("prototypes")
    assert len(ds) == np.isin(every.formulas, ["ClNa", "ClK"]).sum()
    with pytest.raises(ValueError, match="made of these elements alone"):
        load_dataset("xtb9", elements=["Na"])
