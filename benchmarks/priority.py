"""Bus priority with and without, in SUMO: `python benchmarks/priority.py MAP.sumocfg… --seeds 11,12,13 --json F`.

The work is in `benchmarks/priority_gain.py`, imported once the checkout stands first on the path in place of this
script's own folder, whose mobility.py would hide the package of the same name.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from benchmarks.priority_gain import main

    main()
