"""What `cpdkit doctor` says of installations that are well, and of others."""

from __future__ import annotations

from importlib import metadata

import pytest

from cpdkit.cli import main
from cpdkit.course import table
from cpdkit.runs import doctor


def test_all_is_well_here(capsys: pytest.CaptureFixture) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("ok  ") and line.endswith(".") for line in lines)
    assert any("1,200 molecules" in line for line in lines)
    assert "a small run took" in lines[-1]


def test_another_version_is_named(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    real = metadata.version

    def version(name: str) -> str:
        return "1.0" if name == "numpy" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert main(["doctor"]) == 1
    said = capsys.readouterr()
    assert "(there is 1.0)" in said.out
    assert "mend what is marked" in said.err


def test_damaged_data_are_told_and_do_not_stop_it(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "table.npz").write_bytes(b"PK")
    monkeypatch.setattr(table, "PATH", tmp_path / "table.npz")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "!!  the data are damaged" in out
    assert "!!  a small run failed" in out


def test_a_package_that_is_absent_is_no_ailment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert all(finding.well for finding in doctor._tools())
    said = "\n".join(finding.text for finding in doctor._tools())
    assert "pip install jupyterlab" in said
    assert "would also need torch, graph_pes" in said
