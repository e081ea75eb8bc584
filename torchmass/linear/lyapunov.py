"""The continuous Lyapunov equation, whose solution is the covariance of a linear noisy system."""

from typing import Any

import torch
from torch import Tensor

MOST = 60  # doublings


def lyapunov(a: Tensor, q: Tensor) -> Tensor:
    r"""X with \(AX + XA^\top + Q = 0\): (*b, M, M) of A, all of whose eigenvalues have negative real parts, and Q.

    The Cayley transform \(\Phi = (s - A)^{-1}(s + A)\) makes X the sum \(\sum_k \Phi^k R\,\Phi^{k\top}\), which squared
    Smith steps double, in O(M³) each, also where A has no full set of eigenvectors. Differentiable any number of
    times: the gradient of A and Q is the solution of one more such equation, with \(A^\top\).

    Raises `ValueError` where A is not stable.

    Source: Smith 1968, Matrix equation XA + BX = C, SIAM J. Appl. Math. 16:198, doi:10.1137/0116017.
    """
    shape = torch.broadcast_shapes(a.shape, q.shape)
    return _Lyapunov.apply(a.expand(shape), q.expand(shape))  # type: ignore[no-any-return]


def _solve(a: Tensor, q: Tensor) -> Tensor:
    # s between the slowest and the fastest mode makes the slower of both converge soonest
    fast, slow = torch.linalg.matrix_norm(a, 1), 1 / torch.linalg.matrix_norm(torch.linalg.inv(a), 1)
    unit, s = torch.eye(a.shape[-1]).to(a), torch.sqrt(fast * slow)[..., None, None]
    left = torch.linalg.lu_factor(s * unit - a)
    phi = torch.linalg.lu_solve(*left, s * unit + a)
    half = torch.linalg.lu_solve(*left, q)
    x = 2 * s * torch.linalg.lu_solve(*left, half.mT).mT
    for _ in range(MOST):
        more = phi @ x @ phi.mT
        x = x + more
        if bool((more.abs().amax((-2, -1)) <= torch.finfo(x.dtype).eps * x.abs().amax((-2, -1))).all()):
            return x
        phi = phi @ phi
    raise ValueError("the Lyapunov equation has no solution: an eigenvalue of A has a real part ≥ 0, or almost.")


class _Lyapunov(torch.autograd.Function):
    @staticmethod
    def forward(a: Tensor, q: Tensor) -> Tensor:
        return _solve(a, q)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        a, x = ctx.saved_tensors
        adjoint = _Lyapunov.apply(a.mT, grads[0])
        return adjoint @ x.mT + adjoint.mT @ x, adjoint

    @staticmethod
    def jvp(ctx: Any, da: Tensor, dq: Tensor) -> Tensor:
        a, x = ctx.saved_tensors
        return _Lyapunov.apply(a, da @ x + x @ da.mT + dq)  # type: ignore[no-any-return]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], a: Tensor, q: Tensor) -> tuple[Tensor, int]:
        first = [
            x.unsqueeze(0) if dim is None else x.movedim(dim, 0) for x, dim in zip((a, q), in_dims, strict=True)
        ]
        return lyapunov(*first), 0
