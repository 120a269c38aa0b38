"""What a controller makes of reports: when a bus is due, whether it may have priority, and when it is through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import libsumo
import numpy as np
import pytest

from optimiser.signals import Priority
from sumo_networks.bus_arrivals import Approaching, UsualDwells, due_at, served
from sumo_networks.bus_reports import BusReports, LineAhead, Report, StopAhead
from sumo_networks.priority_control import ReportQuality
from sumo_networks.recording import redirect_outputs
from sumo_networks.scenario import load_scenario
from sumo_networks.trips import read_demand

LINE = LineAhead("A", 3, 200.0, 10.0)
REPORT = Report("bus", "7", 100, 25.0, None, (LINE,), ())
ALLOWED = Priority(max_extension_s=10, lines=("7",))


def approaching(priority: Priority = ALLOWED) -> Approaching:
    return Approaching({3: "main"}, priority, 5.0)


def test_a_bus_is_due_after_free_driving_and_its_usual_dwell() -> None:
    dwells = UsualDwells()
    assert due_at(REPORT, LINE, "main", dwells, 5.0).due_s == 120
    ahead = replace(REPORT, stops_ahead=(StopAhead("stop", 50.0, 15.0, None), StopAhead("behind", 250.0, 15.0, None)))
    due = due_at(ahead, LINE, "main", dwells, 5.0)
    assert due.due_s == pytest.approx(120 + 15 + 10 / 2.4 + 10 / 4), "it brakes, stands and accelerates"
    assert due.spread_s > due_at(REPORT, LINE, "main", dwells, 5.0).spread_s
    standing = replace(REPORT, stops_ahead=(StopAhead("stop", 0.0, 15.0, 90.0),))
    assert due_at(standing, LINE, "main", dwells, 5.0).due_s == pytest.approx(125 + 10 / 2.4)


def test_usual_dwells_are_learnt_from_buses_that_left() -> None:
    dwells = UsualDwells()
    left = replace(REPORT, last_stop="stop", last_dwell_s=40.0)
    for bus in ("a", "b"):
        dwells.learn(replace(left, bus=bus))
        dwells.learn(replace(left, bus=bus, measured_s=110))
    assert dwells.of("stop", 20.0) == 30.0
    assert dwells.of("other", 20.0) == dwells.of("other", 0.0) == 20.0


def test_only_late_full_buses_of_named_lines_are_served() -> None:
    assert served(REPORT, ALLOWED)
    assert not served(replace(REPORT, line="8"), ALLOWED)
    picky = ALLOWED.model_copy(update={"min_lateness_s": 60.0, "min_load_pax": 20.0})
    assert served(REPORT, picky), "where no timetable tells, lateness is no condition"
    assert not served(replace(REPORT, late_s=30.0), picky)
    assert served(replace(REPORT, late_s=90.0), picky)
    assert not served(replace(REPORT, load_pax=10.0), picky)


def test_a_bus_waits_at_the_line_until_its_group_has_been_green() -> None:
    here = approaching()
    here.hear(REPORT, "A", UsualDwells())
    assert [round(a.expected_s) for a in here.arrivals(110, {"main": False})] == [10]
    assert [a.expected_s for a in here.arrivals(130, {"main": False})] == [0.0]
    later = [bool(here.arrivals(time_s, {"main": True})) for time_s in range(131, 145)]
    assert later[0] and not later[-1]


def test_a_bus_that_slips_behind_its_forecast_is_less_sure_to_come() -> None:
    here = approaching()
    here.hear(REPORT, "A", UsualDwells())
    first = here.arrivals(110, {"main": False})[0]
    here.hear(replace(REPORT, measured_s=110, lines_ahead=(replace(LINE, distance_m=190.0),)), "A", UsualDwells())
    second = here.arrivals(110, {"main": False})[0]
    assert second.expected_s == first.expected_s + 9
    assert second.latest_s - second.expected_s > 9 > first.latest_s - first.expected_s


def test_a_report_from_behind_the_line_ends_it() -> None:
    here = approaching()
    here.hear(REPORT, "A", UsualDwells())
    here.hear(replace(REPORT, lines_ahead=(LineAhead("B", 1, 300.0, 10.0),)), "A", UsualDwells())
    assert here.arrivals(110, {"main": False}) == []


@pytest.fixture(scope="module")
def heard(grid_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, float, Report]]:
    """(second it was heard, true distance to the next line when measured, report) of buses in the tiny town."""
    scenario = load_scenario(grid_folder / "run.sumocfg")
    reports = BusReports(read_demand(scenario), ReportQuality(interval_s=10, delay_s=15, noise_m=5.0), seed=1)
    own = redirect_outputs(scenario.additionals, tmp_path_factory.mktemp("heard"))
    files = ",".join(str(file) for file in own)
    true_m: dict[tuple[str, int], float] = {}
    found = []
    options = ["-n", str(scenario.net), "-r", str(scenario.routes[0]), "-a", files, "--no-step-log", "--no-warnings"]
    libsumo.start(["sumo", *options])
    try:
        for time_s in range(400):
            for report in reports.at(time_s):
                if report.lines_ahead:
                    found.append((time_s, true_m[report.bus, report.measured_s], report))
            for vehicle in libsumo.vehicle.getIDList():
                ahead = libsumo.vehicle.getNextTLS(vehicle)
                if ahead:
                    true_m[vehicle, time_s] = ahead[0][2]
            libsumo.simulationStep(time_s + 1)
    finally:
        libsumo.close()
    return found


def test_reports_are_old_and_come_every_few_seconds(heard: list[tuple[int, float, Report]]) -> None:
    assert len(heard) > 20
    assert all(time_s - report.measured_s == 15 for time_s, _, report in heard)
    of_one = [report.measured_s for _, _, report in heard if report.bus == "bus_7.0"]
    assert set(np.diff(of_one)) == {10}
    assert {report.line for _, _, report in heard} <= {"7", "with_stops", "express"}


def test_free_speed_is_that_of_the_streets_on_the_way(heard: list[tuple[int, float, Report]]) -> None:
    speeds_m_s = {round(line.free_speed_m_s, 3) for _, _, report in heard for line in report.lines_ahead}
    assert speeds_m_s == {13.8}


def test_reported_positions_err_as_a_receiver_does(heard: list[tuple[int, float, Report]]) -> None:
    errors_m = [report.lines_ahead[0].distance_m - true_m for _, true_m, report in heard]
    assert all(error_m != 0 for error_m in errors_m)
    assert 2.0 < np.std(errors_m) < 9.0
