"""The verdict on a plan, as it stands in verdict.json."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

DECIMALS: Final = 4
# Seeds from here up belong to the search for a plan: what it was tuned on proves nothing.
SEEDS_BELOW: Final = 1000
SEEDS_NOTE: Final = (
    "Seeds vary how drivers behave and when, within two minutes, each bus departs, not how many come or where they go: "
    "the intervals say nothing of other demand."
)
PRIORITY_NOTE: Final = (
    "The plan's bus priority ran in the loop; its controllers knew buses by reports every 10 s that were 10 s old."
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Side(StrEnum):
    """Which of the compared programs a run had."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"
    REPAIRED = "repaired"


class Figures(_Frozen):
    """Means over the seeds; null where there is nothing to take the mean of."""

    person_delay_s: float | None
    vehicle_delay_s: float | None
    bus_delay_s: float | None
    pedestrian_delay_s: float | None
    stops_per_veh: float | None
    co2_g_per_veh_km: float | None
    throughput_veh: float | None
    not_inserted_veh: float | None
    stuck_over_300s_veh: float | None
    collisions: float | None
    teleports: float | None


class Estimate(_Frozen):
    """Mean and 95 % interval (paired t over the seeds); `low` and `high` are null with a single seed."""

    mean: float
    low: float | None
    high: float | None


class Estimates(_Frozen):
    """An estimate for each of the figures."""

    person_delay_s: Estimate | None
    vehicle_delay_s: Estimate | None
    bus_delay_s: Estimate | None
    pedestrian_delay_s: Estimate | None
    stops_per_veh: Estimate | None
    co2_g_per_veh_km: Estimate | None
    throughput_veh: Estimate | None
    not_inserted_veh: Estimate | None
    stuck_over_300s_veh: Estimate | None
    collisions: Estimate | None
    teleports: Estimate | None


class Comparison(_Frozen):
    """One program against another. `accepted` and `reasons` are about person delay alone; `scale` is the factor on the
    demand."""

    accepted: bool
    reasons: tuple[str, ...]
    seeds: tuple[int, ...]
    scale: float
    baseline: Figures
    candidate: Figures
    difference: Estimates
    relative: Estimates


class RecordedFinding(_Frozen):
    """A safety rule broken in the recorded states of one side's runs. `new`: the shipped program does not break it for
    these groups, or not as badly."""

    side: Side
    new: bool
    junction: str
    rule: str
    groups: tuple[str, ...]
    at_s: float
    measured: float | None
    required: float | None
    message: str


class Place(_Frozen):
    """A junction, or a bus line: mean delay of a vehicle there with both programs.

    `vehicles` are those seen over all seeds with the program that had fewer. `lower_bound_s` is the Holm-corrected
    one-sided lower bound of the difference; `tested` is false under the least number of vehicles."""

    name: str
    vehicles: int
    baseline_s: float
    candidate_s: float
    difference_s: Estimate
    limit_s: float
    lower_bound_s: float | None
    tested: bool
    worse: bool


class ApproachDelay(_Frozen):
    """Mean delay of a vehicle on the way to one approach. `edge` is empty for ways that several approaches share."""

    junction: str
    edge: str
    vehicles_baseline: float
    vehicles_candidate: float
    baseline_s: float
    candidate_s: float


class Queue(_Frozen):
    """Mean over the seeds of the 95th-percentile queue on one incoming lane, and the length of the lane."""

    lane: str
    baseline_m: float
    candidate_m: float
    length_m: float


class Verdict(_Frozen):
    """What SUMO says of a plan against the program as shipped, on the same seeds. `priority_junctions`: those whose bus
    priority ran in the runs of the plan."""

    accepted: bool
    reasons: tuple[str, ...]
    seeds: tuple[int, ...]
    plan_id: str
    network_hash: str
    findings: tuple[RecordedFinding, ...]
    baseline: Figures
    candidate: Figures
    difference: Estimates
    relative: Estimates
    junctions: tuple[Place, ...]
    lines: tuple[Place, ...]
    approaches: tuple[ApproachDelay, ...]
    queues: tuple[Queue, ...]
    robustness: tuple[Comparison, ...]
    cleared: Comparison | None
    repaired: Comparison | None
    priority_junctions: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """The text of verdict.json: keys sorted, numbers rounded to 4 decimals, the same for the same verdict."""
        return json.dumps(_rounded(self.model_dump(mode="json")), sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def _rounded(value: object) -> object:
    if isinstance(value, float):
        # Adding zero turns -0.0 into 0.0.
        return round(value, DECIMALS) + 0.0
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
