"""Model files: nothing in them runs, damage is found, and nobody is told to unpickle them."""

from __future__ import annotations

import os
import pickle
import traceback
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cpdkit.encoders.mace_file import read_inert  # noqa: E402


class Hostile:
    """Would make a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def write(kind, path, mark):
    if kind == "zip":
        torch.save(Hostile(mark), path)
    elif kind == "legacy":
        torch.save(Hostile(mark), path, _use_new_zipfile_serialization=False)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Hostile(mark)))
    elif kind == "plain pickle":
        path.write_bytes(pickle.dumps({"a": 1}))
    elif kind == "script":
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    elif kind == "text":
        path.write_text("<html>")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "other zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", "b")
    elif kind == "packed":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("m/data.pkl", pickle.dumps({"a": 1}, 2))
            archive.writestr("m/data/0", b"\0" * 1_000_000)


KINDS = [
    "zip",
    "legacy",
    "pickle",
    "plain pickle",
    "script",
    "text",
    "empty",
    "other zip",
    "packed",
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_refusals_never_advise_to_unpickle(tmp_path, kind):
    path, mark = tmp_path / "a.model", tmp_path / "mark"
    write(kind, path, mark)
    with pytest.raises(ValueError, match="cannot be read as a model") as caught:
        read_inert(path)
    shown = "".join(traceback.format_exception(caught.value))
    assert "a.model" in str(caught.value)
    assert not any(word in shown for word in ("weights_only`", "to `False`", "add_safe_globals"))
    assert not mark.exists()


def test_a_flipped_byte_is_found(tmp_path):
    path = tmp_path / "a.model"
    torch.save({"a": torch.from_numpy(np.arange(1000.0))}, path)
    assert read_inert(path)["a"][7] == 7
    data = path.read_bytes()
    place = data.index(np.arange(1000.0).tobytes()) + 60
    path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
    with pytest.raises(ValueError, match="data/0 was altered"):
        read_inert(path)
    for length in (100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match="cannot be read as a model"):
            read_inert(path)
