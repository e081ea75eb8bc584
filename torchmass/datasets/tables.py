"""Tables: text files of numbers, with or without names for their rows and columns."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor


class Table(NamedTuple):
    """Numbers, (rows, columns), in torch's default dtype, and the names of rows and columns where a file has them."""

    numbers: Tensor
    rows: tuple[str, ...] | None
    columns: tuple[str, ...] | None


def read_table(path: str | Path) -> Table:
    """A table of numbers from a text file, with or without a line of names above and a column of names to the left."""
    return parse(str(path), Path(path).read_text("utf-8-sig"))


def parse(source: str, text: str) -> Table:
    """The table in `text`, cells separated by commas or, where there is none, by blanks.

    Raises `ValueError`, which names `source`, for rows of unequal length and for a cell that is no number.
    """
    lines = (
        list(csv.reader(io.StringIO(text), skipinitialspace=True)) if "," in text else map(str.split, text.split("\n"))
    )
    cells = [[cell.strip() for cell in line] for line in lines if any(cell.strip() for cell in line)]
    if not cells:
        raise ValueError(f"{source} is empty; it must hold a table of numbers.")
    above = not cells[0][0] or not all(map(_is_number, cells[0][1:]))
    body = cells[above:]
    if not body:
        raise ValueError(f"{source} has no line of numbers, only names; add the numbers.")
    left = not cells[0][0] or not all(_is_number(line[0]) for line in body)
    numbers = to_numbers(source, [line[left:] for line in body], first=above + 1)
    names = tuple(cells[0][len(cells[0]) - numbers.shape[1] :]) if above else None
    return Table(numbers, tuple(line[0] for line in body) if left else None, names)


def read_matrix(path: str | Path) -> tuple[Tensor, tuple[str, ...] | None]:
    """A matrix and the names of its regions, None where the file has none.

    Raises `ValueError` where the rows are named otherwise than the columns.
    """
    numbers, rows, columns = read_table(path)
    if rows and columns and rows != columns:
        raise ValueError(
            f"{path} names its rows otherwise than its columns; both must be the same regions, in one order."
        )
    return numbers, rows or columns


def to_numbers(source: str, cells: list[list[str]], first: int = 1) -> Tensor:
    """Cells as a tensor; the first of them stands on line `first`, not counting blank ones."""
    for line, row in enumerate(cells, first):
        if len(row) != len(cells[0]):
            raise ValueError(
                f"{source}: line {line} has {len(row)} numbers, the first {len(cells[0])}; make them equal."
            )
        wrong = next((cell for cell in row if not _is_number(cell)), None)
        if wrong is not None:
            raise ValueError(f"{source}: line {line} has {wrong!r} where a number must be; write nothing but numbers.")
    return torch.tensor([[float(cell) for cell in row] for row in cells])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
