"""Pretrained and untrained models as encoders: per-atom features labelled by layer and irreps.

The registry knows names only; a model's library is imported when its encoder is asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cpdkit._messages import missing, unknown
from cpdkit.encoders._names import keyword_parameters, split_options, typed_options
from cpdkit.encoders._outside import imported, is_outside

if TYPE_CHECKING:
    from cpdkit.encoders._base import Encoder as Encoder
    from cpdkit.encoders._base import Layer as Layer
    from cpdkit.encoders._graph import Batch as Batch
    from cpdkit.encoders._graph import Graph as Graph
    from cpdkit.encoders._info import EncoderInfo as EncoderInfo
    from cpdkit.encoders.module import ModuleEncoder as ModuleEncoder

__all__ = [
    "Batch",
    "Encoder",
    "EncoderInfo",
    "Graph",
    "Layer",
    "ModuleEncoder",
    "encoder_info",
    "encoder_names",
    "load_encoder",
    "register_encoder",
]

# What needs torch is imported when asked for.
_LAZY = {
    "Batch": "cpdkit.encoders._graph",
    "Encoder": "cpdkit.encoders._base",
    "EncoderInfo": "cpdkit.encoders._info",
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
    "bond-counts": "cpdkit.encoders.baselines:BondCounts",
    "chgnet": "cpdkit.encoders.chgnet:CHGNet",
    "dimenet++-untrained": "cpdkit.encoders.dimenet:dimenet_untrained",
    "mace-ani-cc": "cpdkit.encoders.mace:mace_ani_cc",
    "mace-spice": "cpdkit.encoders.mace:mace_spice",
    "mace-untrained": "cpdkit.encoders.mace:mace_untrained",
    "mace:": "cpdkit.encoders.mace:mace_file",
    "painn-untrained": "cpdkit.encoders.graphpes:painn_untrained",
    "random": "cpdkit.encoders.baselines:RandomFeatures",
    "schnet-untrained": "cpdkit.encoders.graphpes:schnet_untrained",
    "sevennet-0": "cpdkit.encoders.sevennet:sevennet_0",
    "sevennet-l3i5": "cpdkit.encoders.sevennet:sevennet_l3i5",
    "so3lr": "cpdkit.encoders.so3lr:SO3LR",
    "soap": "cpdkit.encoders.soap:SOAP",
    "visnet-untrained": "cpdkit.encoders.visnet:visnet_untrained",
    "zoo/": "cpdkit.zoo.checkpoints:zoo_encoder",
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


# What is known of an encoder that was registered from outside; ours say it in ABOUT beside them.
_ABOUT: dict[str, EncoderInfo] = {}


def register_encoder(
    name: str,
    builder: str | Callable[..., Encoder],
    *,
    info: EncoderInfo | None = None,
    overwrite: bool = False,
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
    info : EncoderInfo, optional
        What :func:`encoder_info` and ``cpdkit encoders`` say of it.
    overwrite : bool, default False
        Replace an encoder of that name.

    Raises
    ------
    ValueError
        If the name is taken and `overwrite` is false, is empty or has brackets, which hold
        options.
    TypeError
        If the builder is neither a function nor names one.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"an encoder needs a name; got {name!r}.")
    if "[" in name or "]" in name:
        raise ValueError(f"brackets in the name of an encoder hold its options; got {name!r}.")
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
    _ABOUT.pop(name, None)
    if info is not None:
        _ABOUT[name] = info


def encoder_names() -> list[str]:
    """Names :func:`load_encoder` knows, sorted; a trailing ``":"`` or ``"/"`` takes an argument."""
    return sorted(_REGISTRY)


def _find(name: str) -> tuple[str, tuple[str, ...], dict[str, str]]:
    """Key in the registry, what it stands for, and options in brackets as text."""
    base, options = (name, {}) if name in _REGISTRY else split_options(name)
    if base in _REGISTRY and base[-1] in ":/":
        raise ValueError(f"encoder {base!r} needs what it stands for, such as '{base}FILE'.")
    if base in _REGISTRY:
        return base, (), options
    prefixes = [key for key in _REGISTRY if key[-1] in ":/" and base.startswith(key)]
    if not prefixes and is_outside(base):
        return base, (), options
    if not prefixes:
        raise ValueError(
            unknown("encoder", base, _REGISTRY) + " One of your own is named by the function that "
            "makes it, 'my_module:make_encoder'."
        )
    key = max(prefixes, key=len)
    return key, (base[len(key) :],), options


def encoder_info(name: str, *, load: bool = False) -> EncoderInfo | None:
    """What there is to know of an encoder: family, training, elements, layers, licence, size.

    Parameters
    ----------
    name : str
        One of :func:`encoder_names`, or any name :func:`load_encoder` takes.
    load : bool, default False
        Load the encoder, if everything for it is here, and say what it shows rather than what is
        written about it: layers for the options in the name, or those of a file.

    Returns
    -------
    EncoderInfo or None
        None for an encoder that was registered without, unless it is loaded.

    Raises
    ------
    ValueError
        If no encoder has that name.
    ImportError
        If PyTorch, which all encoders need, is not installed.
    """
    key, arguments, _ = (name, (), {}) if name in _REGISTRY else _find(name)
    info: Any = _ABOUT.get(key)
    builder = _REGISTRY.get(key)
    if info is None and isinstance(builder, str):
        module = import_module(builder.partition(":")[0])
        info = getattr(module, "ABOUT", {}).get(key)
    if callable(info):
        info = info(*arguments)
    if load and name[-1] not in ":/" and (info is None or not info.missing):
        info = (info or _of_ones_own()).of(load_encoder(name))
    return info


def _of_ones_own() -> EncoderInfo:
    from cpdkit.encoders._info import EncoderInfo

    said = "what its author says"
    return EncoderInfo(
        family="one of your own", trained_on=said, elements=(), weights=said, licence=said
    )


def encoder_options(name: str) -> list[str]:
    """Options of an encoder that is registered under `name`; none for another name."""
    if name not in _REGISTRY or name[-1] in ":/":
        return []
    return list(_builder(name, name, (), {})[1])


def check_encoder_name(name: str) -> None:
    """Refuse a name that :func:`load_encoder` would not take, without building the encoder.

    Raises
    ------
    ValueError, TypeError, ImportError, FileNotFoundError
        As :func:`load_encoder`.
    """
    key, _, written = found = _find(name)
    if written or key not in _REGISTRY:  # else nothing needs to be imported
        _builder(name, *found)


def _builder(
    name: str, key: str, arguments: tuple[str, ...], written: Mapping[str, str]
) -> tuple[Callable[..., Any], Mapping[str, Any], Mapping[str, Any], dict[str, Any]]:
    """What makes an encoder, its parameters, all that may be given, and options as typed."""
    builder = _REGISTRY.get(key, key)
    if isinstance(builder, str):
        try:
            builder = imported(builder)
        except ModuleNotFoundError as error:
            if key not in _REGISTRY and error.name == key.rpartition(":")[0]:
                raise ValueError(
                    f"encoder {name!r}: {error}. A module of your own is a file in the current "
                    "folder, or installed."
                ) from None
            sentence = missing(error.name, what=f"encoder {name!r}")
            raise ModuleNotFoundError(sentence, name=error.name) from error
    if not callable(builder):
        raise TypeError(
            f"encoder {name!r}: {key.rpartition(':')[2]!r} is a {type(builder).__name__}; it must "
            "be a function that returns an Encoder."
        )
    parameters = keyword_parameters(builder, len(arguments))
    known = parameters | keyword_parameters(load_encoder, 1)
    return builder, parameters, known, typed_options(key + "".join(arguments), written, known)


def load_encoder(name: str, *, allow_unseen_elements: bool = False, **options: Any) -> Encoder:
    """Build an encoder by name.

    Parameters
    ----------
    name : str
        One of :func:`encoder_names`, such as ``"ani2x-aev"`` or ``"sevennet-0"``. Options may
        stand in brackets behind it, so that a name alone says all:
        ``"soap[compression=mu2,elements=H C N O]"``; the encoder's own name then has them too.
        One of your own is named by the function that makes it, ``"my_module:make_encoder"`` or
        ``"folder/my_module.py:make_encoder"``.
    allow_unseen_elements : bool, default False
        Encode structures with elements the network was not trained on, of which it says what
        its initial weights say. They are refused otherwise.
    **options
        Options of that encoder; all take ``dtype`` (``"float32"`` or ``"float64"``).

    Returns
    -------
    Encoder
        Ready for :func:`cpdkit.extract`.

    Raises
    ------
    ValueError
        If no encoder has that name, or an option in it has another type.
    TypeError
        If the encoder has no such option, or one is given twice.
    ImportError
        If the model's library is not installed; says how to install it.

    Examples
    --------
    >>> from cpdkit.encoders import load_encoder
    >>> [str(layer.irreps) for layer in load_encoder("ani2x-aev").layers]
    ['1008x0e']
    """
    key, arguments, written = found = _find(name)
    builder, parameters, known, typed = _builder(name, *found)
    if twice := sorted(set(typed) & set(options)):
        raise TypeError(f"{name!r} has the option {twice[0]!r} in its name already.")
    allow_unseen_elements = typed.pop("allow_unseen_elements", allow_unseen_elements)
    options = options | typed
    open_ended = any(
        p.kind is p.VAR_KEYWORD for p in inspect.signature(builder).parameters.values()
    )
    for option in options:
        if option not in parameters and not open_ended:
            raise TypeError(unknown(f"option of encoder {name!r}:", option, known))
    encoder = builder(*arguments, **options)
    from cpdkit.encoders._base import Encoder

    if not isinstance(encoder, Encoder):
        raise TypeError(
            f"the builder of encoder {name!r} returned a {type(encoder).__name__}; it must return "
            "an Encoder, such as ModuleEncoder makes of a torch.nn.Module."
        )
    encoder.allow_unseen_elements = allow_unseen_elements
    if written:
        encoder.name += "[" + ",".join(f"{key}={value}" for key, value in written.items()) + "]"
    return encoder
