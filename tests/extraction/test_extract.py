"""What holds for extraction whatever the encoder."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk, molecule

torch = pytest.importorskip("torch")

from molecules import molecules  # noqa: E402

from cpdkit.datasets import AtomsSequence, Dataset  # noqa: E402
from cpdkit.encoders import load_encoder  # noqa: E402
from cpdkit.encoders._base import Encoder, Layer  # noqa: E402
from cpdkit.extraction import check_encoders, extract  # noqa: E402
from cpdkit.representation import Representation  # noqa: E402


@pytest.fixture(scope="module")
def aev():
    return load_encoder("ani2x-aev", dtype="float64")


def as_dataset(structures, name="made"):
    return Dataset(
        name=name,
        split="test",
        atoms=AtomsSequence.from_atoms(structures),
        targets=pd.DataFrame({"n": [len(a) for a in structures]}),
        units={"n": "1"},
        ids=np.array([f"id-{i}" for i in range(len(structures))]),
    )


class Positions(Encoder):
    """Atomic number and position: what pooling should give is then known exactly."""

    def __init__(self, **options):
        super().__init__(
            name="positions",
            model=torch.nn.Module(),
            layers=[Layer("only", "1x0e+1x1o")],
            dtype="float64",
            **options,
        )
        self.batches = []

    def graph(self, atoms):
        return atoms

    def forward(self, graphs):
        self.batches.append([len(a) for a in graphs])
        rows = [np.hstack([a.numbers[:, None], a.positions]) for a in graphs]
        return [torch.from_numpy(np.concatenate(rows))]


def test_pooling_is_mean_or_sum_over_atoms_in_the_order_of_the_structures():
    mols = molecules(40)
    mean = extract(Positions(), mols, batch_size=7, progress=False)
    total = extract(Positions(), mols, pooling="sum", batch_size=3, progress=False)
    for row, m in enumerate(mols):
        expected = np.hstack([m.numbers.mean(), m.positions.mean(0)])
        assert np.allclose(mean.values[row], expected, rtol=1e-12, atol=1e-12)
        assert np.allclose(total.values[row], expected * len(m), rtol=1e-12, atol=1e-12)
    assert [b.pooling for b in total.blocks] == ["sum", "sum"]


def test_mean_times_number_of_atoms_is_the_sum(aev):
    mols = molecules(15)
    mean = extract(aev, mols, progress=False)
    total = extract(aev, mols, pooling="sum", progress=False)
    assert np.allclose(mean.values * mean.n_atoms[:, None], total.values, rtol=1e-12, atol=1e-12)


def test_element_means_are_means_over_the_atoms_of_each_element():
    mols = [molecule(n) for n in ("CH4", "H2O", "CO2", "CH3OH")]
    rep = extract(Positions(), mols, pooling="element_mean", batch_size=3, progress=False)
    assert sorted({b.element for b in rep.blocks}) == [1, 6, 8]
    for block in rep.blocks:
        for row, m in enumerate(mols):
            own = m.numbers == block.element
            rows = np.hstack([m.numbers[own][:, None], m.positions[own]])
            expected = rows.mean(axis=0) if own.any() else np.zeros(4)
            expected = expected[:1] if block.l == 0 else expected[1:]
            assert np.allclose(rep.values[row, block.columns], expected)


def test_element_means_and_counts_give_back_the_sum(aev):
    mols = molecules(10)
    total = extract(aev, mols, pooling="sum", progress=False).values
    rep = extract(aev, mols, pooling="element_mean", progress=False)
    again = np.zeros_like(total)
    for block in rep.blocks:
        counts = np.array([(m.numbers == block.element).sum() for m in mols])
        again += counts[:, None] * rep.values[:, block.columns]
    assert np.allclose(again, total, rtol=1e-12, atol=1e-12)


def test_mean_of_norms_is_not_the_norm_of_the_mean():
    mols = molecules(10)
    rep = extract(Positions(), mols, pooling=("mean", "mean_norm"), progress=False)
    # Scalars are not repeated.
    assert [(b.pooling, b.l, b.kind) for b in rep.blocks] == [
        ("mean", 0, "component"),
        ("mean", 1, "component"),
        ("mean_norm", 1, "norm"),
    ]
    norms = rep.select(pooling="mean_norm")
    expected = [np.linalg.norm(m.positions, axis=1).mean() for m in mols]
    assert np.allclose(norms.features[:, 0], expected)
    assert (norms.features > rep.select(l=1, pooling="mean").features).all()
    assert rep.channels["kind"].tolist() == ["scalar", "norm of pooled", "pooled norm"]
    with pytest.raises(ValueError, match="holds norms of l=1"):
        norms.vectors(l=1)
    alone = extract(Positions(), mols, pooling="mean_norm", progress=False)
    assert np.allclose(alone.features[:, 0], [m.numbers.mean() for m in mols])
    with pytest.raises(ValueError, match="pooling='sum'; there is: .* pooled by 'mean'"):
        rep.select(pooling="sum")


def test_several_poolings_equal_each_alone(aev):
    mols = molecules(6)
    names = ("sum", "element_mean", "mean")
    rep = extract(aev, mols, pooling=names, progress=False)
    for name in names:
        alone = extract(aev, mols, pooling=name, progress=False)
        assert np.array_equal(rep.select(pooling=name).values, alone.values)
    for wrong in ([], ["mean", "mean"]):
        with pytest.raises(ValueError, match="one or more different names"):
            extract(aev, mols, pooling=wrong)


def test_blocks_owned_by_an_element_are_averaged_over_it_alone():
    class Owned(Positions):
        def __init__(self):
            Encoder.__init__(
                self,
                name="owned",
                model=torch.nn.Module(),
                layers=[Layer("only", "1x0e+2x0e", owners=(1, 8))],
                dtype="float64",
            )

        def forward(self, graphs):
            numbers = torch.from_numpy(np.concatenate([a.numbers for a in graphs]))
            values = torch.zeros(len(numbers), 3, dtype=torch.float64)
            values[numbers == 1, 0] = 5.0
            values[numbers == 8, 1:] = 7.0
            return [values]

    mols = [molecule("H2O"), molecule("CH3OH"), molecule("CH4")]
    rep = extract(Owned(), mols, pooling=("mean", "element_mean"), progress=False)
    assert rep.select(pooling="mean").values[:, 0] == pytest.approx([10 / 3, 20 / 6, 4.0])
    own = rep.select(pooling="element_mean")
    assert [(b.element, b.mul) for b in own.blocks] == [(1, 1), (8, 2)]
    assert own.values.tolist() == [[5, 7, 7], [5, 7, 7], [5, 0, 0]]
    with pytest.raises(ValueError, match="2 terms in 1x0e.2x0e but 1 owners"):
        Layer("only", "1x0e+2x0e", owners=(1,))


def test_batches_do_not_change_results_and_respect_their_limits(aev):
    mols = molecules(25)
    reference = extract(aev, mols, progress=False).values
    for batch_size, max_atoms in [(1, 1000), (3, 1000), (1000, 20), (1000, 1)]:
        got = extract(aev, mols, batch_size=batch_size, max_atoms=max_atoms, progress=False)
        assert np.allclose(got.values, reference, rtol=1e-12, atol=1e-12)
    encoder = Positions()
    extract(encoder, mols, batch_size=4, max_atoms=20, progress=False)
    assert all(len(b) <= 4 and (sum(b) <= 20 or len(b) == 1) for b in encoder.batches)
    assert sum(encoder.batches, []) == sorted((len(m) for m in mols), reverse=True)


def test_a_data_set_and_its_structures_give_the_same_and_metadata_say_which(aev):
    mols = molecules(8)
    dataset = as_dataset(mols)
    rep = extract(aev, dataset, progress=False)
    assert np.array_equal(rep.values, extract(aev, mols, progress=False).values)
    assert np.array_equal(rep.values, extract(aev, iter(mols), progress=False).values)
    assert rep.metadata["dataset"] == "made (test)"
    assert rep.metadata["dataset_fingerprint"] == dataset.fingerprint
    assert rep.metadata["encoder_fingerprint"] == aev.fingerprint
    assert rep.metadata["pooling"] == "mean"


def test_one_structure_may_be_given_alone(aev):
    rep = extract(aev, molecule("CH4"), progress=False)
    assert rep.features.shape == (1, 1008)


def test_save_and_load_round_trip(aev, tmp_path):
    rep = extract(aev, molecules(5), progress=False)
    back = Representation.load(rep.save(tmp_path / "a.safetensors"))
    assert np.array_equal(back.features, rep.features)
    assert back.metadata == rep.metadata


def test_float32_is_the_default_precision():
    rep = extract(load_encoder("ani2x-aev"), molecules(2), progress=False)
    assert rep.values.dtype == np.float32


def test_progress_is_shown_unless_switched_off(aev, capfd):
    extract(aev, molecules(3), progress=False)
    assert capfd.readouterr().err == ""
    extract(aev, molecules(3))
    assert "ani2x-aev: 100%" in capfd.readouterr().err


def test_an_unknown_element_names_structure_element_and_range(aev):
    silane = molecule("SiH4")
    dataset = as_dataset([molecule("H2O"), silane])
    with pytest.raises(ValueError, match=r"structure 1 \(id-1\), H4Si, has Si, .* H, C, N, O, F"):
        extract(aev, dataset, progress=False)


def test_all_encoders_of_a_list_are_checked_before_the_first_is_run(aev):
    silane = [molecule("H2O"), molecule("SiH4")]
    loaded = check_encoders(["random", aev, "painn-untrained[seed=3]"], molecules(3))
    assert [encoder.name for encoder in loaded] == [
        "random", "ani2x-aev", "painn-untrained[seed=3]",
    ]  # fmt: skip
    assert check_encoders("random", silane)[0].name == "random"
    wrong = "(?s)structure 1, H4Si, .* 'ani2x-aev' .*\nstructure 1, H4Si, .* 'zoo/schnet-gap-0' "
    with pytest.raises(ValueError, match=wrong):
        check_encoders(["random", aev, "zoo/schnet-gap-0", "painn-untrained"], silane)


@pytest.mark.parametrize("name", ["random", "soap"])
def test_ghost_atoms_are_refused(name):
    ghost = molecule("H2O") + Atoms("X", [[0, 0, 3]])
    with pytest.raises(ValueError, match="in structure 1 .*a ghost atom"):
        extract(load_encoder(name), [molecule("H2O"), ghost], progress=False)


def test_nothing_to_encode_is_an_error(aev):
    with pytest.raises(ValueError, match="data set is empty"):
        extract(aev, [], progress=False)
    with pytest.raises(ValueError, match="data set is empty"):
        extract(aev, as_dataset([]), progress=False)
    with pytest.raises(ValueError, match="structure 1 has no atoms"):
        extract(aev, [molecule("H2O"), Atoms()], progress=False)


def test_features_that_are_not_finite_name_the_structure():
    class Broken(Positions):
        def forward(self, graphs):
            (features,) = super().forward(graphs)
            return [torch.where(features == 8, torch.nan, features)]

    with pytest.raises(ValueError, match="'positions' gave .* not finite for structure 2"):
        extract(Broken(), [molecule(n) for n in ("CH4", "NH3", "H2O")], progress=False)


def test_features_of_the_wrong_shape_are_refused():
    class Short(Positions):
        def forward(self, graphs):
            return [super().forward(graphs)[0][:, :-1]]

    with pytest.raises(ValueError, match=r"shape \(5, 3\) for layer 'only'; \(5, 4\)"):
        extract(Short(), molecule("CH4"), progress=False)


def test_crystals_are_refused_by_encoders_for_molecules():
    with pytest.raises(ValueError, match="periodic.*takes molecules only"):
        extract(Positions(periodic=False), bulk("Si"), progress=False)


def test_a_periodic_structure_without_cell_is_refused(aev):
    water = molecule("H2O")
    water.pbc = True
    with pytest.raises(ValueError, match=r"structure 0, H2O: it is periodic .* set pbc=False"):
        extract(aev, water, progress=False)


@pytest.mark.parametrize(
    "arguments", [{"batch_size": 0}, {"max_atoms": -1}, {"batch_size": 2.5}, {"shard_size": "8"}]
)
def test_sizes_must_be_positive(aev, arguments):
    with pytest.raises(ValueError, match="at least 1"):
        extract(aev, molecule("H2O"), **arguments)


def test_an_unknown_pooling_suggests_the_nearest(aev):
    with pytest.raises(ValueError, match="unknown pooling 'men'; did you mean 'mean'"):
        extract(aev, molecule("H2O"), pooling="men")


@pytest.mark.parametrize("device", ["cdua", "meta", "cuda:97"])
def test_a_device_that_is_not_there_is_refused_and_changes_nothing(device):
    encoder = load_encoder("ani2x-aev")
    message = rf"device '{device}' cannot be used: .+ this machine offers 'cpu'"
    with pytest.raises(ValueError, match=message):
        extract(encoder, molecules(2), device=device, progress=False)
    assert encoder.device.type == "cpu"
    assert len(extract(encoder, molecules(2), progress=False)) == 2


def test_what_is_no_encoder_no_structure_and_no_client_is_named(aev):
    with pytest.raises(TypeError, match=r"Did you mean load_encoder\('ani2x-aev'\)"):
        extract("ani2x-aev", molecules(2))
    with pytest.raises(TypeError, match="structures is a path, 'mol.xyz'; .* ase.io.read"):
        extract(aev, "mol.xyz")
    for wrong in (["CCO"], [molecule("H2O"), None]):
        with pytest.raises(TypeError, match="expected ase.Atoms"):
            extract(aev, wrong)
    with pytest.raises(TypeError, match=r"distributed.Client; got 'tcp://"):
        extract(aev, molecules(2), client="tcp://somewhere")
    with pytest.raises(ValueError, match="empty path"):
        extract(aev, molecules(2), store="")
    with pytest.raises(ValueError, match="give a list"):
        extract(aev, molecules(2), pooling={"mean", "sum"})


def test_cells_are_finite():
    crystal = bulk("Si")
    crystal.cell[1, 1] = np.nan
    with pytest.raises(ValueError, match="cells contain NaN"):
        AtomsSequence.from_atoms([crystal])


@pytest.mark.parametrize("number", [262, -250, 119, 0])
def test_there_is_no_element_of_that_number(number):
    with pytest.raises(ValueError, match=f"atomic numbers go from 1 to 118; got {number}"):
        AtomsSequence(np.array([6, number]), np.eye(3)[:2], np.array([2]))
