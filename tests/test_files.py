"""Files appear complete or not at all."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cpdkit._files import locked, replace_folder, replacing, scratch_folder


def test_a_file_is_there_when_it_is_complete(tmp_path):
    path = tmp_path / "folder" / "file"
    with replacing(path) as file:
        file.write(b"all")
        assert not path.exists()
    assert path.read_bytes() == b"all"
    assert os.listdir(path.parent) == ["file"]


def test_after_an_exception_the_old_file_stands_alone(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:  # noqa: PT012
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_scratch_folders_of_running_work_are_kept_and_stale_ones_swept(tmp_path):
    (tmp_path / ".part-stale").mkdir()
    (tmp_path / ".part-stale/file").write_text("")
    with scratch_folder(tmp_path) as one, scratch_folder(tmp_path) as two:
        assert {path.name for path in tmp_path.iterdir()} == {one.name, two.name}
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_folder_is_there_whole(tmp_path):
    final = tmp_path / "final"
    for text in ("old", "new"):
        with scratch_folder(tmp_path) as scratch:
            (scratch / "made").mkdir()
            (scratch / "made/file").write_text(text)
            replace_folder(scratch / "made", final, aside=scratch / "aside")
    assert [path.read_text() for path in final.iterdir()] == ["new"]


def test_readers_share_a_folder_and_writers_wait(tmp_path):
    code = (
        "import sys; from cpdkit._files import _hold\n"
        f"print(_hold({str(tmp_path)!r}, shared=sys.argv[1] == 'shared', wait=False) is not None)"
    )

    def may(kind: str) -> str:
        done = subprocess.run([sys.executable, "-c", code, kind], capture_output=True, text=True)
        return done.stdout.strip()

    with locked(tmp_path, shared=True):
        assert (may("shared"), may("alone")) == ("True", "False")
    with locked(tmp_path):
        assert (may("shared"), may("alone")) == ("False", "False")
    assert may("alone") == "True"
