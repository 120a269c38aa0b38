"""The steps of a job: how long each took, and who is told while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

Progress = Callable[[str, float], None]
"""Told the name of the step that runs and the share of it that is done."""


@dataclass
class StepClock:
    """Seconds each step took, told while it runs."""

    progress: Progress | None
    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def step(self, name: str) -> Callable[[float], None]:
        """Begin a step; the returned function is told the share done."""
        self.started = time.monotonic()
        begun = self.started

        def tell(share: float) -> None:
            self.seconds[name] = round(time.monotonic() - begun, 1)
            if self.progress is not None:
                self.progress(name, share)

        tell(0.0)
        return tell
