"""Sentences for errors: what was given, what is known, what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

LACKING = (
    "they hold an element, or differ in another column of what was removed, that does not vary in "
    "their training rows"
)
"""Why test rows are set aside, where nobody says what the columns are."""


def unknown(kind: str, given: object, known: Iterable[str]) -> str:
    """Say that a name is not known, list those that are and suggest the nearest.

    Parameters
    ----------
    kind : str
        What the name stands for, e.g. ``"encoder"``.
    given : object
        What the caller passed.
    known : iterable of str
        The names that would have been accepted.

    Returns
    -------
    str
        One or two sentences for an exception.

    Examples
    --------
    >>> unknown("data set", "xtb", ["qm9", "xtb9"])
    "unknown data set 'xtb'; did you mean 'xtb9'? Known: 'qm9', 'xtb9'."
    """
    names = sorted(known)
    near = get_close_matches(str(given).lower(), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    listed = ", ".join(repr(name) for name in names) or "none"
    return f"unknown {kind} {given!r}{hint} Known: {listed}."


# Which extra brings a package that something here cannot do without.
_EXTRAS = {
    "torch": "torch", "vesin": "torch", "dask": "dask", "distributed": "dask", "rdkit": "bonds",
    "matplotlib": "plot", "seaborn": "plot", "jupyter_book": "book", "sphinx": "book",
    "nbconvert": "book", "sphinx_revealjs": "book",
    **dict.fromkeys(
        ("argcomplete", "ipykernel", "IPython", "jupyter_client", "matplotlib_inline", "myst_nb",
         "nbformat", "papermill", "pydantic", "traitlets", "zmq"), "run",
    ),
}  # fmt: skip


def missing(package: str | None, *, what: str = "this") -> str:
    """Say which package is missing, and how to install it.

    Parameters
    ----------
    package : str or None
        Name of the module that could not be imported.
    what : str
        What needs it.

    Returns
    -------
    str
        A sentence for an exception.

    Examples
    --------
    >>> missing("torch", what="cpdkit.extract")
    "cpdkit.extract needs torch; install it with: pip install 'cpdkit[torch]'"
    >>> missing("pyarrow")
    'this needs pyarrow; install it with: pip install pyarrow'
    """
    top = (package or "a package").partition(".")[0]
    wanted = f"'cpdkit[{_EXTRAS[top]}]'" if top in _EXTRAS else top
    return f"{what} needs {top}; install it with: pip install {wanted}"


class WrongCall(ValueError):
    """What was asked for is wrong, not what was found: the command line ends with status 2."""


@contextmanager
def asked() -> Iterator[None]:
    """What is found wrong inside is wrong with the call: a name, a value, a file that is named."""
    try:
        yield
    except (ValueError, TypeError, FileNotFoundError) as error:
        raise error if isinstance(error, WrongCall) else WrongCall(str(error)) from error
