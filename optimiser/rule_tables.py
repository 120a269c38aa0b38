"""The tables of `rules.toml` but for the whole of it (`rules`): who may be timed how, and what counts how much."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
CycleSeconds = Annotated[float, Field(ge=20, le=300, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Saturation = Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)]


class Table(BaseModel):
    """One table of the file; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GroupRules(Table):
    """Limits and weight of one signal group. A minimum green may be raised over the junction's, never lowered."""

    min_green_s: Seconds | None = None
    max_green_s: Seconds | None = None
    max_red_s: Seconds | None = None
    max_degree_of_saturation: Saturation | None = None
    weight: Weight | None = None

    @model_validator(mode="after")
    def _in_order(self) -> GroupRules:
        if self.min_green_s is not None and self.max_green_s is not None and self.min_green_s > self.max_green_s:
            raise ValueError(f"min_green_s {self.min_green_s:g} is over max_green_s {self.max_green_s:g}")
        return self


class ApproachRules(Table):
    """Limit and weight of all groups of one approach."""

    max_degree_of_saturation: Saturation | None = None
    weight: Weight | None = None


class JunctionRules(Table):
    """Rules of one junction."""

    locked: bool = False
    priority: bool = True
    locked_stages: tuple[str, ...] = ()
    skippable_stages: tuple[str, ...] = ()
    forbidden_sequences: tuple[tuple[str, str], ...] = ()
    cycle_range_s: tuple[CycleSeconds, CycleSeconds] | None = None
    max_degree_of_saturation: Saturation | None = None
    regression_limit_s: Seconds | None = None
    groups: dict[str, GroupRules] = Field(default_factory=dict)
    approaches: dict[str, ApproachRules] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_order(self) -> JunctionRules:
        check_range(self.cycle_range_s)
        return self


class LineRules(Table):
    """Weight and limit of one bus line."""

    weight: Weight | None = None
    regression_limit_s: Seconds | None = None


class Weights(Table):
    """What a second of delay of one person counts, by who is delayed."""

    vehicle: Weight = 1.0
    bus: Weight = 1.0
    pedestrian: Weight = 1.0


class VerdictRules(Table):
    """How much worse a junction or a line may surely get before the verdict refuses; s of mean delay."""

    regression_limit_s: Seconds = 5.0


class PriorityRules(Table):
    """What active bus priority may do at most, and for whom; `lines` empty: any line. `max_insertion_s`: an inserted
    stage lasts at most so long; stages are skipped where a junction's rules name them."""

    max_extension_s: Annotated[int, Field(ge=0, le=60)] = 10
    max_early_green_s: Annotated[int, Field(ge=0, le=60)] = 15
    max_insertion_s: Annotated[int, Field(ge=0, le=60)] = 0
    recovery_cycles: Annotated[int, Field(ge=1, le=10)] = 2
    max_degree_of_saturation: Saturation = 0.95
    min_lateness_s: Seconds = 0.0
    min_load_pax: Weight = 0.0
    lines: tuple[str, ...] = ()


MOST_RUNS: Final = 100_000
"""Most SUMO runs a search may be given."""


class PolishRules(Table):
    """Budget of the search in the simulator: SUMO runs in all, and seeds each surviving candidate is judged on, fewer
    where there are not 20 runs for each. The shipped program is judged, and the plans to start from are judged and must
    endure other seeds, whatever the budget: it may be passed by some 60 runs, and by more proofs where one is lost."""

    runs: Annotated[int, Field(ge=0, le=MOST_RUNS)] = 300
    seeds: Annotated[int, Field(ge=1, le=100)] = 10


def check_range(stated: tuple[float, float] | None) -> None:
    """Raise ValueError where a range of cycles ends before it starts."""
    if stated is not None and stated[0] > stated[1]:
        raise ValueError(f"cycle_range_s starts at {stated[0]:g} and ends at {stated[1]:g}")
