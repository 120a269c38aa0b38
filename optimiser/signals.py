"""What a signal controller runs: junctions, signal groups, stages, and the plans for them.

Times are seconds. Within a plan they count from the start of the cycle; a green interval whose end is not after its
start runs over the end of the cycle. The green intervals are the truth of a plan: stages and interstages are named
windows on them that let a plan be extended, shortened or reordered.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = "1"


class Frozen(BaseModel):
    """A value: equal when its content is equal, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GroupKind(StrEnum):
    """Who looks at the signal."""

    VEHICLE = "vehicle"
    BUS = "bus"
    TRAM = "tram"
    BICYCLE = "bicycle"
    PEDESTRIAN = "pedestrian"


class Right(StrEnum):
    """The right a green gives: go, go after giving way, or stop first and then give way (turn on red)."""

    PROTECTED = "protected"
    PERMISSIVE = "permissive"
    STOP_FIRST = "stop_first"


class SignalGroup(Frozen):
    """Movements that always show the same.

    `flashing_green_s` is the last part of a green, not an addition to it. `clearing_distance_m` is the longest way from
    the stop line to the end of a conflict area, `entering_distance_m` the shortest way from the stop line to one; for a
    pedestrian group `clearing_distance_m` is the length of the crossing. `unused` marks a group that never gets green
    because nothing moves under it (dead links of a network); a group not so marked must get green.
    """

    id: str
    kind: GroupKind = GroupKind.VEHICLE
    amber_s: float = 3.0
    red_amber_s: float = 0.0
    flashing_green_s: float = 0.0
    min_green_s: float = 5.0
    start_up_loss_s: float = 2.0
    entering_distance_m: float = 0.0
    clearing_distance_m: float = 0.0
    unused: bool = False


class Conflict(Frozen):
    """Two groups whose ways cross or merge. `yields` names the one that gives way where both are green at once
    (permissive turn); empty where they must never be green together, whatever right they have."""

    first: str
    second: str
    yields: str = ""


class Intergreen(Frozen):
    """Least time from the end of green of `clearing` to the start of green of `entering`."""

    clearing: str
    entering: str
    seconds: float


class GreenInterval(Frozen):
    """One green of one group within the cycle: [start_s, end_s), running over the cycle's end if end_s <= start_s.

    Two intervals that touch and differ in `right` are one green with a change of right and no amber between.
    `amber_s` replaces the group's amber after this interval where a controller has ambers of different lengths.
    A group that is green all the cycle has start_s = 0 and end_s = cycle_s."""

    start_s: float
    end_s: float
    right: Right = Right.PROTECTED
    amber_s: float | None = None


class Stage(Frozen):
    """A set of groups that are green together, with the right each has. Limits bound the window's own length."""

    id: str
    greens: dict[str, Right]
    min_s: float = 1.0
    max_s: float | None = None
    skippable: bool = False


class Interstage(Frozen):
    """The change from one stage to the next: `off_s` and `on_s` give per group the switch time after its start.

    A group green in both stages and in neither dictionary stays green; with both it drops and comes back; with `on_s`
    alone it changes its right then. `amber_s` is the amber after the green that ends in this interstage where it is
    not the group's own. `greens` holds, in seconds after the interstage's start, all greens within it of a group for
    which two switch times are too few (green only here, twice, or with a change of right before it ends); it then
    counts instead of `off_s` and `on_s`, which still name the end of the green before and the start of the next."""

    from_stage: str
    to_stage: str
    duration_s: float
    off_s: dict[str, float] = Field(default_factory=dict)
    on_s: dict[str, float] = Field(default_factory=dict)
    amber_s: dict[str, float] = Field(default_factory=dict)
    greens: dict[str, tuple[GreenInterval, ...]] = Field(default_factory=dict)


class StageSequence(Frozen):
    """Stages in the order they run; interstages[i] leads from stages[i] to stages[i + 1], the last to the first."""

    id: str
    stages: tuple[str, ...]
    interstages: tuple[Interstage, ...]


class GroupLimits(Frozen):
    """The engineer's and the existing bounds of one group; None = unbounded."""

    max_green_s: float | None = None
    max_red_s: float | None = None
    max_degree_of_saturation: float | None = None


