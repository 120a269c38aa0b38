"""Numbers of the passenger flows: `python benchmarks/mobility.py CASE --json F` prints one JSON line.

The work is in `benchmarks/flow_cases.py`, imported once the checkout stands first on the path in place of this
script's own folder, whose mobility.py would hide the package of the same name.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from benchmarks.flow_cases import main

    main()
