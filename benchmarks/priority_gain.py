"""Bus priority with and without, in SUMO: `python benchmarks/priority.py MAP.sumocfg… --seeds 11,12,13 --json F`.

The programs as shipped (or those of a plan) run as they are, and with the priority that the model chooses for them, on
the same seeds. Prints one JSON line a map: means, paired differences with 95 % intervals, the delay of buses at signals
alone, safety findings that only the runs with priority have, and the seconds that controllers gave.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from api.run import observe
from api.run_options import RunOptions
from api.step_clock import StepClock
from optimiser.bus_priority import PrioritisedPlan, with_priority
from optimiser.rule_tables import PriorityRules, Weights
from optimiser.rules import Rules
from optimiser.safety import check_log
from optimiser.signals import NetworkPlan
from sumo_networks.approaches import read_approaches
from sumo_networks.bindings import CityModel
from sumo_networks.bus_signal_delay import POSITIONS, bus_crossings, recording_buses
from sumo_networks.compare import compare, compare_places
from sumo_networks.measure import RunMeasures, measure
from sumo_networks.net_file import read_net
from sumo_networks.priority_control import write_priority
from sumo_networks.priority_run import GRANTED
from sumo_networks.programs import read_plan, write_programs
from sumo_networks.recorded_states import signal_logs
from sumo_networks.regression_limits import RegressionLimits
from sumo_networks.scenario import Scenario, load_scenario
from sumo_networks.simulate import Job, Run, simulate_many
from sumo_networks.trips import read_demand

Broken = frozenset[tuple[str, str, tuple[str, ...]]]
TOLD = ("person_delay_s", "vehicle_delay_s", "bus_delay_s", "pedestrian_delay_s", "stops_per_veh", "co2_g_per_veh_km")


@dataclass(frozen=True)
class Seen:
    """What one run showed."""

    measures: RunMeasures
    bus_signal_delays_s: tuple[float, ...]
    findings: Broken
    given_s: Counter[str]


def chosen(
    scenario: Scenario, plan: Path | None, rules: Rules, skip: bool, folder: Path
) -> tuple[CityModel, PrioritisedPlan]:
    """The network, and the plan with the priority that the model chooses for it; with `skip` any stage may be left out
    that the checker lets be."""
    options = RunOptions(begin_s=scenario.begin_s, end_s=scenario.end_s, rules=rules)
    model, demand = observe(scenario, folder, folder / "work", options, StepClock(None))
    shipped = tuple(junction.running for junction in model.network.junctions if not junction.locked)
    bare = NetworkPlan(network_hash=model.network.network_hash, profile="", controllers=shipped)
    bare = bare if plan is None else read_plan(plan, model)
    bare = skippable(bare) if skip else bare
    return model, with_priority(model.network, demand.demand, bare, options.rules)


def skippable(plan: NetworkPlan) -> NetworkPlan:
    """The plan with all stages skippable."""
    controllers = tuple(
        controller.model_copy(
            update={"stages": tuple(stage.model_copy(update={"skippable": True}) for stage in controller.stages)}
        )
        for controller in plan.controllers
    )
    return plan.model_copy(update={"controllers": controllers})


def seen(run: Run, scenario: Scenario, model: CityModel, plan: NetworkPlan) -> Seen:
    demand, approaches = read_demand(scenario), read_approaches(scenario.net)
    planned = {controller.junction: controller for controller in plan.controllers}
    assert run.tls_states is not None and run.stops is not None
    findings = {
        (finding.junction, finding.rule.value, finding.groups)
        for name, log in signal_logs(run.tls_states, model.bindings).items()
        for finding in check_log(log, planned.get(name, model.network.junction(name).running))
    }
    speeds_m_s = {name: lane.speed_m_s for name, lane in read_net(scenario.net).lanes.items()}
    crossings = bus_crossings(run.folder / POSITIONS, run.stops, demand, approaches, speeds_m_s)
    given: Counter[str] = Counter()
    if (run.folder / GRANTED).is_file():
        for row in csv.DictReader((run.folder / GRANTED).open(encoding="utf-8")):
            given[row["why"]] += int(row["seconds"])
    delays_s = tuple(crossing.delay_s for crossing in crossings)
    return Seen(measure(run, scenario, demand, approaches), delays_s, frozenset(findings), given)


def runs(
    scenario: Scenario, model: CityModel, found: PrioritisedPlan, seeds: Sequence[int], workers: int, folder: Path
) -> dict[str, list[Seen]]:
    """Runs without and with priority."""
    write_programs(found.plan, model.bindings, folder / "plan.add.xml")
    control = write_priority(found.plan, model, scenario, folder / "priority.json")
    jobs = [
        Job(recording_buses(scenario), seed, folder / f"{name}_{seed}", folder / "plan.add.xml", priority=priority)
        for seed in seeds
        for name, priority in (("without", None), ("with", control))
    ]
    shown: dict[str, list[Seen]] = {"without": [], "with": []}
    for job, run in zip(jobs, simulate_many(jobs, workers), strict=True):
        shown[job.folder.name.partition("_")[0]].append(seen(run, scenario, model, found.plan))
    return shown


def told(scenario: Scenario, found: PrioritisedPlan, shown: dict[str, list[Seen]]) -> dict[str, Any]:
    before, after = ([one.measures for one in shown[name]] for name in ("without", "with"))
    compared = compare(before, after)
    places = compare_places(before, after, RegressionLimits())
    broken = {name: frozenset().union(*(one.findings for one in shown[name])) for name in shown}
    return {
        "map": scenario.name,
        "seeds": [one.seed for one in before],
        "figures": {
            name: {
                "without": round(getattr(compared.baseline, name), 2),
                "with": round(getattr(compared.candidate, name), 2),
                "difference": [round(value, 2) for value in as_numbers(getattr(compared.difference, name))],
            }
            for name in TOLD
            if getattr(compared.difference, name) is not None
        },
        "bus_delay_at_signals_s": {
            name: round(fmean(s for one in shown[name] for s in one.bus_signal_delays_s), 2) for name in shown
        },
        "lines_s": {place.name: round(place.difference_s.mean, 1) for place in places[1]},
        "junctions_s": {place.name: round(place.difference_s.mean, 1) for place in places[0]},
        "surely_worse": [place.name for family in places for place in family if place.worse],
        "new_findings": sorted(map(list, broken["with"] - broken["without"])),
        "findings_of_both": len(broken["without"] & broken["with"]),
        "collisions": {name: sum(one.measures.measures.collisions or 0 for one in shown[name]) for name in shown},
        "given_s": dict(sum((one.given_s for one in shown["with"]), Counter())),
        "chosen": {one.junction: asdict(one.choice) for one in found.junctions},
    }


def as_numbers(estimate: Any) -> list[float]:
    """Mean, low and high."""
    return [value for value in (estimate.mean, estimate.low, estimate.high) if value is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("maps", nargs="+", type=Path)
    parser.add_argument("--seeds", default="11,12,13")
    parser.add_argument("--period-s", type=float)
    parser.add_argument("--plan", type=Path, help="plan.json in place of the shipped programs")
    parser.add_argument("--max-extension-s", type=int, default=PriorityRules().max_extension_s)
    parser.add_argument("--max-early-green-s", type=int, default=PriorityRules().max_early_green_s)
    parser.add_argument("--max-insertion-s", type=int, default=PriorityRules().max_insertion_s)
    parser.add_argument("--skip", action="store_true", help="any stage may be skipped, within the plan's limits")
    parser.add_argument("--bus-weight", type=float, default=1.0, help="of those aboard, in the choice of priority")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    limits = PriorityRules(
        max_extension_s=given.max_extension_s,
        max_early_green_s=given.max_early_green_s,
        max_insertion_s=given.max_insertion_s,
    )
    rules = Rules(priority=limits, weights=Weights(bus=given.bus_weight))
    seeds = [int(seed) for seed in given.seeds.split(",")]
    for path in given.maps:
        scenario = load_scenario(path)
        if given.period_s is not None:
            scenario = load_scenario(path, scenario.begin_s, scenario.begin_s + given.period_s)
        with tempfile.TemporaryDirectory(prefix="jasyl-priority-") as name:
            model, found = chosen(scenario, given.plan, rules, given.skip, Path(name))
            line = json.dumps(told(scenario, found, runs(scenario, model, found, seeds, given.workers, Path(name))))
        print(line, flush=True)
        if given.json is not None:
            with given.json.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
