"""The raw archive of QM9: a small one of the same form, served locally."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import tarfile
import threading

import numpy as np
import pytest
from ase.build import molecule

from cpdkit.datasets.qm9_archive import COLUMNS, Source, load_archive

NAMES = ["CH4", "NH3", "H2O", "C2H2", "CH3OH"]
EXCLUDED = 2
HEADER = "\nList of molecules among the 133885 GDB9 molecules for which ...\n" + "=" * 40 + "\n"


def entry(index: int) -> bytes:
    """One file as the archive has them: tabs, Mathematica's exponents, frequencies, SMILES."""
    atoms = molecule(NAMES[index - 1])
    labels = "\t".join(f"{index + i / 16:.4f}" for i in range(len(COLUMNS)))
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
    assert ds.smiles.tolist() == ["S1", "S3", "S4", "S5"]
    assert list(ds.targets.columns) == list(COLUMNS)
    assert np.allclose(ds.targets.loc[1, "gap"], 3 + COLUMNS.index("gap") / 16, atol=1e-4)
    for atoms, index in zip(ds.atoms, (1, 3, 4, 5), strict=True):
        expected = molecule(NAMES[index - 1])
        assert (atoms.numbers == expected.numbers).all()
        assert np.allclose(atoms.positions, expected.positions, atol=1e-6)


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


def test_the_real_list_of_exclusions_is_read(cpdkit_data):
    from cpdkit.datasets.qm9_archive import _excluded

    assert len(_excluded(cpdkit_data / "qm9" / "uncharacterized.txt")) == 3054
