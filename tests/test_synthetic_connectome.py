"""A generated connectome has the properties that it is said to be made from."""

import math

import pytest
import torch

from torchmass.datasets import Connectome, synthetic_connectome

REGULAR = {"spread": 0.0, "homotopic": 1.0}  # weights follow distance alone
WAYS = pytest.mark.parametrize("directed", [False, True])


@pytest.fixture(autouse=True)
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def off_diagonal(n: int) -> torch.Tensor:
    return ~torch.eye(n, dtype=torch.bool)


def others(one: Connectome) -> torch.Tensor:
    """The links between regions that do not mirror each other."""
    return (one.weights > 0) & ~torch.eye(len(one), dtype=torch.bool).roll(len(one) // 2, 1)


def regress(one: Connectome, links: torch.Tensor) -> tuple[float, float, float]:
    """Slope and intercept of log weight over distance, and the standard deviation of what remains."""
    d, log = one.distances[links], one.weights[links].log()
    slope, intercept = torch.linalg.lstsq(torch.stack([d, torch.ones_like(d)], 1), log).solution.tolist()
    return slope, intercept, float((log - slope * d - intercept).std())


@WAYS
def test_without_spread_the_weights_decay_with_distance_exactly(directed):
    one = synthetic_connectome(40, decay=25.0, directed=directed, **REGULAR)
    slope, intercept, remainder = regress(one, one.weights > 0)
    assert slope == pytest.approx(-1 / 25, rel=1e-9)
    assert intercept == pytest.approx(0, abs=1e-9)
    assert remainder < 1e-9


@WAYS
def test_with_spread_the_logarithms_keep_the_decay_and_have_the_spread(directed):
    one = synthetic_connectome(200, decay=40.0, spread=0.7, density=0.5, directed=directed)
    slope, intercept, remainder = regress(one, others(one))
    assert slope == pytest.approx(-1 / 40, rel=0.05)
    assert intercept == pytest.approx(0, abs=0.1)
    assert remainder == pytest.approx(0.7, rel=0.05)


def test_mirror_images_are_linked_more_strongly_by_the_factor_asked():
    plain, strong = (synthetic_connectome(20, homotopic=h) for h in (1.0, 6.0))
    ratio = strong.weights[plain.weights > 0] / plain.weights[plain.weights > 0]
    home = torch.eye(20, dtype=torch.bool).roll(10, 1)
    torch.testing.assert_close(ratio, torch.where(home, 6.0, 1.0)[plain.weights > 0])


@WAYS
@pytest.mark.parametrize("seed", range(3))
def test_every_region_is_linked_with_its_mirror_image(directed, seed):
    weights = synthetic_connectome(12, seed, density=0.1, directed=directed).weights
    assert bool((weights[torch.arange(12), torch.arange(12).roll(6)] > 0).all())


@pytest.mark.parametrize(("directed", "pairs"), [(False, 780), (True, 1560)])
@pytest.mark.parametrize("density", [1 / 39, 0.1, 0.333, 1.0])
def test_the_density_is_the_one_asked_to_the_nearest_pair(directed, pairs, density):
    weights = synthetic_connectome(40, density=density, directed=directed).weights
    linked = weights > 0 if directed else (weights > 0).triu()
    assert int(linked.sum()) == round(density * pairs)


def test_near_pairs_are_linked_more_often_than_far_ones():
    one = synthetic_connectome(100, density=0.2)
    linked, apart = others(one), (one.weights == 0) & off_diagonal(100)
    assert one.distances[linked].mean() < 0.8 * one.distances[apart].mean()


def test_undirected_weights_are_symmetric_exactly():
    weights = synthetic_connectome().weights
    assert torch.equal(weights, weights.T)


def test_directed_weights_and_links_differ_by_direction():
    weights = synthetic_connectome(directed=True).weights
    both = (weights > 0) & (weights.T > 0) & off_diagonal(68)
    assert bool((weights != weights.T)[both].all())
    assert bool(((weights > 0) != (weights.T > 0)).any())


@WAYS
def test_distances_are_symmetric_and_straight_lines_times_the_tortuosity(directed):
    one = synthetic_connectome(30, tortuosity=1.5, directed=directed)
    assert torch.equal(one.distances, one.distances.T)
    straight = torch.cdist(one.centres, one.centres, compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(one.distances, 1.5 * straight)


def test_neither_matrix_has_a_diagonal():
    one = synthetic_connectome()
    assert float(one.weights.trace() + one.distances.trace()) == 0


def test_the_hemispheres_are_named_and_mirror_each_other():
    one = synthetic_connectome(10)
    assert one.labels == ("L0", "L1", "L2", "L3", "L4", "R0", "R1", "R2", "R3", "R4")
    assert torch.equal(one.centres[5:], one.centres[:5] * torch.tensor([-1.0, 1.0, 1.0]))
    assert bool((one.centres[:5, 0] < 0).all())


def test_the_regions_lie_on_ellipsoids_of_the_size_of_a_brain():
    left = synthetic_connectome(600).centres[:300]
    unit = (left + torch.tensor([36.0, 0.0, 0.0])) / torch.tensor([32.0, 80.0, 46.0])
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(300))


def test_the_same_seed_gives_the_same_connectome_and_another_one_another():
    first, same, other = (synthetic_connectome(20, seed) for seed in (7, 7, 8))
    assert torch.equal(first.weights, same.weights)
    assert not torch.equal(first.weights, other.weights)
    assert torch.equal(first.centres, other.centres)


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    synthetic_connectome(8, density=0.5)
    assert torch.equal(before, torch.get_rng_state())


def test_the_dtype_is_the_default_and_the_numbers_are_the_same():
    double = synthetic_connectome(20)
    torch.set_default_dtype(torch.float32)
    single = synthetic_connectome(20)
    assert single.weights.dtype == torch.float32
    torch.testing.assert_close(single.weights, double.weights.float(), rtol=0, atol=0)


def test_two_regions_are_enough():
    weights = synthetic_connectome(2, density=1.0).weights
    assert (weights > 0).tolist() == [[False, True], [True, False]]


def test_without_decay_distance_does_not_matter():
    weights = synthetic_connectome(10, decay=math.inf, density=1.0, **REGULAR).weights
    assert bool((weights[off_diagonal(10)] == 1).all())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"n": 7}, "even and at least 2.*got 7"),
        ({"n": 0}, "even and at least 2"),
        ({"n": 10, "density": 0.1}, r"density must lie in \[0\.111, 1\] for n=10"),
        ({"density": 1.1}, "density must lie in"),
        ({"density": math.nan}, "density must lie in"),
        ({"decay": 0.0}, "decay must be > 0 mm"),
        ({"spread": -0.1}, "spread must be ≥ 0"),
        ({"homotopic": 0.0}, "homotopic must be > 0"),
        ({"tortuosity": 0.9}, "tortuosity must be ≥ 1"),
        ({"decay": 0.01}, "round to 0"),
    ],
)
def test_values_out_of_range_are_refused(wrong, told):
    with pytest.raises(ValueError, match=told):
        synthetic_connectome(**wrong)
