"""Sums of weights by a number, the one step estimation repeats everywhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def tally(
    number: npt.NDArray[np.int64], weight: npt.NDArray[np.float64] | npt.NDArray[np.bool_], size: int
) -> npt.NDArray[np.float64]:
    """Sum of the weights of each number from 0 to `size` - 1."""
    return np.bincount(number, weights=weight, minlength=size).astype(np.float64, copy=False)
