"""Where the zoo's weights and cards are, and how they become models again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save

from cpdkit._files import replacing
from cpdkit._messages import unknown
from cpdkit.encoders import encoder_info
from cpdkit.encoders._base import Encoder
from cpdkit.encoders._info import RANDOM, EncoderInfo
from cpdkit.encoders._info import UNTRAINED as NOTHING
from cpdkit.zoo.model import ZooModel
from cpdkit.zoo.recipe import TASKS, build_encoder

__all__ = [
    "ABOUT",
    "Name",
    "absent_names",
    "kept_epochs",
    "load_model",
    "model_names",
    "own_directory",
    "read_card",
    "stopped_names",
    "write_model",
    "zoo_encoder",
]

UNTRAINED = "untrained"
STOPPED = "stopped"  # folder of trainings that were not run to their end
_ELEMENTS = ("H", "C", "N", "O", "F")  # of xtb9, which cards did not name at first
_PACKAGED = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Name:
    """A name such as ``painn-gap-0``, or ``painn-gap-0@1`` for the weights after one epoch.

    Attributes
    ----------
    architecture, task : str
        What was trained for what; the task may be ``"untrained"``.
    seed : int
        Of the training.
    epoch : str
        After how many epochs; empty for the final weights.
    """

    architecture: str
    task: str
    seed: int
    epoch: str = ""

    @classmethod
    def parse(cls, text: str) -> Name:
        """Read a name.

        Raises
        ------
        ValueError
            If it is not of this form.
        """
        model, at, epoch = text.partition("@")
        architecture, _, rest = model.rpartition("-")
        architecture, _, task = architecture.rpartition("-")
        if not architecture or not rest.isdecimal() or (at and not epoch):
            raise ValueError(
                f"{text!r} is no name of a zoo model; expected ARCHITECTURE-TASK-SEED, such as "
                "'painn-gap-0', or 'painn-gap-0@1' for its weights after one epoch."
            )
        return cls(architecture, task, int(rest), epoch)

    @property
    def model(self) -> str:
        """The name without the epoch."""
        return f"{self.architecture}-{self.task}-{self.seed}"

    @property
    def file(self) -> str:
        """The file that holds the weights."""
        return f"{self.model}{'.checkpoints' if self.epoch else ''}.safetensors"

    @property
    def command(self) -> str:
        """What makes the model."""
        if self.task == UNTRAINED:
            return f"cpdkit zoo untrained {self.architecture} --seed {self.seed}"
        return f"cpdkit zoo train {self.architecture} {self.task} --seed {self.seed}"


def own_directory() -> Path:
    """Where models go that are trained here: ``$CPDKIT_ZOO``, or a folder of the user's cache."""
    import pooch

    return Path(os.environ.get("CPDKIT_ZOO") or Path(pooch.os_cache("cpdkit")) / "zoo")


def _finished() -> tuple[Path, ...]:
    return _PACKAGED, own_directory()


def _stopped() -> tuple[Path, ...]:
    return tuple(folder / STOPPED for folder in _finished())


def _known() -> dict[str, bool]:
    """Finished models by name, sorted, and whether their weights are here."""
    stems = sorted({path.stem for folder in _finished() for path in folder.glob("*.json")})
    return {stem: _found(Name.parse(stem)) is not None for stem in stems}


def model_names() -> list[str]:
    """Names of all finished models with weights here, without ``"zoo/"``, sorted."""
    return [name for name, here in _known().items() if here]


def absent_names() -> list[str]:
    """Names of finished models of which a card is here and the weights are not.

    An installed package holds the weights of seed 0 of the gap, the energy and no training. A
    clone of the repository has them all in ``cpdkit/zoo/weights``, which `CPDKIT_ZOO` may name.
    """
    return [name for name, here in _known().items() if not here]


def kept_epochs(text: str) -> list[str]:
    """After which epochs weights on the way to a model are here, in order: of ``painn-gap-0@1``, 1.

    To save space the file may hold fewer than the card has errors of.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    name = replace(Name.parse(text), epoch="any")
    path = _found(name)
    if path is None:
        return []
    try:
        with safe_open(path, framework="pt") as stored:
            epochs = {key.partition("/")[0] for key in stored.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}); make it with: {name.command}") from None
    return sorted(epochs, key=float)


def stopped_names() -> list[str]:
    """Names, with their epoch, of trainings that were stopped early and not finished since."""
    stems = {path.stem for folder in _stopped() for path in folder.glob("*.json")}
    cards = [read_card(stem) for stem in sorted(stems - set(model_names()))]
    return [f"{card['name']}@{row['epoch']:g}" for card in cards for row in card["checkpoints"]]


def _folder(name: Name, text: str) -> Path:
    every = (*_finished(), *_stopped())
    cards = [folder for folder in every if (folder / f"{name.model}.json").is_file()]
    if cards:  # that of the weights there are: a finished training may stand beside a stopped one
        return next((folder for folder in cards if (folder / name.file).is_file()), cards[0])
    verb = "Make" if name.task == UNTRAINED else "Train"
    known = list(_known())
    raise ValueError(f"{unknown('zoo model', text, known)} {verb} it with: {name.command}")


def read_card(text: str) -> dict[str, Any]:
    """The card of a model: how it was trained, on what, and how well it does.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    name = Name.parse(text)
    return json.loads((_folder(name, text) / f"{name.model}.json").read_text())


