"""The continuous Lyapunov equation, whose solution is the covariance of a linear noisy system."""

from typing import Any, NoReturn

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
    inverse, singular = torch.linalg.inv_ex(a)
    if bool(singular.any()):
        _refuse()
    # s between the slowest and the fastest mode makes the slower of both converge soonest
    s = torch.sqrt(torch.linalg.matrix_norm(a, 1) / torch.linalg.matrix_norm(inverse, 1))[..., None, None]
    unit = torch.eye(a.shape[-1]).to(a)
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
    _refuse()


def _refuse() -> NoReturn:
    raise ValueError("the Lyapunov equation has no stable solution: an eigenvalue of A has a real part ≥ 0, or almost.")


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
    def jvp(ctx: Any, *grad_inputs: Tensor) -> Tensor:
        (a, x), (da, dq) = ctx.saved_tensors, grad_inputs
        return _Lyapunov.apply(a, da @ x + x @ da.mT + dq)  # type: ignore[no-any-return]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Tensor) -> tuple[Tensor, int]:
        first = [x.unsqueeze(0) if dim is None else x.movedim(dim, 0) for x, dim in zip(args, in_dims, strict=True)]
        return lyapunov(*first), 0