class Pedestrians(Frozen):
    """How one pedestrian group is served."""

    group: str
    on_demand: bool = False
    walk_s: float = 5.0
    clearance_s: float = 0.0
    max_wait_s: float = 120.0


class Detour(Frozen):
    """What a controller may show for a bus from the end of `windows[leaves]` to the start of `windows[joins]` in place
    of the plan: `stages`, each for its seconds, and `interstages`, one more than these, before, between and after them.

    No stages: the windows between are skipped. To the next window: the stages are inserted."""

    leaves: int
    joins: int
    stages: tuple[tuple[str, float], ...] = ()
    interstages: tuple[Interstage, ...]


class Priority(Frozen):
    """What active bus priority may do at a junction, for buses of `lines` alone; all zero, or no line, = none.

    Greens last at most `max_extension_s` longer or start `max_early_green_s` earlier than planned; of `detours` one at
    a time is taken, and the plan shown for a cycle before the next. Within `recovery_cycles` the controller is back in
    its offset, as far as the plan's limits leave it room. Served are buses that left their last stop at least
    `min_lateness_s` late, where a timetable tells, with `min_load_pax` aboard."""

    max_extension_s: float = 0.0
    max_early_green_s: float = 0.0
    recovery_cycles: int = 2
    min_lateness_s: float = 0.0
    min_load_pax: float = 0.0
    lines: tuple[str, ...] = ()
    # Left out where there are none: a plan without keeps the id it always had.
    detours: tuple[Detour, ...] = Field(default=(), exclude_if=lambda detours: not detours)


class Modes(Frozen):
    """What the controller does outside normal running."""

    start_up_all_red_s: float = 5.0
    flashing_amber_groups: tuple[str, ...] = ()
    fallback: Literal["this_plan", "previous_plan", "flashing_amber"] = "previous_plan"
    on_expiry: Literal["keep", "fallback"] = "keep"
    on_detector_failure: Literal["fixed_time", "fallback"] = "fixed_time"


class Offset(Frozen):
    """Green of `reference_group`'s first interval starts at epoch + seconds + k * cycle. The epoch is a local clock
    time of `zone` on every service day."""

    seconds: float = 0.0
    reference_group: str = ""
    epoch: str = "00:00:00"
    zone: str = "UTC"


class StageWindow(Frozen):
    """Where a stage lies within the cycle."""

    stage: str
    start_s: float
    end_s: float


