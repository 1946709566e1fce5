"""The raw archive of QM9: a small one of the same form, served locally."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile

import numpy as np
import pytest
from ase.build import molecule

from cpdkit import load_dataset
from cpdkit.datasets.qm9 import TRAIN_UNITS, UNITS
from cpdkit.datasets.qm9_archive import Source, load_archive

NAMES = ["CH4", "NH3", "H2O", "C2H2", "CH3OH"]
EXCLUDED = 2
# The file of methane, one number of it in Mathematica's notation, which others of the archive have;
# and what the authors' readme calls the labels.
METHANE = """5
gdb 1|157.7118|157.70997|157.70699|0.|13.21|-0.3877|0.1171|0.5048|35.3641|0.044749|-40.47893|\
-40.476062|-40.475117|-40.498597|6.469|
C|-0.0126981359| 1.0858041578| 0.0080009958|-0.535689
H| 0.002150416|-0.0060313176| 0.0019761204| 0.133921
H| 1.0117308433| 1.4637511618| 2.765748*^-4| 0.133922
H|-0.540815069| 1.4475266138|-0.8766437152| 0.133923
H|-0.5238136345| 1.4379326443| 0.9063972942| 0.133923
1341.307|1341.3284|1341.365|1562.6731|1562.7453|3038.3205|3151.6034|3151.6788|3151.7078
C|C|
InChI=1S/CH4/h1H4|InChI=1S/CH4/h1H4
""".replace("|", "\t")
LABELS = {
    "A": (157.7118, "GHz"),
    "B": (157.70997, "GHz"),
    "C": (157.70699, "GHz"),
    "mu": (0.0, "D"),
    "alpha": (13.21, "Bohr^3"),
    "homo": (-0.3877, "Ha"),
    "lumo": (0.1171, "Ha"),
    "gap": (0.5048, "Ha"),
    "r2": (35.3641, "Bohr^2"),
    "zpve": (0.044749, "Ha"),
    "u0": (-40.47893, "Ha"),
    "u298": (-40.476062, "Ha"),
    "h298": (-40.475117, "Ha"),
    "g298": (-40.498597, "Ha"),
    "cv": (6.469, "cal/mol/K"),
}
TRAIN = {
    "homo": "Ha", "e_el": "Ha", "mu": "D", "gap": "Ha", "lumo": "Ha", "gap_hf": "Ha",
    "homo_hf": "Ha", "lumo_hf": "Ha", "e_mp2": "Ha",
}  # fmt: skip
HEADER = "\nList of molecules among the 133885 GDB9 molecules for which ...\n" + "=" * 40 + "\n"


def entry(index: int) -> bytes:
    """One file as the archive has them: tabs, Mathematica's exponents, frequencies, SMILES."""
    if index == 1:
        return METHANE.encode()
    atoms = molecule(NAMES[index - 1])
    labels = "\t".join(f"{index + i / 16:.4f}" for i in range(len(LABELS)))
    lines = [str(len(atoms)), f"gdb {index}\t{labels}\t"]
    for symbol, (x, y, z) in zip(atoms.symbols, atoms.positions, strict=True):
        lines.append(f"{symbol}\t{x: .10f}\t{y: .10f}\t{z:.6e}\t-0.1".replace("e-", "*^-"))
    lines += ["1341.307\t1341.3284", f"S{index}\tS{index}\t", "InChI=1S/x\tInChI=1S/x"]
    return "\n".join(lines).encode() + b"\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with tarfile.open(folder / "archive.tar.bz2", "w:bz2") as archive:
        for index in (3, 1, 2, 5, 4):
            info = tarfile.TarInfo(f"dsgdb9nsd_{index:06d}.xyz")
            data = entry(index)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    table = f"#   Index    GDB17 SMILES\n{EXCLUDED:8d}    N    N    6.0\n"
    (folder / "excluded.txt").write_text(HEADER + table)
    handler = functools.partial(QuietHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    asked: list[str] = []

    def log_message(self, *_):
        self.asked.append(self.path)


def source(served, **changes):
    folder, address = served
    hashes = {
        name: "md5:" + hashlib.md5((folder / file).read_bytes()).hexdigest()
        for name, file in {"archive": "archive.tar.bz2", "excluded": "excluded.txt"}.items()
    }
    given = {
        "archive": f"{address}/archive.tar.bz2",
        "archive_hash": hashes["archive"],
        "excluded": f"{address}/excluded.txt",
        "excluded_hash": hashes["excluded"],
    }
    return Source(**given | changes)


def test_all_but_the_excluded_in_the_order_of_their_index(served, tmp_path):
    ds = load_archive(source=source(served), cache=tmp_path, progress=False)
    assert ds.ids.tolist() == ["1", "3", "4", "5"]
    assert ds.smiles.tolist() == ["C", "S3", "S4", "S5"]
    for atoms, index in zip(ds.atoms[1:], (3, 4, 5), strict=True):
        expected = molecule(NAMES[index - 1])
        assert (atoms.numbers == expected.numbers).all()
        assert np.allclose(atoms.positions, expected.positions, atol=1e-6)


def test_labels_and_units_are_those_of_the_authors(served, tmp_path):
    ds = load_archive(source=source(served), cache=tmp_path, progress=False)
    assert ds.targets.iloc[0].to_dict() == {name: value for name, (value, _) in LABELS.items()}
    assert dict(ds.units) == {name: unit for name, (_, unit) in LABELS.items()}
    assert dict(UNITS) == dict(ds.units)
    assert dict(TRAIN_UNITS) == TRAIN
    assert ds.formulas[0] == "CH4"
    assert np.allclose(ds.atoms[0].get_all_distances()[0, 1:], 1.0919, atol=1e-3)  # Angstrom
    assert ds.atoms[0].positions[2, 2] == 2.765748e-4


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "pickle", "empty", "other"])
def test_a_damaged_cache_is_made_again(served, tmp_path, damage):
    first = load_archive(source=source(served), cache=tmp_path, progress=False)
    (cache,) = tmp_path.glob("*.npz")
    data = cache.read_bytes()
    if damage == "other":
        np.savez(cache, a=np.zeros(3))
    elif damage == "pickle":
        with cache.open("wb") as file:
            np.save(file, np.array([{}]), allow_pickle=True)
    else:
        flipped = data[:300] + bytes([data[300] ^ 1]) + data[301:]
        cut = data[: len(data) // 2]
        changed = {"cut": cut, "flip": flipped, "text": b"<html>", "empty": b""}[damage]
        cache.write_bytes(changed)
    QuietHandler.asked.clear()
    with pytest.warns(UserWarning, match="damaged or another file: .*; it is made again"):
        again = load_archive(source=source(served), cache=tmp_path, progress=False)
    assert again.fingerprint == first.fingerprint
    assert QuietHandler.asked == []
    assert load_archive(source=source(served), cache=tmp_path, progress=False).ids.tolist()
    assert cache.read_bytes() == data


def test_a_second_load_fetches_nothing(served, tmp_path):
    first = load_archive(source=source(served), cache=tmp_path, progress=False)
    QuietHandler.asked.clear()
    again = load_archive(source=source(served), cache=tmp_path, progress=False)
    assert QuietHandler.asked == []
    assert again.fingerprint == first.fingerprint


def test_a_wrong_checksum_is_refused_and_nothing_kept(served, tmp_path):
    wrong = source(served, archive_hash="md5:" + "0" * 32)
    with pytest.raises(ValueError, match="does not have the checksum md5:000"):
        load_archive(source=wrong, cache=tmp_path, progress=False)
    assert os.listdir(tmp_path) == []


def test_a_missing_file_is_an_os_error(served, tmp_path):
    gone = source(served, archive=served[1] + "/none.tar.bz2")
    with pytest.raises(OSError, match="404"):
        load_archive(source=gone, cache=tmp_path, progress=False)


def test_an_archive_of_something_else_is_refused(served, tmp_path):
    folder, address = served
    with tarfile.open(folder / "other.tar.bz2", "w:bz2") as archive:
        info = tarfile.TarInfo("water.xyz")
        data = b"1\ncomment\nO 0 0 0\n"
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    digest = hashlib.md5((folder / "other.tar.bz2").read_bytes()).hexdigest()
    other = source(served, archive=f"{address}/other.tar.bz2", archive_hash=f"md5:{digest}")
    with pytest.raises(ValueError, match="not an XYZ file of QM9"):
        load_archive(source=other, cache=tmp_path, progress=False)
    assert not list(tmp_path.glob("*.npz*"))


def test_a_list_of_exclusions_without_molecules_is_refused(served, tmp_path):
    folder, address = served
    (folder / "none.txt").write_text(HEADER)
    digest = "md5:" + hashlib.md5((folder / "none.txt").read_bytes()).hexdigest()
    none = source(served, excluded=f"{address}/none.txt", excluded_hash=digest)
    with pytest.raises(ValueError, match="lists no molecules"):
        load_archive(source=none, cache=tmp_path, progress=False)


@pytest.mark.parametrize("change", [("gdb 3", "gda 3"), ("\t3.0000", ""), ("\t3.0000", "\t3\t0")])
def test_molecules_with_other_labels_are_refused(served, tmp_path, change):
    folder, address = served
    data = entry(3).decode()
    assert change[0] in data
    data = data.replace(*change).encode()
    with tarfile.open(folder / "odd.tar.bz2", "w:bz2") as archive:
        info = tarfile.TarInfo("dsgdb9nsd_000003.xyz")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    digest = "md5:" + hashlib.md5((folder / "odd.tar.bz2").read_bytes()).hexdigest()
    odd = source(served, archive=f"{address}/odd.tar.bz2", archive_hash=digest)
    with pytest.raises(ValueError, match="not an XYZ file of QM9.*the second line has"):
        load_archive(source=odd, cache=tmp_path, progress=False)


@pytest.mark.parametrize(
    "content", [b"PK\3\4", b"", b"\x80\x04N.", b"<html>", "archive", "bomb", "missing"]
)
def test_a_train_split_that_cannot_be_read_is_answered(tmp_path, monkeypatch, content):
    path = tmp_path / "qm9" / "train.npz"
    path.parent.mkdir()
    if content == "archive":
        np.savez(path, Z=np.ones(3))
    elif content == "bomb":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("Z.npy", b"0" * 100_000_000)
    elif content != "missing":
        path.write_bytes(content)
    monkeypatch.setenv("CPDKIT_DATA", str(tmp_path))
    with pytest.raises((ValueError, FileNotFoundError), match="train.npz.*CPDKIT_DATA") as caught:
        load_dataset("qm9", split="train")
    assert "allow_pickle" not in str(caught.value)


def test_the_real_list_of_exclusions_is_read(cpdkit_data):
    from cpdkit.datasets.qm9_archive import _excluded

    assert len(_excluded(cpdkit_data / "qm9" / "uncharacterized.txt")) == 3054
