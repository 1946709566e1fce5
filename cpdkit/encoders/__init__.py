"""Pretrained and untrained models as encoders: per-atom features labelled by layer and irreps.

The registry knows names only; a model's library is imported when its encoder is asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cpdkit._messages import unknown

if TYPE_CHECKING:
    from cpdkit.encoders._base import Encoder as Encoder
    from cpdkit.encoders._base import Layer as Layer
    from cpdkit.encoders._graph import Batch as Batch
    from cpdkit.encoders._graph import Graph as Graph
    from cpdkit.encoders.module import ModuleEncoder as ModuleEncoder

__all__ = [
    "Batch",
    "Encoder",
    "Graph",
    "Layer",
    "ModuleEncoder",
    "encoder_names",
    "load_encoder",
    "register_encoder",
]

# What needs torch is imported when asked for.
_LAZY = {
    "Batch": "cpdkit.encoders._graph",
    "Encoder": "cpdkit.encoders._base",
    "Graph": "cpdkit.encoders._graph",
    "Layer": "cpdkit.encoders._base",
    "ModuleEncoder": "cpdkit.encoders.module",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# "module:callable", imported on demand so that the registry itself needs no model library.
_REGISTRY: dict[str, str | Callable[..., Encoder]] = {
    "ani2x": "cpdkit.encoders.ani:ANI2x",
    "ani2x-aev": "cpdkit.encoders.ani:ANI2xAEV",
    "bond-counts": "cpdkit.encoders.nulls:BondCounts",
    "chgnet": "cpdkit.encoders.chgnet:CHGNet",
    "dimenet++-untrained": "cpdkit.encoders.dimenet:dimenet_untrained",
    "mace-untrained": "cpdkit.encoders.mace:mace_untrained",
    "mace:": "cpdkit.encoders.mace:mace_file",
    "painn-untrained": "cpdkit.encoders.graphpes:painn_untrained",
    "random": "cpdkit.encoders.nulls:RandomFeatures",
    "schnet-untrained": "cpdkit.encoders.graphpes:schnet_untrained",
    "sevennet-0": "cpdkit.encoders.sevennet:sevennet_0",
    "sevennet-l3i5": "cpdkit.encoders.sevennet:sevennet_l3i5",
    "so3lr": "cpdkit.encoders.so3lr:SO3LR",
    "soap": "cpdkit.encoders.soap:SOAP",
    "visnet-untrained": "cpdkit.encoders.visnet:visnet_untrained",
    "zoo/": "cpdkit.zoo.store:zoo_encoder",
    **{
        f"mace-{name}": f"cpdkit.encoders.mace:mace_{name.replace('-', '_')}"
        for name in (
            "mp-0-small",
            "mp-0-medium",
            "mp-0-large",
            "mpa-0-medium",
            "off23-small",
            "off23-medium",
            "off23-large",
        )
    },
}


def register_encoder(
    name: str, builder: str | Callable[..., Encoder], *, overwrite: bool = False
) -> None:
    """Make an encoder known to :func:`load_encoder`.

    Parameters
    ----------
    name : str
        Its name. One that ends in ``":"`` or ``"/"`` stands for all names beginning so; the
        rest of the name is then the builder's first argument, as in ``"mace:my.model"``.
    builder : callable or str
        Returns the encoder; called with the options given to :func:`load_encoder`. A string
        ``"package.module:callable"`` is imported when first needed.
    overwrite : bool, default False
        Replace an encoder of that name.

    Raises
    ------
    ValueError
        If the name is taken and `overwrite` is false, or is empty.
    TypeError
        If the builder is neither a function nor names one.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"an encoder needs a name; got {name!r}.")
    if not callable(builder) and not (isinstance(builder, str) and ":" in builder):
        raise TypeError(
            "builder must be a function that returns an encoder, or 'package.module:function'; "
            f"got {builder!r}."
        )
    if name in _REGISTRY and not overwrite:
        raise ValueError(
            f"an encoder named {name!r} is registered already; choose another name "
            "or pass overwrite=True."
        )
    _REGISTRY[name] = builder


def encoder_names() -> list[str]:
    """Names :func:`load_encoder` knows, sorted; a trailing ``":"`` or ``"/"`` takes an argument."""
    return sorted(_REGISTRY)


def load_encoder(name: str, **options: Any) -> Encoder:
    """Build an encoder by name.

    Parameters
    ----------
    name : str
        One of :func:`encoder_names`, such as ``"ani2x-aev"`` or ``"sevennet-0"``.
    **options
        Options of that encoder; all take ``dtype`` (``"float32"`` or ``"float64"``).

    Returns
    -------
    Encoder
        Ready for :func:`cpdkit.extract`.

    Raises
    ------
    ValueError
        If no encoder has that name.
    TypeError
        If the encoder has no such option.
    ImportError
        If the model's library is not installed; says how to install it.

    Examples
    --------
    >>> from cpdkit.encoders import load_encoder
    >>> [str(layer.irreps) for layer in load_encoder("ani2x-aev").layers]
    ['1008x0e']
    """
    key = name
    arguments: tuple[str, ...] = ()
    if name not in _REGISTRY or name[-1:] in (":", "/"):
        prefixes = [p for p in _REGISTRY if p[-1] in ":/" and name.startswith(p) and name != p]
        if name in _REGISTRY:
            raise ValueError(f"encoder {name!r} needs what it stands for, such as '{name}FILE'.")
        if not prefixes:
            raise ValueError(unknown("encoder", name, _REGISTRY))
        key = max(prefixes, key=len)
        arguments = (name[len(key) :],)
    builder = _REGISTRY[key]
    if isinstance(builder, str):
        module, _, attribute = builder.partition(":")
        builder = getattr(import_module(module), attribute)
    parameters = inspect.signature(builder).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for option in options:
        if option not in parameters and not open_ended:
            known = [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY]
            raise TypeError(unknown(f"option of encoder {name!r}:", option, known))
    encoder = builder(*arguments, **options)
    from cpdkit.encoders._base import Encoder

    if not isinstance(encoder, Encoder):
        raise TypeError(
            f"the builder of encoder {name!r} returned a {type(encoder).__name__}; it must return "
            "an Encoder, such as ModuleEncoder makes of a torch.nn.Module."
        )
    return encoder