def write_model(
    card: Mapping[str, Any],
    final: Mapping[str, torch.Tensor],
    checkpoints: Mapping[str, Mapping[str, torch.Tensor]],
    *,
    directory: Path,
) -> None:
    """Write weights, intermediate weights in half precision, and then the card.

    The card holds the SHA-256 of both files, so a model without a card does not exist and a
    damaged one is noticed. A training that was stopped has no final weights.
    """
    files = {f"{card['name']}.safetensors": save(_plain(final))} if final else {}
    if checkpoints:
        flat = {f"{e}/{k}": v for e, part in checkpoints.items() for k, v in part.items()}
        files[f"{card['name']}.checkpoints.safetensors"] = save(_plain(flat))
    sums = {}
    for file_name, content in files.items():
        with replacing(directory / file_name) as file:
            file.write(content)
        sums[file_name] = hashlib.sha256(content).hexdigest()
    with replacing(directory / f"{card['name']}.json") as file:
        file.write((json.dumps({**card, "sha256": sums}, indent=1) + "\n").encode())


def _plain(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.detach().cpu().contiguous() for key, value in tensors.items()}


def _about(text: str = "") -> EncoderInfo:
    """What there is to know of a model, or of all of them."""
    if not text:
        from cpdkit.zoo.recipe import ARCHITECTURES

        return EncoderInfo(
            family=f"the zoo: small {', '.join(ARCHITECTURES)}, trained alike",
            trained_on="xtb9/train: 20,500 molecules, GFN2-xTB; gap, energy or dipole; "
            "or QM9: 25,000 molecules, B3LYP; HOMO or electronic energy",
            elements=_ELEMENTS,
            weights=f"in this package: {len(model_names())} models, see cpdkit zoo list",
            licence="CC-BY-4.0",
            packages=("torch", "vesin"),
            extra="torch",
        )
    card = read_card(text)
    base = encoder_info(f"{card['architecture']}-untrained")
    if base is None:
        raise ValueError(f"nothing is known of the architecture of {text!r}.")
    epoch = Name.parse(text).epoch or f"{card['epochs']:g}"
    trained = card["task"] != UNTRAINED
    data = card.get("data", {})
    return replace(
        base,
        trained_on=f"{data['name']}: {data['molecules']:,} molecules, {card['target']} "
        f"in {card['unit']}{', forces' * ('geometries' in data)}, epochs: {epoch}"
        if trained else NOTHING,
        elements=tuple(data.get("elements", _ELEMENTS)) if trained else None,
        layers=card["layers"],
        parameters=card["parameters"],
        weights="in this package, or where they were trained" if trained else RANDOM,
        licence=card["licence"],
    )  # fmt: skip


ABOUT = {"zoo/": _about}


