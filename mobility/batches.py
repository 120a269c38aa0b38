"""Compiled steps over many rows, in batches on as many threads as polars has."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mobility.threads import of_each

Result = TypeVar("Result")
Arrays = TypeVar("Arrays", bound=tuple[Any, ...])


def in_batches(
    step: Callable[..., Result], first: npt.NDArray[np.int64], size: int, *arguments: object
) -> list[Result]:
    """What step(begin, end, *arguments) gives for batches of about `size` rows, in their order.

    Item i has the rows first[i] to first[i + 1]; no item is in two batches, and which are together does not depend on
    the machine."""
    edges = np.searchsorted(first, np.arange(0, first[-1], size))
    batches = list(pairwise(np.unique(np.r_[edges, len(first) - 1]).tolist()))
    return of_each(lambda batch: step(*batch, *arguments), batches)


def frozen(arrays: Arrays) -> Arrays:
    """A named tuple with its arrays contiguous and read-only, so that one compiled version serves them all."""
    fields = [np.ascontiguousarray(field).view() if isinstance(field, np.ndarray) else field for field in arrays]
    for field in fields:
        if isinstance(field, np.ndarray):
            field.flags.writeable = False
    return type(arrays)(*fields)
