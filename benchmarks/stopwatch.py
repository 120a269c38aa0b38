"""Seconds and memory of the steps of one process."""

from __future__ import annotations

import time
from pathlib import Path


class Stopwatch:
    """Laps of wall-clock and CPU seconds from `since` (perf_counter) on, and the most memory the process had."""

    def __init__(self, since: float) -> None:
        self._wall, self._cpu = since, 0.0
        self._laps: dict[str, dict[str, float]] = {}

    def lap(self, name: str) -> None:
        """The step that ends now was `name`."""
        wall, cpu = time.perf_counter(), time.process_time()
        self._laps[name] = {"wall_s": round(wall - self._wall, 3), "cpu_s": round(cpu - self._cpu, 3)}
        self._wall, self._cpu = wall, cpu

    def read(self) -> dict[str, object]:
        """The laps by name, and peak memory in GB."""
        # not getrusage: a process inherits the peak of the one that started it
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        (peak_kb,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        return {"laps": self._laps, "peak_gb": round(peak_kb * 1024 / 1e9, 2)}
