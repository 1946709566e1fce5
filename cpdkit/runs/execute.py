"""Run all cells of a notebook in a fresh kernel of this very interpreter."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets import default

from cpdkit.runs.key import PACKAGE
from cpdkit.runs.parameters import literal
from cpdkit.runs.recorder import RECORD_VARIABLE

__all__ = ["INJECTED", "CellError", "execute", "tags"]

INJECTED = "injected-parameters"  # papermill's word


def tags(cell: NotebookNode) -> list[str]:
    """Tags of a cell."""
    return cell.metadata.get("tags", [])


class CellError(RuntimeError):
    """A cell failed; the message says how."""


class _SavedOnce(NBClientEngine):
    """Papermill's engine writes the notebook twice for each cell, with all that is drawn so far."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, *args: Any, **kwargs: Any) -> Any:
        path, nb_man.output_path = nb_man.output_path, None
        try:
            return super().execute_managed_notebook(nb_man, *args, **kwargs)
        finally:
            nb_man.output_path = path  # for the last time that it saves, also after an exception


_ENGINE = "cpdkit"
papermill_engines.register(_ENGINE, _SavedOnce)


def _last_begun(notebook: NotebookNode) -> str:
    """First line of the last cell that was begun."""
    begun = [c for c in notebook.cells if c.metadata.get("papermill", {}).get("start_time")]
    code = [cell.source for cell in begun if cell.cell_type == "code"]
    return code[-1].partition("\n")[0] if code else ""


def execute(
    notebook: NotebookNode,
    parameters: dict,
    *,
    work: Path,
    record: Path,
    output: Path,
    progress: bool,
    cache: bool,
) -> NotebookNode:
    """Run all cells; `output` is written at the end, and `record` says what they depend on.

    Raises
    ------
    CellError
        If a cell raises or ends its process; `output` holds what ran until then.
    """
    environment = {
        RECORD_VARIABLE: str(record),
        # this library, and not another that happens to be installed
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PACKAGE.parent), _pythonpath()])),
        # neither the caller's plotting backend nor their IPython start-up files
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "IPYTHONDIR": str(record.parent / "ipython"),
        "PYTHONSTARTUP": "",
        # small matrices: waiting threads cost more than they bring, and one thread repeats exactly
        "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1"),
        # Boosted trees of small data spend their time waiting for each other's threads.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "CPDKIT_CACHE": _cache() if cache else "off",
    }
    command = [sys.executable, "-P", "-m", "cpdkit.runs.recorder", "-f", "{connection_file}"]
    command.append("--log-level=50")  # the interrupt that ends a kernel is no error
    spec = KernelSpec(
        argv=command,
        env=environment,
        display_name="Python 3",
        language="python",
        metadata={"supported_encryption": ["curve"]},
    )

    class Kernel(AsyncKernelManager):
        """Installed kernelspecs may point anywhere; this one does not."""

        kernel_spec = spec

        @default("transport_encryption")
        def _encrypted_where_possible(self) -> str:
            return "auto" if zmq.has("curve") else "disabled"

    try:
        executed = papermill.execute_notebook(
            _with_values(notebook, parameters),
            str(output),
            engine_name=_ENGINE,
            kernel_name="python3",
            language="python",
            kernel_manager_class=Kernel,
            cwd=work,
            progress_bar=progress,
            stderr_file=sys.stderr if progress else None,
        )
    except PapermillExecutionError as error:
        raise CellError(f"{error.ename}: {error.evalue}") from error
    except DeadKernelError as error:
        raise CellError(
            "its process ended, as it does where memory runs out, in the cell that begins with "
            f"{_last_begun(nbformat.read(output, as_version=4))!r}"
        ) from error
    executed.metadata["papermill"]["output_path"] = None  # it goes elsewhere
    return executed


def _pythonpath() -> str:
    return os.environ.get("PYTHONPATH", "")


def _cache() -> str:
    """``CPDKIT_CACHE``, on by default; a folder as an absolute path."""
    named = os.environ.get("CPDKIT_CACHE") or "on"
    return named if named.lower() in ("on", "off") else os.path.abspath(named)


def _with_values(notebook: NotebookNode, parameters: Mapping[str, Any]) -> NotebookNode:
    """The notebook with a cell of assignments behind its ``parameters`` cell.

    Papermill's own does not know tuples, and calls parameters unknown whose type is a union.
    """
    notebook = copy.deepcopy(notebook)
    if parameters:
        lines = "\n".join(f"{name} = {literal(value)}" for name, value in parameters.items())
        cell = nbformat.v4.new_code_cell(lines, metadata={"tags": [INJECTED]})
        place = next(i for i, c in enumerate(notebook.cells) if "parameters" in tags(c))
        notebook.cells.insert(place + 1, cell)
    return notebook
