"""What is said of each encoder is so, and options in a name are those of its builder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import numpy as np
import pytest
from ase.build import molecule
from ase.data import chemical_symbols
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import cpdkit.encoders as package  # noqa: E402
from cpdkit.cli import main  # noqa: E402
from cpdkit.encoders import (  # noqa: E402
    EncoderInfo,
    ModuleEncoder,
    encoder_info,
    encoder_names,
    load_encoder,
    register_encoder,
)
from cpdkit.encoders._names import split_options  # noqa: E402
from cpdkit.extraction.extract import extract  # noqa: E402
from cpdkit.runs.parameters import parse_value  # noqa: E402

ALL = encoder_names()
LOADED = [n for n in ALL if not n.startswith(("mace-mp", "mace-off")) and n[-1] not in ":/"]
LOADED += ["zoo/painn-gap-0", "zoo/mace-energy-0@1", "zoo/visnet-untrained-0"]


@pytest.mark.parametrize("name", ALL)
def test_every_encoder_says_what_it_is(name):
    info = encoder_info(name)
    assert all([info.family, info.trained_on, info.weights, info.licence, info.extra])
    assert set(info.elements or ()) <= set(chemical_symbols[1:])
    assert (info.elements is None) == info.trained_on.startswith("nothing")
    assert len(info.lines()) == 8


@pytest.mark.parametrize("name", LOADED)
def test_what_is_said_is_so(name):
    info = encoder_info(name)
    if info.missing:
        pytest.skip(info.missing)
    encoder = load_encoder(name)
    shown = info.of(encoder)
    assert dict(info.layers) == shown.layers
    if not name.startswith("zoo/"):  # cards count what was trained, with the readout
        assert info.parameters == shown.parameters
    if info.elements is None:
        assert encoder.trained_elements is None
    else:
        known = encoder.trained_elements or encoder.elements
        assert {chemical_symbols.index(symbol) for symbol in info.elements} == known
        assert encoder.elements >= known


def test_the_elements_of_chgnet_are_those_whose_embeddings_were_trained():
    encoder = load_encoder("chgnet")
    sizes = encoder.model.atom_embedding.embedding.weight.norm(dim=1).numpy()
    initial = np.sqrt(encoder.model.atom_embedding.embedding.embedding_dim)  # of N(0, 1)
    untouched = {int(z) for z in np.flatnonzero(np.abs(sizes / initial - 1) < 0.2) + 1}
    assert encoder.elements - encoder.trained_elements == untouched
    polonium = molecule("H2O")
    polonium.numbers[0] = 84
    with pytest.raises(ValueError, match="has Po, which encoder 'chgnet' never saw in training"):
        extract(encoder, polonium, progress=False)


def test_what_is_missing_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "cpdkit.encoders._info.find_spec", lambda name: None if name == "sevenn" else 1
    )
    assert encoder_info("sevennet-0").missing == "needs sevenn: pip install 'cpdkit[sevennet]'"
    monkeypatch.setenv("TORCHANI_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CPDKIT_DATA", str(tmp_path))
    assert "TORCHANI_DATA_DIR names a folder" in encoder_info("ani2x").missing
    (tmp_path / "StateDicts").mkdir()
    (tmp_path / "StateDicts" / "ani2x_state_dict.pt").write_bytes(b"")
    assert not encoder_info("ani2x").missing


def test_the_command_tells_it(capsys):
    assert main(["encoders", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in told] == ALL
    assert main(["encoders", "soap[compression=mu2]", "random", "--json"]) == 0
    soap, random = json.loads(capsys.readouterr().out)
    assert soap["layers"] == {"soap": "50x0e"}
    assert soap["here"]
    assert soap["elements"] is None
    assert random["licence"] == "BSD-3-Clause"
    assert main(["encoders", "zoo/schnet-gap-0@1"]) == 0
    assert "xtb9/train: 20,500 molecules, gap in eV, epochs: 1" in capsys.readouterr().out
    assert main(["encoders", "chgnet"]) == 0
    assert "89: H to Pu without Po At Rn Fr Ra" in capsys.readouterr().out
    assert main(["encoders", "sop"]) == 2
    assert "did you mean 'soap'?" in capsys.readouterr().err


def test_your_own_encoder_may_say_what_it_is(monkeypatch, capsys):
    monkeypatch.setattr(package, "_REGISTRY", dict(package._REGISTRY))
    monkeypatch.setattr(package, "_ABOUT", {})
    info = EncoderInfo(family="mine", trained_on="mine", weights="here", licence="mine", extra="-")
    register_encoder("mine", lambda *, width=3: load_encoder("random", width=width), info=info)
    register_encoder("silent", lambda: load_encoder("random"))
    assert encoder_info("mine", load=True).layers == {"random": "3x0e"}
    assert encoder_info("silent") is None
    assert main(["encoders", "mine[width=4]", "silent"]) == 0
    said = capsys.readouterr().out
    assert "random 4x0e" in said
    assert "one of your own" in said
    assert "random 128x0e" in said
    assert main(["encoders"]) == 0
    assert "nothing is known of it" in capsys.readouterr().out


def test_one_of_your_own_is_loaded_and_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_of_this_test.py").write_text(
        "from cpdkit import load_encoder\ndef make(*, width=7):\n"
        "    return load_encoder('random', width=width)\nnumber = 3\n"
    )
    assert main(["encoders", "mine_of_this_test:make[width=5]"]) == 0
    assert "random 5x0e" in capsys.readouterr().out
    for wrong, message in {
        "mine_of_this_test:mak": "did you mean 'make'",
        "mine_of_this_test:number": "'number' is a int; it must be a function",
        "mine_of_this_tset:make": "No module named 'mine_of_this_tset'",
        "mine_of_this_test:make[wdith=5]": "did you mean 'width'",
        "soap[n_max=6": "']' is missing",
    }.items():
        for command in (["encoders"], ["run", "gradient", "-p", "encoders"]):
            given = [*command[:-1], f"encoders={wrong}"] if len(command) > 1 else [*command, wrong]
            assert main(given) == 2
            assert message in capsys.readouterr().err


SAME = [
    ("soap[compression=mu2]", "soap", {"compression": "mu2"}),
    ("soap[elements=H C N O F]", "soap", {"elements": [1, 6, 7, 8, 9]}),
    ("soap[ elements = H 6 O,sigma=0.3 ]", "soap", {"elements": ["H", "C", 8], "sigma": 0.3}),
    ("painn-untrained[seed=3]", "painn-untrained", {"seed": 3}),
    ("mace-untrained[hidden_irreps=8x0e+8x1o,elements=H C O]", "mace-untrained",
     {"hidden_irreps": "8x0e+8x1o", "elements": [1, 6, 8]}),
    ("ani2x-aev[dtype=float64]", "ani2x-aev", {"dtype": "float64"}),
    ("zoo/painn-gap-0@1[dtype=float64]", "zoo/painn-gap-0@1", {"dtype": "float64"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "base", "options"), SAME)
def test_options_in_a_name_are_those_of_the_call(name, base, options):
    written, called = load_encoder(name), load_encoder(base, **options)
    mols = [molecule("H2O"), molecule("CH3OH")]
    a, b = (extract(encoder, mols, progress=False).values for encoder in (written, called))
    assert a.dtype == b.dtype
    assert np.array_equal(a, b)
    assert split_options(written.name) == split_options(name)  # in order, without spaces
    assert " = " not in written.name
    assert written.fingerprint != load_encoder(base).fingerprint
    assert load_encoder(written.name).fingerprint == written.fingerprint


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("soap[compresion=mu2]", TypeError, "option of encoder 'soap'.*did you mean 'compression'"),
        ("soap[n_max=four]", ValueError, "option 'n_max' of encoder 'soap': 'four' is no whole"),
        ("soap[n_max=4.5]", ValueError, "'4.5' is no whole number"),
        ("soap[cutoff=far]", ValueError, "'far' is no number"),
        ("soap[elements=H Xx]", ValueError, "unknown element 'Xx'"),
        ("soap[elements=H+C+Cl]", ValueError, "separate elements with spaces, elements=H C Cl;"),
        ("soap[elements=HCN]", ValueError, "'HCN' is no element.*elements=H C N;"),
        ("soap[mu2]", ValueError, "as key=value with commas between them.*'mu2' is none"),
        ("soap[]", ValueError, "'' is none"),
        ("soap[n_max=]", ValueError, "'n_max=' is none"),
        ("soap[n_max=4,n_max=4]", ValueError, "gives the option 'n_max' twice"),
        ("sop[n_max=4]", ValueError, "unknown encoder 'sop'; did you mean 'soap'"),
        ("ani2x-aev[member=1]", TypeError, "Known: 'allow_unseen_elements', 'dtype'"),
        ("mace:my.model[path=a]", TypeError, "unknown option of encoder 'mace:my.model': 'path'"),
        ("zoo/painn-gap-0[text=a]", TypeError, "unknown option"),
        ("soap[allow_unseen_elements=yes]", ValueError, "'yes' is neither true nor false"),
        ("mace:[dtype=float64]", ValueError, "'mace:' needs what it stands for"),
    ],
)
def test_wrong_options_are_answered(name, kind, message):
    with pytest.raises(kind, match=message):
        load_encoder(name)


def test_an_option_is_given_once():
    with pytest.raises(TypeError, match="has the option 'n_max' in its name already"):
        load_encoder("soap[n_max=4]", n_max=4)


def builder(
    *, whole: int = 1, real: float = 1.0, text: str = "", yes: bool = False,
    either: int | str | None = None, many: Sequence[int | str] = (), made: ModuleEncoder = None,
    bare=2,
):  # fmt: skip
    encoder = load_encoder("random")
    encoder.given = {
        "whole": whole,
        "real": real,
        "text": text,
        "yes": yes,
        "either": either,
        "many": many,
        "bare": bare,
    }
    return encoder


words = st.text("abcXYZ0123456789.+-@_", min_size=1)
plain = st.text("abcXYZ", min_size=1).filter(lambda text: text.lower() != "none")


@given(
    options=st.fixed_dictionaries(
        {},
        optional={
            "whole": st.integers(),
            "real": st.floats(allow_nan=False),
            "text": words,
            "yes": st.booleans(),
            "either": st.none() | st.integers() | plain,
            "many": st.lists(st.integers() | plain, min_size=1, max_size=4),
            "bare": st.integers(),
        },
    )
)
def test_values_have_the_types_of_the_signature(options):
    before = dict(package._REGISTRY)
    package._REGISTRY["typed"] = builder
    try:
        written = ",".join(
            f"{k}={' '.join(map(str, v)) if isinstance(v, list) else v}" for k, v in options.items()
        )
        encoder = load_encoder(f"typed[{written}]" if written else "typed")
    finally:
        package._REGISTRY.clear()
        package._REGISTRY.update(before)
    for key, value in options.items():
        assert encoder.given[key] == value
        assert type(encoder.given[key]) is type(value)


def test_what_cannot_be_written_is_refused(monkeypatch):
    monkeypatch.setattr(package, "_REGISTRY", package._REGISTRY | {"typed": builder})
    with pytest.raises(ValueError, match="ModuleEncoder cannot be written in a name"):
        load_encoder("typed[made=x]")
    with pytest.raises(ValueError, match="'x' is none of|brackets in the name"):
        register_encoder("mine[x]", builder)


def test_notebooks_and_the_command_line_take_such_names():
    text = "soap[elements=H C,n_max=4], ani2x-aev ,painn-untrained[seed=3,cutoff=4]"
    assert parse_value(text, list[str]) == [
        "soap[elements=H C,n_max=4]", "ani2x-aev", "painn-untrained[seed=3,cutoff=4]",
    ]  # fmt: skip


def test_files_are_not_options(tmp_path):
    with pytest.raises(FileNotFoundError, match="my.model"):
        load_encoder(f"mace:{tmp_path}{os.sep}a[1]{os.sep}my.model")
