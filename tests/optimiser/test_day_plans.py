"""Day plans end to end on three junctions in a row: a tidal day gets its plans, and nothing changes for nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from junctions import arterial

from optimiser.day_plans import DaySettings, WeekPlans, day_plans
from optimiser.demand import Demand, DemandProfile, TurningFlow
from optimiser.rules import Rules
from optimiser.safety import check_network_against, check_network_plan
from optimiser.settings import ModelSettings
from optimiser.signals import WeekTable, canonical_json

QUICK = ModelSettings(common_cycles=1, orders=1)
RULES = Rules(candidate_cycles_s=(70.0, 100.0))
OPTIONS = DaySettings(least_period_s=1800.0)
NETWORK = arterial(2)
TEE_VEH_H = (600.0, 50.0, 600.0, 100.0, 150.0, 80.0)
QUIET = (0.3, 0.3)
TIDAL = [QUIET] * 8 + [(1.5, 0.7)] * 4 + [QUIET] * 8


def profile(day: str, levels: list[tuple[float, float]]) -> DemandProfile:
    """Quarter-hours with these factors on the flows from the west, and on all others."""
    intervals = []
    for i, (west, others) in enumerate(levels):
        flows = tuple(
            TurningFlow(
                junction=j.id,
                movement=m.id,
                flow_veh_h=q * (west if m.approach == "west" else others),
                served_veh_h=0.0,
            )
            for j in NETWORK.junctions
            for m, q in zip(j.movements, TEE_VEH_H, strict=True)
        )
        intervals.append(Demand(begin_s=900.0 * i, end_s=900.0 * (i + 1), turning_flows=flows))
    return DemandProfile(day=day, intervals=tuple(intervals))


@pytest.fixture(scope="module")
def week() -> WeekPlans:
    workday = profile("monday", TIDAL)
    days = {"monday": workday, "tuesday": workday, "sunday": profile("sunday", [QUIET] * 20)}
    return day_plans(NETWORK, days, RULES, settings=QUICK, options=OPTIONS)


def test_a_workday_with_a_peak_runs_another_plan_in_it_and_a_quiet_day_one(week: WeekPlans) -> None:
    workday, sunday = week.days
    assert workday.type.days == ("monday", "tuesday") and sunday.type.days == ("sunday",)
    assert week.table.plan_at("monday", 9 * 900.0) != week.table.plan_at("monday", 0.0)
    assert len(sunday.periods) == 1 and not sunday.periods[0].begins_with.changes
    assert all(p.end_s - p.begin_s >= OPTIONS.least_period_s for p in workday.periods)


def test_the_day_costs_no_more_than_its_best_single_plan_and_its_changes_are_counted(week: WeekPlans) -> None:
    for day in week.days:
        assert day.person_s <= day.one_plan_person_s + 1e-6
        changed = sum(period.begins_with.person_s for period in day.periods)
        assert day.person_s == pytest.approx(sum(period.person_s for period in day.periods) + changed)
    assert any(period.begins_with.person_s > 0 for period in week.days[0].periods)


def test_every_plan_named_is_there_and_safe_and_only_these(week: WeekPlans) -> None:
    named = {plan for day in week.table.day_plans.values() for _, plan in day.periods}
    assert named == {plan.id for plan in week.plans} == set(week.table.names)
    for plan in week.plans:
        assert check_network_plan(plan) == () and check_network_against(plan, NETWORK) == ()


def test_the_table_comes_back_from_json_as_it_was(week: WeekPlans) -> None:
    assert WeekTable.model_validate_json(canonical_json(week.table)) == week.table


def test_where_a_change_must_save_more_than_it_can_one_plan_runs_all_day() -> None:
    days = {"monday": profile("monday", TIDAL)}
    options = replace(OPTIONS, least_saving=1e6)
    found = day_plans(NETWORK, days, RULES, settings=QUICK, options=options)
    assert len(found.plans) == 1 and len(found.days[0].periods) == 1
