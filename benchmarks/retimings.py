"""Retimings side by side in SUMO: `python benchmarks/coordination.py MAP.sumocfg… --seeds 1,2,3 --json F`.

Prints one JSON line a map. Methods: the programs as shipped; these with the profile's intergreens; Webster's closed
form on our demand; SUMO's two tools; jasyl. Delay as everywhere in jasyl: over all trips, finished or not. `floor` is
2 % of the demand with the signals off: what no plan can save.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from api.run import observe, write_plan
from api.run_options import RunOptions
from api.search import OPTIMISE, POLISH, find_plan, optimise_step
from api.step_clock import StepClock
from benchmarks.sumo_tools import ToolInput, tls_coordinator, tls_cycle_adaptation
from optimiser.coordination import WEBSTER
from optimiser.rules import Rules
from optimiser.safety import check_log
from optimiser.signals import NetworkPlan
from sumo_networks.approaches import read_approaches
from sumo_networks.bindings import CityModel
from sumo_networks.bus_signal_delay import POSITIONS, bus_crossings, recording_buses
from sumo_networks.journal import Journal
from sumo_networks.measure import Measures, measure_trips
from sumo_networks.net_file import read_net
from sumo_networks.profiles import profile_named
from sumo_networks.programs import read_plan, write_programs
from sumo_networks.read import read_network
from sumo_networks.recorded_states import recorded_states, signal_logs
from sumo_networks.repaired import repaired_network_plan
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import Job, Record, Run, simulate_many
from sumo_networks.trips import Demand, read_demand, within_period
from sumo_networks.verdict_runs import MOST_RUN_ON_S

FLOOR_SCALE = 0.02
States = dict[str, tuple[tuple[float, ...], tuple[str, ...]]]


@dataclass(frozen=True)
class Method:
    """A retiming: its programs (nothing: as shipped), the plan behind them where there is one, what finding it took."""

    programs: Path | None
    plan: NetworkPlan | None = None
    solve_s: float = 0.0
    gap: float | None = None


@dataclass(frozen=True)
class Bench:
    """One map, with all that its runs need."""

    scenario: Scenario
    model: CityModel
    demand: Demand
    seeds: tuple[int, ...]
    workers: int
    folder: Path


@dataclass(frozen=True)
class Seen:
    """What one run showed."""

    measures: Measures
    bus_signal_delays_s: tuple[float, ...]
    findings: frozenset[tuple[str, str, tuple[str, ...]]]
    states: States


def coordination(config: Path, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The line of one map."""
    scenario = load_scenario(config, None, None)
    run_options = RunOptions(rules=_rules(options), workers=options.workers)
    clock = StepClock(
        lambda step, share: print(f"{scenario.name}: {step} {share:.0%}", file=sys.stderr) if share in {0, 1} else None
    )
    out = folder / "jasyl"
    out.mkdir()
    model, demand = observe(scenario, out, folder / "work", run_options, clock)
    bench = Bench(scenario, model, read_demand(scenario), options.seeds, options.workers, folder)
    if options.plan is None:
        found = find_plan(scenario, model, demand.demand, run_options, folder / "work", clock, Journal())
        plan, result, first = found.polished.plan, found.result, found.first
    else:
        plan, result = read_plan(options.plan, model), optimise_step(model.network, demand.demand, run_options, clock)
        first = result
    solve_s = sum(clock.seconds[step] for step in clock.seconds if step.startswith((OPTIMISE, POLISH)))
    methods = {"shipped": Method(None), "repaired": _repaired(scenario, options.profile, folder)}
    for candidate in first.candidates:
        if candidate.name == WEBSTER:
            methods["webster"] = _method(model, candidate.plan, folder / "webster.add.xml")
    given = ToolInput.of(scenario, folder / "tools")
    for name, tool in (("tls_cycle_adaptation", tls_cycle_adaptation), ("tls_coordinator", tls_coordinator)):
        made = tool(given, folder)
        methods[name] = Method(made.file, solve_s=made.solve_s)
    methods["jasyl"] = Method(write_plan(plan, model, out), plan, solve_s, result.gap)
    floor = _floor(bench)
    line: dict[str, Any] = {"map": scenario.name, "seeds": list(bench.seeds), "profile": options.profile}
    line |= {
        "floor_s": round(floor.vehicle_delay_s, 2),
        "person_floor_s": round(floor.person_delay_s, 2),
        "methods": {},
    }
    shipped: list[Seen] = []
    for name, method in methods.items():
        print(f"{scenario.name}: {name}", file=sys.stderr)
        seen = _runs(bench, method)
        shipped = shipped or seen
        line["methods"][name] = _told(bench, method, seen, shipped, floor)
    return line


def _rules(options: argparse.Namespace) -> Rules:
    rules = Rules()
    polish = (
        rules.polish if options.polish_runs is None else rules.polish.model_copy(update={"runs": options.polish_runs})
    )
    return rules.model_copy(update={"polish": polish})


def _method(model: CityModel, plan: NetworkPlan, file: Path) -> Method:
    write_programs(plan, model.bindings, file)
    return Method(file, plan)


def _repaired(scenario: Scenario, profile: str, folder: Path) -> Method:
    """The shipped programs with the intergreens of a profile."""
    model = read_network(scenario.net, scenario.additionals, profile_named(profile), scenario.zone)
    return _method(model, repaired_network_plan(model.network, profile), folder / "repaired.add.xml")


