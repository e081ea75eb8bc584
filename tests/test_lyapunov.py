"""The Lyapunov equation is solved as scipy solves it, with exact derivatives of every kind."""

import pytest
import torch
from scipy.linalg import solve_continuous_lyapunov

from torchmass.linear import lyapunov


def stable(*batch: int, size: int = 4) -> torch.Tensor:
    return torch.randn(*batch, size, size) / size**0.5 - 2 * torch.eye(size)


def positive(*batch: int, size: int = 4) -> torch.Tensor:
    root = torch.randn(*batch, size, size)
    return root @ root.mT


@pytest.mark.parametrize("size", [1, 3, 30])
@pytest.mark.parametrize("slowest", [1.0, 1e-4])
def test_it_is_scipys_solution(size, slowest):
    a = stable(size=size) * torch.logspace(0, torch.tensor(slowest).log10().item(), size).unsqueeze(-1)
    q = positive(size=size)
    expected = torch.from_numpy(solve_continuous_lyapunov(a.numpy(), -q.numpy()))
    torch.testing.assert_close(lyapunov(a, q), expected, rtol=1e-8, atol=1e-10 * expected.abs().max().item())


def test_a_matrix_without_a_full_set_of_eigenvectors_is_no_harder():
    a = torch.tensor([[-0.1, 1.0, 0.0], [0.0, -0.1, 1.0], [0.0, 0.0, -0.1]])
    expected = torch.from_numpy(solve_continuous_lyapunov(a.numpy(), -torch.eye(3).numpy()))
    torch.testing.assert_close(lyapunov(a, torch.eye(3)), expected)


def test_first_second_and_forward_derivatives_are_exact():
    a, q = stable(2, size=3).requires_grad_(), torch.randn(2, 3, 3, requires_grad=True)  # of any q
    assert torch.autograd.gradcheck(lyapunov, (a, q), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lyapunov, (a, q))


def test_a_batch_is_a_loop_and_vmap_is_a_batch():
    a, q = stable(3), positive()
    found = lyapunov(a, q)
    torch.testing.assert_close(found, torch.stack([lyapunov(one, q) for one in a]))
    torch.testing.assert_close(found, torch.func.vmap(lyapunov, (0, None))(a, q))


@pytest.mark.parametrize("growth", [0.0, 0.1])
def test_an_unstable_matrix_is_refused(growth):
    with pytest.raises(ValueError, match="real part ≥ 0"):
        lyapunov(torch.diag(torch.tensor([-1.0, growth])), torch.eye(2))
