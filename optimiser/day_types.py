"""Days of the week that look alike: the fewest types of day such that no two days of a type differ by over a share.

Two days differ by the sum over movements and intervals of |q_a - q_b|, as a share of the mean of both days' sums. All
partitions of the days (877 for seven) are tried; of those with fewest types that with the least differences is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from optimiser.demand import Demand, DemandProfile, mean_demand

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
WEEK = (*WEEKDAYS, "saturday", "sunday")


@dataclass(frozen=True)
class DayType:
    """Days of the week that run one day plan, and the mean of their profiles."""

    name: str
    days: tuple[str, ...]
    profile: DemandProfile


def day_types(profiles: Mapping[str, DemandProfile], most_difference: float = 0.1) -> tuple[DayType, ...]:
    """The types of the days of the week in `profiles`, in the order of the week.

    A type is called by its only day, else `weekday`, `weekend` or `every day` where these are its days, else by its
    first and last."""
    days = [day for day in WEEK if day in profiles]
    apart = {
        frozenset((a, b)): 0.0 if profiles[a] is profiles[b] else difference(profiles[a], profiles[b])
        for a, b in combinations(days, 2)
    }

    def differences(parts: Sequence[Sequence[str]]) -> list[float]:
        return [apart[frozenset(pair)] for part in parts for pair in combinations(part, 2)]

    alike = [parts for parts in _partitions(days) if max(differences(parts), default=0.0) <= most_difference]
    best = min(alike, key=lambda parts: (len(parts), sum(differences(parts))))
    return tuple(_day_type(tuple(part), profiles) for part in sorted(best, key=lambda part: WEEK.index(part[0])))


def difference(one: DemandProfile, other: DemandProfile) -> float:
    """How far the turning flows of two days differ, as a share of their mean; infinite where their intervals do."""
    if [(d.begin_s, d.end_s) for d in one.intervals] != [(d.begin_s, d.end_s) for d in other.intervals]:
        return float("inf")
    apart = total = 0.0
    for a, b in zip(one.intervals, other.intervals, strict=True):
        flows, others = _flows(a), _flows(b)
        hours = (a.end_s - a.begin_s) / 3600
        for key in flows.keys() | others.keys():
            apart += hours * abs(flows.get(key, 0.0) - others.get(key, 0.0))
        total += hours * (sum(flows.values()) + sum(others.values())) / 2
    return apart / total if total else 0.0


def _flows(demand: Demand) -> dict[tuple[str, str], float]:
    return {(flow.junction, flow.movement): flow.flow_veh_h for flow in demand.turning_flows}


def _day_type(days: tuple[str, ...], profiles: Mapping[str, DemandProfile]) -> DayType:
    name = _name(days)
    if all(profiles[day] is profiles[days[0]] for day in days):
        return DayType(name, days, DemandProfile(day=name, intervals=profiles[days[0]].intervals))
    together = zip(*(profiles[day].intervals for day in days), strict=True)
    intervals = tuple(mean_demand(same_time) for same_time in together)
    return DayType(name, days, DemandProfile(day=name, intervals=intervals))


def _name(days: tuple[str, ...]) -> str:
    if len(days) == 1:
        return days[0]
    known = {WEEKDAYS: "weekday", WEEK[5:]: "weekend", WEEK: "every day"}
    return known.get(days, f"{days[0]} to {days[-1]}" if len(days) > 2 else " and ".join(days))


def _partitions(days: Sequence[str]) -> Iterator[list[list[str]]]:
    if not days:
        yield []
        return
    first, rest = days[0], days[1:]
    for parts in _partitions(rest):
        yield [[first], *parts]
        for i, part in enumerate(parts):
            yield [*parts[:i], [first, *part], *parts[i + 1 :]]
