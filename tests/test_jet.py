"""Jets carry the exact first and second derivatives of two variables."""

import torch

from torchmass.jet import Covariance, Jet


def function(x, y):
    """Every operation that a jet knows, on tensors or on jets of them."""
    root = (x * y + 2.0).sqrt()
    ratio = (x - y * 0.5) * (root + 1.0).reciprocal()
    return -(ratio.square() * root - ratio.erfc() * y + x * 3.0 - 1.5)


def test_slopes_and_bends_are_those_of_autograd():
    x, y = torch.rand(5), 1 + torch.rand(5)
    c = Covariance(torch.rand(5), torch.rand(5) - 0.5, torch.rand(5))
    jet = function(Jet(x, 1.0, 0.0, 0.0, c), Jet(y, 0.0, 1.0, 0.0, c))
    torch.testing.assert_close(jet.value, function(x, y))
    slope_x, slope_y = (torch.func.vmap(torch.func.grad(function, argnums=k))(x, y) for k in (0, 1))
    torch.testing.assert_close(jet.x, slope_x)
    torch.testing.assert_close(jet.y, slope_y)
    (xx, xy), (_, yy) = torch.func.vmap(torch.func.hessian(function, argnums=(0, 1)))(x, y)
    torch.testing.assert_close(jet.bend, c.xx * xx + 2 * c.xy * xy + c.yy * yy)


def test_half_the_bend_is_what_a_covariance_adds_to_the_mean():
    generator = torch.Generator().manual_seed(0)
    deviation = 0.01 * torch.tensor([[1.0, 0.0], [0.6, 0.8]])  # its square is the covariance
    moved = torch.randn(200_000, 2, generator=generator) @ deviation.T
    x, y = torch.tensor(0.7), torch.tensor(1.3)
    (xx, xy), (_, yy) = deviation @ deviation.T
    c = Covariance(xx, xy, yy)
    jet = function(Jet(x, 1.0, 0.0, 0.0, c), Jet(y, 0.0, 1.0, 0.0, c))
    both = (function(x + d[:, 0], y + d[:, 1]).mean() for d in (moved, -moved))  # slopes cancel
    torch.testing.assert_close(sum(both) / 2 - jet.value, jet.bend / 2, rtol=0.02, atol=0)