def _runs(bench: Bench, method: Method) -> list[Seen]:
    """One run a seed, everything recorded."""
    approaches, net = read_approaches(bench.scenario.net), read_net(bench.scenario.net)
    speeds_m_s = {name: lane.speed_m_s for name, lane in net.lanes.items()}
    planned = {} if method.plan is None else {plan.junction: plan for plan in method.plan.controllers}

    def look(run: Run) -> Seen:
        assert run.tls_states is not None and run.stops is not None
        crossings = bus_crossings(run.folder / POSITIONS, run.stops, bench.demand, approaches, speeds_m_s)
        broken = {
            (finding.junction, finding.rule.value, finding.groups)
            for name, log in signal_logs(run.tls_states, bench.model.bindings).items()
            for finding in check_log(log, planned.get(name, bench.model.network.junction(name).running))
        }
        states = {tls: (one.times_s, one.states) for tls, one in recorded_states(run.tls_states).items()}
        measures = measure_trips(run, bench.scenario, bench.demand)
        return Seen(measures, tuple(crossing.delay_s for crossing in crossings), frozenset(broken), states)

    jobs = [
        Job(recording_buses(bench.scenario), seed, bench.folder / f"run_{seed}", method.programs)
        for seed in bench.seeds
    ]
    return _looked(jobs, bench.workers, look)


def _looked(jobs: Sequence[Job], workers: int, look: Callable[[Run], Any]) -> list[Any]:
    """What `look` sees of each run, whose files are deleted then."""
    seen: dict[Path, Any] = {}

    def done(run: Run) -> None:
        seen[run.folder] = look(run)
        shutil.rmtree(run.folder)

    simulate_many(jobs, workers, done)
    return [seen[job.folder.absolute()] for job in jobs]


def _told(bench: Bench, method: Method, seen: list[Seen], shipped: list[Seen], floor: Measures) -> dict[str, Any]:
    person_s, before_s = (fmean(one.measures.person_delay_s for one in runs) for runs in (seen, shipped))
    at_signals = [delay_s for one in seen for delay_s in one.bus_signal_delays_s]
    known = {key for one in shipped for key in one.findings}
    return {
        "delay_s": round(fmean(one.measures.vehicle_delay_s for one in seen), 2),
        "person_delay_s": round(person_s, 2),
        "person_delay_above_floor": round((person_s - floor.person_delay_s) / (before_s - floor.person_delay_s), 4),
        "bus_delay_s": _mean([one.measures.bus_delay_s for one in seen]),
        "bus_signal_delay_s": round(fmean(at_signals), 2) if at_signals else None,
        "cleared_delay_s": round(_cleared_s(bench, method), 2),
        "solve_s": round(method.solve_s, 1),
        "gap": None if method.gap is None else round(method.gap, 4),
        "findings": len({key for one in seen for key in one.findings}),
        "findings_new": len({key for one in seen for key in one.findings} - known),
        "signals_changed": any(a.states != b.states for a, b in zip(seen, shipped, strict=True)),
    }


def _cleared_s(bench: Bench, method: Method) -> float:
    """Delay of a vehicle where the runs go on until all that were due have left, at most MOST_RUN_ON_S."""
    until, end_s = within_period(bench.scenario, bench.folder / "cleared"), bench.scenario.end_s + MOST_RUN_ON_S
    jobs = [
        Job(until, seed, bench.folder / f"cleared_{seed}", method.programs, end_s=end_s, record=Record.TRIPS)
        for seed in bench.seeds
    ]
    found: list[Measures] = _looked(jobs, bench.workers, lambda run: measure_trips(run, bench.scenario, bench.demand))
    return fmean(measures.vehicle_delay_s for measures in found)


def _floor(bench: Bench) -> Measures:
    """A little demand, signals off: means over the seeds."""
    free = dict(bench.scenario.options) | {"tls.all-off": "true"}
    scenario = replace(bench.scenario, options=tuple(sorted(free.items())))
    jobs = [
        Job(scenario, seed, bench.folder / f"floor_{seed}", scale=FLOOR_SCALE, record=Record.TRIPS)
        for seed in bench.seeds
    ]
    found: list[Measures] = _looked(jobs, bench.workers, lambda run: measure_trips(run, bench.scenario, bench.demand))
    return replace(
        found[0],
        vehicle_delay_s=fmean(one.vehicle_delay_s for one in found),
        person_delay_s=fmean(one.person_delay_s for one in found),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return round(fmean(there), 2) if there else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maps", nargs="+", type=Path, metavar="MAP", help="a .sumocfg or a scenario folder")
    parser.add_argument("--seeds", type=lambda text: tuple(map(int, text.split(","))), default=(1, 2, 3))
    parser.add_argument("--profile", default="rilsa", help="whose intergreens `repaired` keeps")
    parser.add_argument("--plan", type=Path, help="jasyl's plan where it is there already (one map)")
    parser.add_argument("--polish-runs", type=int, help="simulations of jasyl's search")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the lines to this file")
    options = parser.parse_args()
    lines = []
    for config in options.maps:
        with tempfile.TemporaryDirectory(prefix="jasyl-coordination-") as folder:
            lines.append(json.dumps(coordination(config, options, Path(folder))))
        print(lines[-1], flush=True)
    if options.json:
        options.json.write_text("\n".join(lines) + "\n")
