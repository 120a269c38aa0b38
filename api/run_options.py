"""What a person may choose of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from optimiser.rules import Rules
from optimiser.settings import ModelSettings


@dataclass(frozen=True)
class RunOptions:
    """What a person may choose of a run. `seeds` are the verdict's; the search uses others. `start` is an earlier plan
    (plan.json or an additional file) that the search may start from too. `card_key` makes the pseudonyms of cards;
    without one, cards of simulated people get a known key and real ones the installation's."""

    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    begin_s: float | None = None
    end_s: float | None = None
    rules: Rules = field(default_factory=Rules)
    workers: int = 1
    card_key: bytes = b""
    settings: ModelSettings = field(default_factory=ModelSettings)
    start: Path | None = None
