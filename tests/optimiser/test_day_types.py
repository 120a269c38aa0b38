"""Days of the week that look alike share a day plan; those that do not, do not."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from optimiser.day_types import WEEK, day_types, difference
from optimiser.demand import BusFlow, Demand, DemandProfile, TurningFlow, mean_demand


def profile(day: str, levels: list[float]) -> DemandProfile:
    return DemandProfile(day=day, intervals=tuple(interval(900.0 * i, level) for i, level in enumerate(levels)))


def interval(begin_s: float, flow_veh_h: float, occupancy_pax: float = 1.3) -> Demand:
    flow = TurningFlow(
        junction="A", movement="m", flow_veh_h=flow_veh_h, served_veh_h=flow_veh_h, occupancy_pax=occupancy_pax
    )
    return Demand(begin_s=begin_s, end_s=begin_s + 900, turning_flows=(flow,))


def test_a_usual_week_falls_into_weekday_saturday_and_sunday() -> None:
    week = {day: profile(day, [100, 500 + i, 300]) for i, day in enumerate(WEEK[:5])}
    week |= {"saturday": profile("saturday", [50, 200, 300]), "sunday": profile("sunday", [50, 100, 100])}
    found = day_types(week)
    assert [(day.name, len(day.days)) for day in found] == [("weekday", 5), ("saturday", 1), ("sunday", 1)]
    assert found[0].profile.intervals[1].turning_flows[0].flow_veh_h == pytest.approx(502)


def test_days_with_one_profile_are_one_type_and_unknown_days_are_left_out() -> None:
    same = profile("any", [100, 200])
    (found,) = day_types({"monday": same, "sunday": same})
    assert found.days == ("monday", "sunday") and found.name == "monday and sunday"


@settings(max_examples=12)
@given(st.lists(st.lists(st.sampled_from([100.0, 120.0, 150.0]), min_size=2, max_size=2), min_size=1, max_size=5))
def test_no_two_days_of_a_type_differ_by_more_than_allowed_and_no_fewer_types_would_do(
    levels: list[list[float]],
) -> None:
    week = {day: profile(day, flows) for day, flows in zip(WEEK, levels, strict=False)}
    found = day_types(week, 0.15)
    assert sorted(day for one in found for day in one.days) == sorted(week)
    for one in found:
        assert all(difference(week[a], week[b]) <= 0.15 for a, b in combinations(one.days, 2))
    # So many days that are all unlike each other need so many types.
    for size in range(len(week), len(found), -1):
        for days in combinations(week, size):
            assert any(difference(week[a], week[b]) <= 0.15 for a, b in combinations(days, 2))


def test_days_of_other_intervals_are_never_alike() -> None:
    assert difference(profile("monday", [100, 100]), profile("sunday", [100])) == float("inf")


def test_a_mean_weighs_intervals_by_length_and_people_by_vehicles() -> None:
    long = interval(0.0, 100.0, 1.0).model_copy(update={"end_s": 2700.0})
    bus = BusFlow(junction="A", movement="m", line="7", buses_h=8.0, headway_s=450.0, load_pax=30.0)
    short = interval(2700.0, 300.0, 2.0).model_copy(update={"bus_flows": (bus,)})
    mean = mean_demand([long, short])
    assert (mean.begin_s, mean.end_s) == (0.0, 3600.0)
    assert mean.turning_flows[0].flow_veh_h == pytest.approx(150)
    assert mean.turning_flows[0].occupancy_pax == pytest.approx((75 * 1.0 + 75 * 2.0) / 150)
    assert mean.bus_flows[0].buses_h == pytest.approx(2) and mean.bus_flows[0].load_pax == pytest.approx(30)


def test_a_profile_with_a_gap_is_refused() -> None:
    with pytest.raises(ValidationError, match="an interval ends at 900 s and the next begins at 1800 s"):
        DemandProfile(day="monday", intervals=(interval(0.0, 1.0), interval(1800.0, 1.0)))
