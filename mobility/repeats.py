"""Whether rows repeat, told by their hashes: sorting these is far cheaper than looking for each row among the others."""

from __future__ import annotations

import numpy as np
import polars as pl


def may_repeat(rows: pl.DataFrame) -> bool:
    """Whether two of the rows can be the same: no where all hashes differ, as in most tables. Where it says yes, who
    must know has to look at the rows themselves."""
    if not rows.width:
        return False
    hashes = np.sort(rows.hash_rows().to_numpy())
    return bool((hashes[1:] == hashes[:-1]).any())
