"""Covering arrays: a few cases of a large product, in which any two values of two axes meet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

Value = tuple[str, int]  # an axis, and the place of a value on it


def every(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The full product of the axes."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def pairwise(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Cases in which each pair of values of two axes occurs, found greedily: no chance, the same at every call."""
    values = {name: [(name, place) for place in range(len(axes[name]))] for name in axes}
    missing = dict.fromkeys(frozenset(pair) for a, b in combinations(axes, 2) for pair in product(values[a], values[b]))
    cases, used = list[dict[str, int]](), Counter[Value]()
    while missing:
        case = _next_case(values, missing, used)
        cases.append(case)
        used.update(case.items())
        for pair in combinations(case.items(), 2):
            missing.pop(frozenset(pair), None)
    return [{name: axes[name][case[name]] for name in axes} for case in cases]


def _next_case(values: Mapping[str, list[Value]], missing: Mapping[Any, None], used: Counter[Value]) -> dict[str, int]:
    """A missing pair, and on each other axis the value with most missing pairs; of equals the one least used."""
    case = dict(sorted(next(iter(missing))))
    for name in values:
        if name not in case:
            news = {value: sum(frozenset([value, one]) in missing for one in case.items()) for value in values[name]}
            case |= [max(values[name], key=lambda value: (news[value], -used[value], -value[1]))]
    return case
