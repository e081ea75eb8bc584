"""Philox 4×32-10, a counter-based random number generator (Salmon et al. 2011, doi:10.1145/2063384.2063405)."""

import torch
from torch import Tensor

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
MASK = 0xFFFFFFFF


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Four random 32-bit words for each counter of four 32-bit words, all of one shape and held in int64 tensors.

    Both products of a round are one tensor: of a few nodes an operation of torch costs more than its numbers.
    """
    c0, c1, c2, c3 = counter
    pair = (2, *(1 for _ in c0.shape))
    multipliers = [torch.tensor(order, device=c0.device).view(pair) for order in (MULTIPLIERS, MULTIPLIERS[::-1])]
    factors, mixed = torch.stack((c0, c2)), torch.stack((c3, c1))
    for i, keys in enumerate(_keys(key, c0.device).view(ROUNDS, *pair)):
        # an int64 product wraps modulo 2⁶⁴, so shift and mask still give its exact halves
        products = factors * multipliers[i % 2]
        factors = (products >> 32).bitwise_xor_(mixed).bitwise_xor_(keys).bitwise_and_(MASK)
        mixed = products.flip(0)  # of which the lower halves count: what is above is masked after the next round
    mixed &= MASK
    return factors[0], mixed[1], factors[1], mixed[0]


def _keys(key: tuple[int, int], device: torch.device) -> Tensor:
    """What the two words of every round are mixed with: each round leaves these in the other order."""
    rounds = [[(word + i * step) & MASK for word, step in zip(key, WEYL, strict=True)] for i in range(ROUNDS)]
    return torch.tensor([words if i % 2 else words[::-1] for i, words in enumerate(rounds)], device=device)


def uniform(words: Tensor) -> Tensor:
    """Numbers in (0, 1), float64: the middles of the 2³² equal cells."""
    return (words.to(torch.float64) + 0.5) * 2.0**-32
