"""Any ``torch.nn.Module`` as an encoder, by naming the submodules to read."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import ase
import torch
from ase.data import chemical_symbols

from cpdkit.encoders._base import Encoder, Layer
from cpdkit.encoders._code import describe_code
from cpdkit.encoders._examine import examine
from cpdkit.encoders._graph import Batch, Graph, collate
from cpdkit.encoders._hooks import capture, find_module

__all__ = ["ModuleEncoder"]


def _copied(model: torch.nn.Module) -> torch.nn.Module:
    """A deep copy, in which tensors that a pass with gradients left behind are constants."""
    left = {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    }
    try:
        return copy.deepcopy(model, left)
    except (RuntimeError, TypeError, copy.Error) as error:
        raise TypeError(
            f"{type(model).__name__} cannot be copied: {str(error).splitlines()[0]} If it keeps "
            "tensors of an earlier pass, delete or detach them first."
        ) from error


_OF_EDGES = ("edges", "vectors", "shifts")


class _NoEdges(ValueError):
    """Edges were asked for where there are none."""


class _Edgeless(Batch):
    """A batch without edges: an empty list of them would pass for a molecule of lone atoms."""

    def __getattribute__(self, name: str) -> Any:
        if name in _OF_EDGES:
            raise _NoEdges(
                f"the model reads batch.{name}, but there are no edges without cutoff=; give its "
                "radius in Angstrom."
            )
        return super().__getattribute__(name)


class ModuleEncoder(Encoder):
    """Read per-atom features from named submodules of a model.

    Parameters
    ----------
    model : torch.nn.Module
        The model. The encoder works on a copy, in evaluation mode and in `dtype`; the model
        itself stays as it is, and what happens to it later does not reach the encoder.
    hooks : mapping of str to str
        Name of a submodule (as in ``model.named_modules()``) to the irreps of its output, such
        as ``{"layers.0": "64x0e+32x1o"}``. The names become the names of the layers, in this
        order. Every one of these modules has to run exactly once in a forward pass.
    call : callable
        ``call(model, batch)`` runs the model it is given on a :class:`~cpdkit.encoders.Batch`;
        what it returns is ignored. A batch holds ``numbers``, ``positions``, ``edges``,
        ``vectors`` from ``edges[0]`` to ``edges[1]``, ``shifts``, ``cells`` and ``structure`` (the
        graph of each atom) as tensors. Positions are measured from the middle of each molecule, and
        lie inside the cell of each crystal.
    name : str
        Name under which results are kept.
    cutoff : float, optional
        Radius of the graph in Angstrom; without it a batch has no edges, and a model that reads
        them is refused.
    elements : iterable of int or str, optional
        Atomic numbers or symbols the model knows; any by default.
    read : callable, optional
        ``read(inputs, output)`` of each hooked module gives its features, a tensor of shape
        (total_atoms, irreps.dim); the output itself by default. Where a module returns an update,
        ``lambda inputs, output: inputs[0] + output`` is the state.
    graph : callable, optional
        ``graph(atoms)`` in place of the neighbour graph, if `call` wants something else. `call`
        then receives the list of these. The atoms have numbers, positions, cell and pbc; info,
        charges and calculators do not reach it.
    periodic : bool, default True
        Whether crystals can be encoded.
    check : bool, default True
        When structures are first given to :func:`cpdkit.extract`, turn two small ones and see
        whether the features turn as `hooks` says (degrees 0 and 1 by component, higher ones by
        norm), whether some are zero throughout, and whether they depend on geometry at all.
    options : mapping, optional
        Anything else that tells this encoder from others of its name, in JSON's types. A store
        knows weights, irreps and the code of `call`, `read` and `graph` by itself.
    dtype : {"float32", "float64"}
        Precision the copy is cast to.

    Raises
    ------
    ValueError
        If there is no submodule of a name; the nearest names are listed. During
        :func:`cpdkit.extract`, if a module does not run once, changes inputs in place that `read`
        would see, edges are read without `cutoff`, or `check` finds something wrong.
    RuntimeError
        During :func:`cpdkit.extract`, if `call` fails; says what it was given.
    TypeError
        If `hooks` is no mapping, something that should be called cannot be, or the model cannot
        be copied.

    Examples
    --------
    >>> import torch, ase.build, cpdkit
    >>> def call(model, batch):
    ...     reach = torch.exp(-batch.vectors.norm(dim=1, keepdim=True))
    ...     density = torch.zeros(len(batch.numbers), 1).index_add_(0, batch.edges[0], reach)
    ...     return model(density)
    >>> model = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 8))
    >>> encoder = ModuleEncoder(model, {"2": "8x0e"}, call, name="mine", cutoff=4.0)
    >>> cpdkit.extract(encoder, ase.build.molecule("H2O"), progress=False).features.shape
    (1, 8)
    """

    def __init__(
        self,
        model: torch.nn.Module,
        hooks: Mapping[str, str],
        call: Callable[[torch.nn.Module, Any], Any],
        *,
        name: str,
        cutoff: float | None = None,
        elements: Iterable[int | str] | None = None,
        read: Callable[[Any, Any], torch.Tensor] | None = None,
        graph: Callable[[ase.Atoms], Any] | None = None,
        periodic: bool = True,
        check: bool = True,
        options: Mapping[str, Any] | None = None,
        dtype: str = "float32",
    ) -> None:
        if not isinstance(hooks, Mapping):
            raise TypeError(
                "hooks maps names of submodules to irreps, such as {'layers.0': '64x0e'}; "
                f"got {hooks!r}."
            )
        functions = {"call": call, "read": read, "graph": graph}
        for key, function in functions.items():
            if not callable(function) and (key == "call" or function is not None):
                raise TypeError(f"{key} must be a function; got {function!r}.")
        for path in hooks:
            find_module(model, path)
        code = {key: describe_code(function) for key, function in functions.items() if function}
        super().__init__(
            name=name,
            model=_copied(model),
            layers=[Layer(path, irreps) for path, irreps in hooks.items()],
            elements=elements,
            cutoff=cutoff,
            periodic=periodic,
            options={**(options or {}), "code of functions": code},
            dtype=dtype,
        )
        first = next(self.model.parameters(), None)
        self.device = self.device if first is None else first.device
        self._call, self._graph, self._read = call, graph, read
        self._check = check

    def graph(self, atoms: ase.Atoms) -> Any:
        """See :meth:`Encoder.graph`."""
        return super().graph(atoms) if self._graph is None else self._graph(atoms)

    def examine(self, structures: Sequence[ase.Atoms]) -> None:
        """See :meth:`Encoder.examine`; once, unless ``check=False``."""
        if self._check:
            examine(self, structures)
            self._check = False

    @torch.inference_mode(False)  # a model that differentiates its energy may turn gradients on
    @torch.no_grad()
    def forward(self, graphs: Sequence[Graph]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        batch: Batch | Sequence[Any] = graphs
        if self._graph is None:
            batch = collate(graphs, dtype=self.dtype, device=self.device)
        given = batch if self.cutoff or self._graph else _Edgeless(**vars(batch))
        names = [layer.name for layer in self.layers]
        with capture(self.model, names, read=self._read) as features:
            try:
                self._call(self.model, given)
            except (_NoEdges, MemoryError, torch.OutOfMemoryError):
                raise
            except Exception as error:
                raise RuntimeError(
                    f"call= failed in {type(self.model).__name__}: {type(error).__name__}: "
                    f"{error} ({self._given(batch)})"
                ) from error
        return [feature.detach() for feature in features]

    def _given(self, batch: Batch | Sequence[Any]) -> str:
        """What `call` was given, for an error."""
        if not isinstance(batch, Batch):
            return f"it was given the {len(batch)} objects that graph= returned"
        n, e = len(batch.numbers), batch.edges.shape[1]
        edges = (
            f"edges of shape (2, {e}), centres and neighbours, where some models want "
            f"({e}, 2): edges.T, and vectors of shape ({e}, 3)"
        )
        symbols = " ".join(chemical_symbols[z] for z in batch.numbers.unique().tolist())
        return f"it was given {n} atoms of {len(batch)} structures, elements {symbols}; " + (
            edges if self.cutoff else "no edges, for want of cutoff="
        )