def _weights(name: Name, text: str, file: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Tensors of a model, from a file or from where they are, checked against the card."""
    folder, card = _folder(name, text), read_card(text)
    if folder.name == STOPPED and not name.epoch:
        kept = ", ".join(f"{name.model}@{row['epoch']:g}" for row in card["checkpoints"])
        raise ValueError(
            f"the training of {text!r} was stopped after {card['epochs']:g} of "
            f"{card['recipe']['epochs']} epochs; load {kept}, or train on with: "
            f"{name.command}"
        )
    if name.epoch:
        epochs = [f"{c['epoch']:g}" for c in card.get("checkpoints", [])]
        if name.epoch not in epochs:
            raise ValueError(unknown(f"epoch of {name.model!r}:", name.epoch, epochs))
    path = Path(file) if file else _found(name, folder)
    if path is None or not path.is_file():
        raise ValueError(
            f"{name.file} is not {'at ' + str(path) if path else 'here'}: an installed package "
            "holds the final weights of seed 0 for the gap and the energy; a clone of the "
            "repository has all. Let CPDKIT_ZOO name its folder cpdkit/zoo/weights, put the file "
            f"into {own_directory()}, name it as in zoo/{text}[weights=FILE], or make it again "
            f"with: {name.command}"
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != card["sha256"].get(name.file):
        raise ValueError(
            f"{path} is damaged: its SHA-256 is not the one in its card; install cpdkit again, "
            f"or make it again with: {name.command}"
        )
    every = load(content)
    if not name.epoch:
        return every
    prefix = f"{name.epoch}/"
    weights = {k.removeprefix(prefix): v for k, v in every.items() if k.startswith(prefix)}
    if not weights:
        kept = ", ".join(f"{name.model}@{epoch}" for epoch in kept_epochs(text))
        raise ValueError(
            f"{path} does not hold epoch {name.epoch}, to save space; load {kept}, or make all "
            f"again with: {name.command}"
        )
    return weights


def _found(name: Name, folder: Path | None = None) -> Path | None:
    """A file of weights: beside its card, or, as a wheel does not have all, elsewhere."""
    homes = (folder or _PACKAGED, own_directory(), own_directory() / STOPPED)
    return next((home / name.file for home in homes if (home / name.file).is_file()), None)


def _fill(module: torch.nn.Module, weights: Mapping[str, torch.Tensor], text: str) -> None:
    """Copy `weights` into `module`; those it does not name stay as built."""
    places = dict(module.named_parameters()) | dict(module.named_buffers())
    strange = sorted(set(weights) - set(places))
    if strange:
        raise ValueError(
            f"zoo model {text!r} does not fit the installed libraries: no place for {strange[:5]}. "
            f"Its card says which versions it was trained with."
        )
    with torch.no_grad():
        for key, value in weights.items():
            if places[key].shape != value.shape:
                raise ValueError(
                    f"zoo model {text!r} does not fit the installed libraries: {key} has shape "
                    f"{tuple(places[key].shape)} here and {tuple(value.shape)} in the file."
                )
            places[key].copy_(value)


def load_model(
    text: str, *, dtype: str = "float32", weights: str | os.PathLike[str] = ""
) -> ZooModel:
    """A trained model with its readout.

    Parameters
    ----------
    text : str
        Name such as ``"painn-gap-0"``; with ``"@1"`` its weights after one epoch.
    dtype : {"float32", "float64"}
        Precision.
    weights : path, optional
        The file of its weights, where it lies neither in the package nor in ``$CPDKIT_ZOO``. It
        is checked against the card.

    Returns
    -------
    ZooModel
        With :meth:`ZooModel.predict` for molecules and :attr:`ZooModel.encoder` for features.

    Raises
    ------
    ValueError
        If there is no such model, it was never trained, or its file is damaged.
    """
    name = Name.parse(text)
    if name.task == UNTRAINED:
        raise ValueError(
            f"{text!r} was not trained to predict anything; use load_encoder('zoo/{text}')."
        )
    tensors = _weights(name, text, weights)
    encoder = build_encoder(name.architecture, seed=name.seed, dtype=dtype)
    model = ZooModel(encoder, TASKS[name.task], seed=name.seed)
    _fill(model, tensors, text)
    model.requires_grad_(False)
    # Composition was fitted to the training molecules: others than theirs have no offset.
    encoder.trained_elements = frozenset(model.offsets.nonzero().flatten().tolist())
    _name_and_silence(encoder, text)
    return model


def zoo_encoder(text: str, *, dtype: str = "float32", weights: str = "") -> Encoder:
    """The encoder of a zoo model, as ``load_encoder("zoo/painn-gap-0")`` gives it.

    Parameters
    ----------
    text : str
        Name without ``"zoo/"``; the task may be ``untrained``.
    dtype : {"float32", "float64"}
        Precision.
    weights : str, optional
        The file of its weights, as for :func:`load_model`.

    Raises
    ------
    ValueError
        If there is no such model, its weights are not here, or their file is damaged.
    """
    name = Name.parse(text)
    if name.task != UNTRAINED:
        return load_model(text, dtype=dtype, weights=weights).encoder
    tensors = _weights(name, text, weights)
    encoder = build_encoder(name.architecture, seed=name.seed, dtype=dtype)
    _fill(encoder.model, tensors, text)
    _name_and_silence(encoder, text)
    return encoder


def _name_and_silence(encoder: Encoder, text: str) -> None:
    """Name the encoder; its library's own readout was never trained, so it must not answer."""

    def energy(_graphs: object) -> NoReturn:
        raise NotImplementedError(
            f"the readout of {text!r} is the zoo's: cpdkit.zoo.load_model({text!r}).predict(atoms)."
        )

    encoder.name = f"zoo/{text}"
    encoder.energy = energy  # type: ignore[attr-defined]
