"""One engine's core steps on a city day, in a process of their own: `city_day_process ENGINE FOLDER OUT`.

Prints what its `run` gives as JSON. The engine is imported here and not above, so that its imports can be timed."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    begun_s = time.perf_counter()
    engine, folder, out = sys.argv[1:]
    steps = import_module(f"benchmarks.city_day_{engine}")
    print(json.dumps(steps.run(Path(folder), Path(out), begun_s)))
