"""Bring your own model: hooks on any module, and what they say when they miss."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
from ase.build import bulk, molecule

torch = pytest.importorskip("torch")

from molecules import molecules, rotation  # noqa: E402

import cpdkit.encoders as package  # noqa: E402
from cpdkit.encoders import ModuleEncoder, load_encoder, register_encoder  # noqa: E402
from cpdkit.extraction.extract import extract  # noqa: E402


class Block(torch.nn.Module):
    """Sums unit vectors to neighbours into vectors, their number into scalars: an update."""

    def forward(self, state, batch):
        i, _ = batch.edges
        unit = batch.vectors / batch.vectors.norm(dim=1, keepdim=True)
        both = torch.cat([torch.ones_like(unit[:, :1]), unit], dim=1)
        return torch.zeros_like(state).index_add_(0, i, both)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.unused = Block(), Block(), torch.nn.Linear(2, 2)

    def forward(self, batch):
        state = torch.zeros(len(batch.numbers), 4, dtype=batch.vectors.dtype)
        state = state + self.first(state, batch)
        return state + self.second(state, batch)


def build(hooks, **options):
    options = {"name": "mine", "cutoff": 3.0, "dtype": "float64", **options}
    return ModuleEncoder(Model(), hooks, lambda model, batch: model(batch), **options)


def test_hooked_outputs_are_pooled_and_labelled():
    encoder = build({"second": "1x0e+1x1o", "first": "1x0e+1x1o"})
    water = molecule("H2O")
    rep = extract(encoder, water, progress=False)
    assert rep.layers == ("second", "first")
    distances = water.get_all_distances()
    neighbours = ((distances < 3.0) & (distances > 0)).sum(1).mean()
    assert np.allclose(rep.select(layer="first", l=0).values, neighbours)
    turned = water.copy()
    turned.positions = water.positions @ rotation(0).T
    other = extract(encoder, turned, progress=False)
    assert np.allclose(other.vectors(l=1), rep.vectors(l=1) @ rotation(0).T, atol=1e-12)


def test_read_turns_updates_into_states():
    mols = molecules(4)
    states = build({"second": "1x0e+1x1o"}, read=lambda inputs, output: inputs[0] + output)
    update = build({"second": "1x0e+1x1o"})
    a, b = (extract(e, mols, progress=False).values for e in (states, update))
    assert np.allclose(a, 2 * b)


def test_a_misspelt_hook_lists_the_nearest_modules():
    with pytest.raises(ValueError, match="Model has no submodule 'secnd'; nearest names: 'second'"):
        build({"secnd": "4x0e"})


def test_a_hook_that_never_fires_lists_other_modules():
    encoder = build({"unused": "2x0e"})
    with pytest.raises(ValueError, match="'unused' fired 0 times .* nearest names: .*'second'"):
        extract(encoder, molecule("H2O"), progress=False)


def test_a_hook_that_fires_twice_is_refused():
    encoder = build({"first": "1x0e+1x1o"})
    encoder._call = lambda model, batch: (model(batch), model(batch))
    with pytest.raises(ValueError, match="'first' fired 2 times"):
        extract(encoder, molecule("H2O"), progress=False)


def test_hooks_are_gone_after_a_failure():
    encoder = build({"first": "1x0e+1x1o"})

    def fails(model, batch):
        raise RuntimeError("inside")

    encoder._call = fails
    with pytest.raises(RuntimeError, match="inside"):
        extract(encoder, molecule("H2O"), progress=False)
    assert not any(m._forward_hooks for m in encoder.model.modules())


def test_irreps_must_fit_the_output():
    with pytest.raises(
        ValueError, match=r"shape \(3, 4\) for layer 'first'; \(3, 5\) were expected"
    ):
        extract(build({"first": "5x0e"}), molecule("H2O"), progress=False)


def test_another_graph_may_be_given():
    linear = torch.nn.Sequential(torch.nn.Linear(1, 2))
    encoder = ModuleEncoder(
        linear,
        {"0": "2x0e"},
        lambda model, graphs: model(torch.cat(graphs)),
        name="numbers",
        check=False,
        graph=lambda atoms: torch.tensor(atoms.numbers[:, None], dtype=torch.float32),
    )
    rep = extract(encoder, molecules(3), progress=False)
    assert rep.features.shape == (3, 2)


def test_it_can_be_registered_and_loaded_by_name(monkeypatch):
    monkeypatch.setattr(package, "_REGISTRY", dict(package._REGISTRY))
    register_encoder("mine", lambda *, cutoff=3.0: build({"first": "1x0e+1x1o"}, cutoff=cutoff))
    encoder = load_encoder("mine", cutoff=2.0)
    assert encoder.cutoff == 2.0
    assert extract(encoder, molecules(3), progress=False).features.shape == (3, 2)


def test_a_prefix_alone_is_answered():
    with pytest.raises(ValueError, match="'mace:' needs what it stands for"):
        load_encoder("mace:")


class Stream(torch.nn.Module):
    """A residual stream that is changed in place, and gives its state twice in a tuple."""

    def __init__(self):
        super().__init__()
        self.embed, self.act = torch.nn.Embedding(20, 4), torch.nn.ReLU(inplace=True)
        self.tied = self.embed

    def forward(self, batch):
        state = self.embed(batch.numbers)
        self.act(state)
        state += 1
        return state


def stream(hooks=None, **options):
    torch.manual_seed(0)
    options = {
        "name": "stream",
        "check": False,
        "read": None,
        "call": lambda m, batch: m(batch),
        **options,
    }
    return ModuleEncoder(Stream(), hooks or {"embed": "4x0e"}, **options)


def test_what_a_hook_read_is_not_changed_in_place_later():
    encoder = stream()
    values = extract(encoder, molecule("CH4"), progress=False).values
    weight = encoder.model.embed.weight.numpy()
    assert np.allclose(values[0], (weight[6] + 4 * weight[1]) / 5, atol=1e-6)
    assert values.min() < 0  # neither rectified nor moved


def test_the_model_of_the_user_stays_as_it_is():
    model = Stream().double().train()
    first = ModuleEncoder(
        model, {"embed": "4x0e"}, lambda m, b: m(b), name="a", dtype="float64", check=False
    )
    single = ModuleEncoder(model, {"embed": "4x0e"}, lambda m, b: m(b), name="b", check=False)
    before = extract(first, molecule("CH4"), progress=False).values
    weight = model.embed.weight
    assert model.training
    assert weight.dtype == torch.float64
    assert weight.requires_grad
    assert single.model.embed.weight.dtype == torch.float32
    with torch.no_grad():
        weight += 1
    assert np.array_equal(extract(first, molecule("CH4"), progress=False).values, before)


def test_functions_that_differ_are_told_apart(tmp_path):
    def times(factor):
        return lambda inputs, output: factor * output  # a closure

    reads = [
        None,
        lambda inputs, output: 2 * output,
        lambda inputs, output: output + output,
        lambda inputs, output, factor=3.0: factor * output,
        lambda inputs, output, factor=4.0: factor * output,
        times(5.0),
        times(np.float32(6.0)),
        functools.partial(lambda factor, inputs, output: factor * output, 7.0),
    ]
    encoders = [stream(read=read) for read in reads]
    assert len({encoder.fingerprint for encoder in encoders}) == len(reads)
    assert stream(read=times(5.0)).fingerprint == encoders[5].fingerprint
    assert stream(options={"epoch": 1}).fingerprint != stream(options={"epoch": 2}).fingerprint
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the store itself would notice, and say so
        kept = [extract(e, molecules(4), store=tmp_path, progress=False).values for e in encoders]
    for values, factor in zip(kept, [1, 2, 2, 3, 4, 5, 6, 7], strict=True):
        assert np.allclose(values, factor * kept[0])


def test_a_fingerprint_sees_more_than_one_structure_encoded_again(tmp_path):
    """A store checks the largest structure of a shard, to rounding; these differ elsewhere."""
    mols = molecules(6)
    largest = max(map(len, mols))
    reads = [
        lambda inputs, output: output,
        lambda inputs, output: 1.0005 * output,
        lambda inputs, output: output if len(output) == largest else 2 * output,
    ]
    for read in reads:
        encoder = stream(read=read)
        kept = extract(encoder, mols, batch_size=1, store=tmp_path, progress=False).values
        assert np.array_equal(kept, extract(encoder, mols, batch_size=1, progress=False).values)


def test_any_function_can_be_described():
    def memo(inputs, output, seen={}):  # noqa: B006
        seen[len(seen)] = len(output)
        return output

    def loop(inputs, output):
        return output if loop is not None else None

    relu, nested = torch.Tensor.relu, ()
    for _ in range(3000):
        nested = (nested,)
    for read in (memo, loop, lambda i, o: relu(o), lambda i, o, deep=nested: o):
        encoder = stream(read=read)
        before = encoder.fingerprint
        extract(encoder, molecule("CH4"), progress=False)
        assert stream(read=read).fingerprint == before


def test_a_model_that_keeps_what_it_computed_can_be_copied():
    class Keeps(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(20, 4)

        def forward(self, numbers):
            self.last = self.embed(numbers)
            return self.last

    model = Keeps()
    model(torch.tensor([1]))
    call = lambda model, batch: model(batch.numbers)  # noqa: E731
    encoder = ModuleEncoder(model, {"embed": "4x0e"}, call, name="keeps", check=False)
    assert extract(encoder, molecule("CH4"), progress=False).values.shape == (1, 4)
    assert model.last.requires_grad
    model.more = [2 * model.last]  # deeper than we look
    with pytest.raises(TypeError, match="Keeps cannot be copied: .+ detach them first"):
        ModuleEncoder(model, {"embed": "4x0e"}, call, name="keeps")


def test_running_another_model_than_the_given_one_is_explained():
    own = Stream()
    encoder = ModuleEncoder(own, {"embed": "4x0e"}, lambda _, batch: own(batch), name="own")
    with pytest.raises(ValueError, match=r"fired 0 times .+ Is it the model that call= was given"):
        extract(encoder, molecule("CH4"), progress=False)


def test_a_model_may_differentiate_its_energy():
    class Forces(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.out = torch.nn.Identity()

        def forward(self, batch):
            with torch.enable_grad():
                positions = batch.positions.requires_grad_()
                energy = ((positions**2).sum(1) ** 2).sum()
                return self.out(torch.autograd.grad(energy, positions, create_graph=True)[0])

    encoder = ModuleEncoder(
        Forces(), {"out": "1x1o"}, lambda m, batch: m(batch), name="forces", dtype="float64"
    )
    mols = molecules(3)
    vectors = extract(encoder, mols, progress=False).vectors(l=1)[:, 0]
    about = [m.positions - m.positions.mean(0) for m in mols]
    assert np.allclose(vectors, [(4 * (r**2).sum(1) @ r) / len(r) for r in about])


def test_wrong_arguments_are_told_at_once():
    with pytest.raises(TypeError, match="maps names of submodules to irreps"):
        stream(hooks=["embed"])
    with pytest.raises(TypeError, match="call must be a function"):
        stream(call=None)
    with pytest.raises(TypeError, match="'embed' gave a tuple, not a tensor; .* read="):
        extract(stream(read=lambda i, o: (o, o)), molecule("CH4"), progress=False)
    twice = stream(call=lambda m, batch: (m(batch), m(batch)))
    with pytest.raises(ValueError, match="fired 2 times .* something that runs once"):
        extract(twice, molecule("CH4"), progress=False)


def test_a_tied_module_is_found_by_either_name():
    one, other = (extract(stream(hooks={n: "4x0e"}), molecule("CH4"), progress=False)
                  for n in ("embed", "tied"))  # fmt: skip
    assert np.array_equal(one.values, other.values)


class Vectors(torch.nn.Module):
    """Two channels of scalars and of vectors from edges; `write` lays them out."""

    def __init__(self, write):
        super().__init__()
        self.out, self.write = torch.nn.Identity(), write

    def forward(self, batch):
        i, j = batch.edges
        reach = torch.exp(-batch.vectors.norm(dim=1))[:, None] * (1 + batch.numbers[j, None] % 3)
        weights = torch.cat([reach, reach**2], dim=1)
        scalars = torch.zeros(len(batch.numbers), 2).to(weights).index_add_(0, i, weights)
        each = weights[:, :, None] * batch.vectors[:, None, :]
        vectors = torch.zeros(len(batch.numbers), 2, 3).to(each).index_add_(0, i, each)
        return self.out(self.write(scalars, vectors))


def written(write, irreps="2x0e+2x1o", **options):
    options = {"name": "written", "cutoff": 4.0, **options}
    return ModuleEncoder(Vectors(write), {"out": irreps}, lambda m, batch: m(batch), **options)


def right(scalars, vectors):
    return torch.cat([scalars, vectors.flatten(1)], dim=1)


CRYSTAL = bulk("NaCl", "rocksalt", a=5.64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("structures", [molecules(4), [molecule("CH4")], [CRYSTAL, molecule("N2")]])
def test_a_model_that_does_what_its_labels_say_passes(dtype, structures):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extract(written(right, dtype=dtype), structures, progress=False)


def tensor(order):
    """Traceless symmetric products of vectors with themselves: five components each."""

    def write(scalars, vectors):
        x, y, z = vectors.unbind(2)
        root = 3**0.5
        parts = [x * y * root, y * z * root, z * z - (x * x + y * y) / 2, x * z * root]
        five = torch.stack([*parts, (x * x - y * y) * root / 2], dim=2)
        return (five if order else five.swapaxes(1, 2)).flatten(1)

    return write


WRONG = [
    ("2x0e+2x1o", lambda s, v: torch.cat([s, v.swapaxes(1, 2).flatten(1)], dim=1),
     r"2x1o of layer 'out' does not turn.*\(atoms, 3, channels\).*swap the last two axes"),
    ("2x0e+2x1o", lambda s, v: right(s, v[..., [1, 2, 0]]), "its components stand as y, z, x"),
    ("2x0e+2x1o", lambda s, v: torch.cat([s, v[..., [1, 2, 0]].swapaxes(1, 2).flatten(1)], dim=1),
     "swap the last two axes before flattening; its components stand as y, z, x"),
    ("2x1o+2x0e", right, "2x1o of layer 'out' .* its columns are others than the irreps say"),
    ("8x0e", right, "8x0e of layer 'out' .* are there vectors or tensors among these scalars"),
    ("6x0e", lambda s, v: v.flatten(1), r"these are vectors, \(atoms, channels, 3\), and not"),
    ("6x0e", lambda s, v: v.swapaxes(1, 2).flatten(1), r"vectors, \(atoms, 3, channels\), and not"),
    ("2x2e", tensor(order=False), r"2x2e .* looks like \(atoms, 5, channels\)"),
    ("2x0e", lambda s, v: v[..., 0], "2x0e .* changes when .* read positions or axes of space"),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("irreps", "write", "message"), WRONG)
def test_features_that_do_not_turn_are_refused_and_the_reason_named(irreps, write, message, dtype):
    with pytest.raises(ValueError, match=f"(?s)encoder 'written': .*{message}"):
        extract(written(write, irreps, dtype=dtype), molecules(4), progress=False)
    extract(written(write, irreps, check=False), molecules(4), progress=False)


def test_tensors_in_their_place_pass():
    extract(written(tensor(order=True), "2x2e"), molecules(4), progress=False)


def test_a_structure_must_not_see_the_others_of_its_batch():
    def mixed(scalars, vectors):
        return right(scalars - scalars.mean(0), vectors)

    with pytest.raises(ValueError, match="depend on the others in its batch; batch.structure"):
        extract(written(mixed), molecules(4), progress=False)


def test_chance_is_noticed():
    def random(scalars, vectors):
        return right(scalars * torch.rand_like(scalars), vectors)

    with pytest.raises(ValueError, match="differ from pass to pass"):
        extract(written(random), molecules(4), progress=False)


def test_zeros_and_missing_geometry_are_remarked_on():
    with pytest.warns(UserWarning, match="2x1o of layer 'out' is zero for all atoms"):
        extract(written(lambda s, v: right(s, 0 * v)), molecules(4), progress=False)
    with (
        pytest.warns(UserWarning, match="is zero for all atoms"),
        pytest.warns(UserWarning, match="no geometry .edges reach cutoff=0.4 Angstrom"),
    ):
        extract(written(right, cutoff=0.4), molecules(4), progress=False)
    embedding = stream(check=True)
    with pytest.warns(UserWarning, match="they hold composition and no geometry .no cutoff= was"):
        extract(embedding, molecules(4), progress=False)


def test_a_parity_that_is_written_wrongly_is_remarked_on():
    with pytest.warns(UserWarning, match="2x1e of layer 'out' behaves as 2x1o when the molecule"):
        extract(written(right, "2x0e+2x1e"), molecules(4), progress=False)
    with pytest.warns(UserWarning, match="2x0o of layer 'out' behaves as 2x0e"):
        extract(written(lambda s, v: s, "2x0o"), molecules(4), progress=False)

    def of_no_parity(scalars, vectors):  # as networks with rotations only have them
        crossed = torch.linalg.cross(vectors, vectors.roll(1, 1) * scalars[..., None])
        return (vectors + crossed).flatten(1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extract(written(of_no_parity, "2x1e"), molecules(4), progress=False)


def test_weights_that_are_no_numbers_are_not_blamed_on_a_molecule():
    with pytest.raises(ValueError, match="'out' is not finite for any atom; are all weights num"):
        extract(written(lambda s, v: s * torch.nan, "2x0e"), molecules(4), progress=False)
    encoder = load_encoder("painn-untrained")
    next(encoder.model.parameters()).data.fill_(torch.nan)
    with pytest.raises(ValueError, match="the model has weights that are not finite"):
        extract(encoder, molecules(4), progress=False)


def test_energies_are_of_graphs():
    encoder = load_encoder("painn-untrained")
    assert encoder.energy([encoder.graph(atoms) for atoms in molecules(4)]).shape == (4,)
    with pytest.raises(TypeError, match="expected, got Atoms; encoder.graph"):
        encoder.energy(molecules(4))


def test_the_check_is_made_once():
    encoder, passes = written(right), []
    encoder.model.register_forward_hook(lambda *_: passes.append(1))
    extract(encoder, molecules(4), progress=False)
    first = len(passes)
    extract(encoder, molecules(4), progress=False)
    assert first > 1
    assert len(passes) == first + 1


@pytest.mark.parametrize("part", ["edges", "vectors", "shifts"])
def test_a_model_that_needs_edges_needs_a_cutoff(part):
    call = lambda model, batch: (getattr(batch, part), model(batch))  # noqa: E731
    encoder = ModuleEncoder(Model(), {"first": "1x0e+1x1o"}, call, name="no cutoff")
    with pytest.raises(ValueError, match=f"reads batch.{part}, but there are no edges without cut"):
        extract(encoder, molecule("H2O"), progress=False)


def test_what_call_was_given_is_told_when_it_fails():
    def transposed(model, batch):
        i, j = batch.edges.T
        return model(batch)

    encoder = ModuleEncoder(Model(), {"first": "1x0e+1x1o"}, transposed, name="T", cutoff=3.0)
    message = r"call= failed in Model: ValueError: .*unpack.* 3 atoms of 1 structures, elements H O"
    with pytest.raises(RuntimeError, match=message + r"; edges of shape \(2, 6\).* edges.T"):
        extract(encoder, molecule("H2O"), progress=False)
    small = ModuleEncoder(
        torch.nn.Sequential(torch.nn.Embedding(5, 4)), {"0": "4x0e"},
        lambda model, batch: model(batch.numbers), name="small",
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="IndexError: index out of range.*no edges, for want of"):
        extract(small, molecule("H2O"), progress=False)


class Residual(torch.nn.Module):
    """Blocks that change tensors in place, before or after, or run more than once."""

    def __init__(self, how):
        super().__init__()
        self.how, self.block = how, Step(how)

    def forward(self, batch):
        state = {"x": batch.positions.norm(dim=1, keepdim=True).expand(-1, 4).clone()}
        if self.how == "views":
            out = self.block(state)
            state["x"] += 7  # the block returned a view of it
        elif self.how == "twice":
            out = self.block({"x": self.block(state)})
        elif self.how == "loop":
            out = state["x"]
            for _ in range(3):
                out = self.block({"x": out})
        else:
            out = self.block(state)
        return out


class Step(torch.nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how, self.linear = how, torch.nn.Linear(4, 4)

    def forward(self, state):
        if self.how == "views":
            return state["x"][:, :4]
        update = torch.tanh(self.linear(state["x"]))
        if self.how == "in place":
            state["x"] += update
        elif self.how == "entry":
            state["x"] = state["x"] + update
        return update


def residual(how, **options):
    torch.manual_seed(0)
    options = {"name": how, "check": False, **options}
    return ModuleEncoder(Residual(how), {"block": "4x0e"}, lambda m, b: m(b), **options)


def test_blocks_that_run_twice_are_refused():
    for how, times in (("twice", 2), ("loop", 3)):
        with pytest.raises(ValueError, match=f"'block' fired {times} times in one forward pass"):
            extract(residual(how), molecules(3), progress=False)


def test_views_that_change_later_are_read_as_they_were():
    mols = molecules(3)
    got = extract(residual("views"), mols, progress=False).values
    radii = [np.linalg.norm(m.positions - m.positions.mean(0), axis=1).mean() for m in mols]
    assert np.allclose(got, np.array(radii)[:, None], atol=1e-5)


def test_inputs_are_read_as_they_were_or_refused():
    mols = molecules(3)
    state = lambda inputs, output: inputs[0]["x"] + output  # noqa: E731
    expected = extract(residual("update", read=state), mols, progress=False).values
    entry = extract(residual("entry", read=state), mols, progress=False).values
    assert np.allclose(entry, expected, atol=1e-6)  # the block put a new tensor into the dict
    with pytest.raises(ValueError, match="'block' changes its inputs in place"):
        extract(residual("in place", read=state), mols, progress=False)
    outputs = lambda inputs, output: 1 * output  # noqa: E731
    plain = extract(residual("update", read=outputs), mols, progress=False).values
    changed = extract(residual("in place", read=outputs), mols, progress=False).values
    assert np.allclose(changed, plain, atol=1e-6)  # nobody looked at the inputs


def test_a_read_that_fails_is_named():
    with pytest.raises(ValueError, match="read= failed on 'block', IndexError.*given 1 inputs"):
        extract(residual("update", read=lambda i, o: i[3]), molecules(2), progress=False)


def test_a_block_with_three_axes_is_answered_with_how_to_flatten_it():
    class Vectors(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Identity()

        def forward(self, batch):
            return self.first(batch.positions[:, None, :].expand(-1, 4, 3))

    encoder = ModuleEncoder(
        Vectors(), {"first": "4x1o"}, lambda model, batch: model(batch), name="mine", cutoff=3.0
    )
    with pytest.raises(ValueError, match=r"shape \(\d+, 4, 3\).*last two axes to \(channel, comp"):
        extract(encoder, molecules(2), progress=False)