class ControllerPlan(Frozen):
    """All that one controller needs to run a fixed-time plan, and to refuse an unsafe one."""

    schema_version: str = SCHEMA_VERSION
    junction: str
    network_hash: str
    cycle_s: float
    offset: Offset
    groups: tuple[SignalGroup, ...]
    greens: dict[str, tuple[GreenInterval, ...]]
    stages: tuple[Stage, ...] = ()
    windows: tuple[StageWindow, ...] = ()
    interstages: tuple[Interstage, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    intergreens: tuple[Intergreen, ...] = ()
    pedestrians: tuple[Pedestrians, ...] = ()
    limits: dict[str, GroupLimits] = Field(default_factory=dict)
    max_cycle_s: float = 180.0
    priority: Priority = Priority()
    transition: Literal["shortest_way", "dwell", "add_only"] = "shortest_way"
    modes: Modes = Modes()

    @property
    def id(self) -> str:
        """Hash of the content."""
        return content_hash(self)


class NetworkPlan(Frozen):
    """One controller plan a junction; junctions that keep the program they have are not in it."""

    schema_version: str = SCHEMA_VERSION
    network_hash: str
    profile: str
    controllers: tuple[ControllerPlan, ...]

    @property
    def id(self) -> str:
        """Hash of the content."""
        return content_hash(self)

    def controller(self, junction: str) -> ControllerPlan:
        """Plan of one junction. Raises KeyError for a junction that the plan does not hold."""
        for plan in self.controllers:
            if plan.junction == junction:
                return plan
        raise KeyError(junction)


class DayPlan(Frozen):
    """Which network plan runs when: (start of period in seconds of the service day, plan id), ascending. Before the
    first start the plan of the last period runs on from the day before."""

    periods: tuple[tuple[float, str], ...]

    def plan_at(self, time_s: float) -> str:
        """Id of the plan that runs at a second of the service day."""
        started = [plan for start_s, plan in self.periods if start_s <= time_s]
        return started[-1] if started else self.periods[-1][1]


class WeekTable(Frozen):
    """Which network plan runs when in a week: a day plan for each type of day, the type of each day of the week, and
    a short name for each plan id. Days of the week that no demand is known of are not in `days`."""

    schema_version: str = SCHEMA_VERSION
    network_hash: str
    zone: str = "UTC"
    day_plans: dict[str, DayPlan]
    days: dict[str, str]
    names: dict[str, str]

    @property
    def id(self) -> str:
        """Hash of the content."""
        return content_hash(self)

    def plan_at(self, day: str, time_s: float) -> str:
        """Id of the plan that runs at a second of a day of the week (monday, …). Raises KeyError for a day that the
        table does not know."""
        return self.day_plans[self.days[day]].plan_at(time_s)


class Lane(Frozen):
    """One lane at a stop line. `movements` are those that may use it; saturation flow as calibrated."""

    id: str
    approach: str
    length_m: float
    saturation_veh_h: float
    start_up_loss_s: float = 2.0
    end_gain_s: float = 1.0
    movements: tuple[str, ...] = ()


class Movement(Frozen):
    """Vehicles of one approach that leave by one exit under one group. `waiting_places`: so many of them find room
    behind the stop line while they give way."""

    id: str
    approach: str
    exit: str
    group: str
    turn: Literal["left", "through", "right", "u_turn"]
    lanes: tuple[str, ...]
    yields_to: tuple[str, ...] = ()
    waiting_places: int = 1


class Approach(Frozen):
    """An edge that ends at a stop line of the junction."""

    id: str
    length_m: float
    speed_m_s: float
    storage_veh: float
    lanes: tuple[str, ...]


class Junction(Frozen):
    """What one controller runs: one node or several, as the optimiser sees it.

    `sequences[0]` is the running order with the running interstages. `intergreens` are the ones a new plan must keep
    (the larger of running and profile). `running` is the program in use; `locked` keeps it untouched. `turners_leave`:
    a change of stages waits until turners who give way have left with those who stand behind them."""

    id: str
    groups: tuple[SignalGroup, ...]
    conflicts: tuple[Conflict, ...]
    intergreens: tuple[Intergreen, ...]
    stages: tuple[Stage, ...]
    sequences: tuple[StageSequence, ...]
    approaches: tuple[Approach, ...]
    lanes: tuple[Lane, ...]
    movements: tuple[Movement, ...]
    running: ControllerPlan
    limits: dict[str, GroupLimits] = Field(default_factory=dict)
    pedestrians: tuple[Pedestrians, ...] = ()
    min_cycle_s: float = 30.0
    max_cycle_s: float = 150.0
    locked: bool = False
    locked_reason: str = ""
    turners_leave: bool = False


class Link(Frozen):
    """A way from a movement of one junction to an approach of the next, with the room there is for a queue."""

    from_junction: str
    from_movement: str
    to_junction: str
    to_approach: str
    length_m: float
    travel_time_s: float
    storage_veh: float


class Network(Frozen):
    """All junctions of a city and the links between them."""

    network_hash: str
    junctions: tuple[Junction, ...]
    links: tuple[Link, ...]

    def junction(self, junction: str) -> Junction:
        """One junction. Raises KeyError where there is none of that name."""
        for found in self.junctions:
            if found.id == junction:
                return found
        raise KeyError(junction)


def canonical_json(value: BaseModel) -> str:
    """The same text for the same content: keys sorted, whole numbers without a fraction, no blanks."""
    return json.dumps(_whole(value.model_dump(mode="json")), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(value: BaseModel) -> str:
    """First 32 hex digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:32]


def _whole(value: object) -> object:
    if isinstance(value, float):
        rounded = round(value, 6)
        return int(rounded) if rounded.is_integer() else rounded
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value
