"""`jasyl day-plan`: a week table of plans from a demand profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from api.day_line import WEEK_FILE, WeekOptions, WeekResult, run_week
from api.terminal import console, print_note, say, step_bars
from optimiser.day_plans import DaySettings
from optimiser.rules import Rules, load_rules
from sumo_networks.errors import ScenarioError

LEAST_PERIOD_MIN, MOST_PERIOD_MIN = 15, 720


def day_plan(
    scenario: Annotated[Path, typer.Argument(help="Folder with scenario.toml, or any .sumocfg.", show_default=False)],
    profile: Annotated[
        Path,
        typer.Option(
            help="CSV with day, begin_s and scale, or counts (count_veh by approach or junction and movement), "
            "or a detectors.csv.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results; made where it is not there.")],
    demand: Annotated[
        Path | None,
        typer.Option(help="Base demand, a demand.json of jasyl.", show_default="observed as by jasyl optimise"),
    ] = None,
    feeds: Annotated[Path | None, typer.Option(help="Feeds folder with detectors.csv; recorded where absent.")] = None,
    flows: Annotated[Path | None, typer.Option(help="Flows folder; made from the feeds where absent.")] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="rules.toml, the engineer's word.", show_default=False)
    ] = None,
    least_period: Annotated[
        int, typer.Option(min=LEAST_PERIOD_MIN, max=MOST_PERIOD_MIN, help="Least length of a period, minutes.")
    ] = 60,
    most_periods: Annotated[int, typer.Option(min=1, max=24, help="Most periods of a day.")] = 8,
    most_plans: Annotated[int, typer.Option(min=1, max=16, help="Most plans of the week.")] = 6,
    alike: Annotated[
        float, typer.Option(min=0, max=2, help="Days share a day plan whose demand differs by less than this share.")
    ] = 0.1,
    least_saving: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the day's person delay that a change, or a plan, must save.")
    ] = 0.002,
    transition: Annotated[
        Literal["shortest_way", "dwell", "add_only"], typer.Option(help="How controllers come into step.")
    ] = "shortest_way",
) -> None:
    """Periods of each day, a plan for each, and the changes between them: a week table, each change proved in SUMO."""
    _check_inputs(demand, feeds, flows)
    options = WeekOptions(
        profile=profile,
        demand=demand,
        feeds=feeds,
        flows=flows,
        rules=load_rules(rules) if rules is not None else Rules(),
        day=DaySettings(
            least_period_s=60.0 * least_period,
            most_periods=most_periods,
            most_plans=most_plans,
            most_difference=alike,
            least_saving=least_saving,
            method=transition,
        ),
    )
    with step_bars() as bars:
        result = run_week(scenario, out, options, bars)
    _print(result)


def _check_inputs(demand: Path | None, feeds: Path | None, flows: Path | None) -> None:
    if demand is not None and (feeds is not None or flows is not None):
        raise ScenarioError("--demand is given, so --feeds and --flows have no say: leave out one or the other")


def _print(result: WeekResult) -> None:
    for note in result.notes:
        print_note(note)
    for day in result.week.days:
        table = Table(title=f"{day.type.name}: {', '.join(day.type.days)}")
        for name in ("from", "to", "plan", "cycles (s)", "change (s)"):
            table.add_column(name, justify="right")
        for period in day.periods:
            plan = next(plan for plan in result.week.plans if plan.id == period.plan)
            cycles = sorted({controller.cycle_s for controller in plan.controllers})
            table.add_row(
                _clock(period.begin_s),
                _clock(period.end_s),
                result.week.table.names[period.plan],
                ", ".join(f"{cycle_s:g}" for cycle_s in cycles) or "as they run",
                f"{period.begins_with.seconds:.0f}" if period.begins_with.changes else "none",
            )
        console.print(table)
        say(
            f"person delay by the model, hours a day: {day.person_s / 3600:.1f} with these plans and their changes, "
            f"{day.one_plan_person_s / 3600:.1f} with the best of them all day, "
            f"{day.running_person_s / 3600:.1f} as it runs",
        )
    say(f"{result.changes} changes shown in SUMO, none breaks a rule")
    say(f"week table {result.folder / WEEK_FILE}, picture {result.folder / 'week.svg'}")


def _clock(time_s: float) -> str:
    return f"{int(time_s // 3600):02d}:{int(time_s % 3600 // 60):02d}"
