"""One run of SUMO with bus priority in the loop, in a process of its own: `python -m sumo_networks.priority_run`.

Arguments: the control file, the seed, begin and end in whole seconds, then SUMO's own options. The controllers named in
the file show, each second, what their plan shows in the second of its cycle that they are in; SUMO runs the others.
Outputs are those of any run.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import libsumo

from optimiser.active_detours import WayState, go_on, shown
from optimiser.active_priority import PriorityState
from optimiser.detour_ways import Ways, ways
from optimiser.elastic_cycle import planned_position
from sumo_networks.bus_arrivals import Approaching, UsualDwells
from sumo_networks.bus_reports import BusReports, Report
from sumo_networks.errors import PlanMismatchError
from sumo_networks.priority_control import ControlledJunction, PriorityControl, read_priority
from sumo_networks.trips import Demand

GRANTED = "priority.csv"


@dataclass
class _Controller:
    """One junction under way. `granted_s` sums the seconds that stages were changed by, by what for; of detours those
    that they saved or took."""

    junction: ControlledJunction
    ways: Ways
    approaching: Approaching
    state: WayState
    shown: str = ""
    granted_s: Counter[str] = field(default_factory=Counter)

    def hear(self, report: Report, dwells: UsualDwells) -> None:
        """Takes in a bus's report."""
        self.approaching.hear(report, self.junction.tls, dwells)

    def show(self) -> None:
        """Puts the state of this second on the signals."""
        detour = self.state.detour
        states = self.junction.states if detour is None else self.junction.detour_states[detour]
        state = states[shown(self.ways, self.state)[1]]
        if state != self.shown:
            libsumo.trafficlight.setRedYellowGreenState(self.junction.tls, state)
            self.shown = state

    def go_on(self, time_s: int) -> None:
        """Decides on the running stage and the way on, and goes to the next second."""
        before, at = self.state, self.state.state.at
        green, second = shown(self.ways, before)
        arrivals = self.approaching.arrivals(time_s, {group: second in seconds for group, seconds in green.items()})
        self.state = go_on(self.ways, self.junction.plan.priority, before, arrivals)
        if before.detour is None and self.state.detour is not None:
            longer_s = self.ways.detours[self.state.detour].longer_s
            self.granted_s["skip" if longer_s < 0 else "insertion"] += abs(longer_s)
        elif before.detour is None and self.state.state.at.late_s != at.late_s:
            given_s = self.state.state.at.late_s - at.late_s
            back = given_s * at.late_s < 0
            self.granted_s["recovery" if back else "extension" if given_s > 0 else "early green"] += abs(given_s)


def run(control: PriorityControl, seed: int, begin_s: int, end_s: int, options: Sequence[str]) -> list[_Controller]:
    """Runs SUMO with these options from begin to end, the controllers in the loop; returns them as they ended."""
    controllers = [_controller(junction, control, begin_s) for junction in control.junctions]
    reports = BusReports(Demand(lines=control.lines), control.reports, seed, control.bus_load_pax)
    dwells = UsualDwells()
    libsumo.start(["sumo", *options])
    try:
        _check_steps(control)
        for time_s in range(begin_s, end_s):
            for report in reports.at(time_s):
                dwells.learn(report)
                for controller in controllers:
                    controller.hear(report, dwells)
            for controller in controllers:
                controller.show()
                controller.go_on(time_s)
            libsumo.simulationStep(time_s + 1)
    finally:
        libsumo.close()
    return controllers


def _controller(junction: ControlledJunction, control: PriorityControl, begin_s: int) -> _Controller:
    cycles = ways(junction.plan)
    approaching = Approaching(junction.groups, junction.plan.priority, control.reports.noise_m)
    state = WayState(PriorityState(planned_position(cycles.planned, begin_s)))
    return _Controller(junction, cycles, approaching, state)


def _check_steps(control: PriorityControl) -> None:
    if (1.0 / libsumo.simulation.getDeltaT()) % 1.0 > 1e-6:
        raise PlanMismatchError("the scenario's step length is no part of a second; priority runs on whole seconds")


def write_granted(controllers: Sequence[_Controller], path: Path) -> None:
    """Write how many seconds each junction gave, and what for."""
    rows = [f"{c.junction.tls},{why},{seconds}" for c in controllers for why, seconds in sorted(c.granted_s.items())]
    path.write_text("\n".join(["junction,why,seconds", *rows]) + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Entry point; an error of ours or SUMO's ends as one line on stderr and exit code 1."""
    control, seed, begin_s, end_s, *options = arguments
    try:
        controllers = run(read_priority(Path(control)), int(seed), int(begin_s), int(end_s), options)
        write_granted(controllers, Path(GRANTED))
    except (PlanMismatchError, libsumo.TraCIException, libsumo.FatalTraCIError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
