"""Retimings side by side in SUMO: `python benchmarks/coordination.py MAP.sumocfg… --seeds 1,2,3 --json F`.

The work is in `benchmarks/retimings.py`, imported once the checkout stands first on the path in place of this
script's own folder, whose mobility.py would hide the package of the same name.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from benchmarks.retimings import main

    main()
