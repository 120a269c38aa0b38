"""Saturation flow, start-up loss and end gain of every lane, calibrated against SUMO.

Three layers, each drawn towards the one below where it saw little (empirical Bayes): the discharge of the scenario's
car types in a tiny experiment (`discharge_experiment`), by speed of approach and turn; lanes of the same speeds in one
recorded run of the scenario; the lane itself in that run. Only protected, unopposed greens are measured: what a
permissive turn carries follows from the opposing flow, not from its lane.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from optimiser.signals import Junction, Lane
from sumo_networks.bindings import CityModel
from sumo_networks.discharge import Discharge, LaneGreen, measure_discharge, pool, shrink
from sumo_networks.discharge_experiment import DischargeCase, discharge_of_cases
from sumo_networks.lane_links import LaneLink, lane_links
from sumo_networks.net_file import NetFile, read_net
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Record, simulate
from sumo_networks.sumo_xml import elements
from sumo_networks.vehicle_mix import read_vehicle_mix

QUEUE_PERIOD_S: Final = 5
MAX_RUN_S: Final = 1800.0
_FULL_SHARE: Final = 0.8
_AFTER_AMBER_S: Final = 2.0
_APPROACH_SPEEDS: Final = (8.33, 11.11, 13.89, 16.67, 19.44, 22.22, 27.78)
_TURN_SPEEDS: Final = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.5, 11.11, 13.89, 16.67, 19.44, 22.22, 27.78)


@dataclass(frozen=True)
class DischargeRecording:
    """Outputs of a run that `discharge_additional` asked for: crossings of stop lines, queues, signal switches."""

    crossings: Path
    queues: Path
    switches: Path
    begin_s: float
    end_s: float


@dataclass(frozen=True)
class LaneDischarge:
    """What a lane was given. `measured` is what it showed itself (None: never saturated under a protected green)."""

    junction: str
    lane: str
    case: DischargeCase
    assumed: Discharge
    measured: Discharge | None
    calibrated: Discharge


@dataclass(frozen=True)
class Calibration:
    """The model with calibrated lanes, and how each lane came to its figures (by junction and lane)."""

    model: CityModel
    lanes: tuple[LaneDischarge, ...]


def calibrate(
    scenario: Scenario, model: CityModel, folder: Path, seed: int, max_run_s: float = MAX_RUN_S
) -> Calibration:
    """Calibrate all lanes of a model from one run of the scenario (its first `max_run_s`) and a discharge experiment.

    Writes only into `folder`. Raises SimulationError where SUMO fails."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    net = read_net(scenario.net)
    end_s = min(scenario.end_s, scenario.begin_s + max_run_s)
    run_folder = folder / "calibration_run"
    run_folder.mkdir(exist_ok=True)
    additional = folder / "calibration.add.xml"
    recording = discharge_additional(model, net, additional, run_folder, scenario.begin_s, end_s)
    simulate(scenario, seed, run_folder, end_s=end_s, additionals=(additional,), record=Record.TRIPS)
    return calibrate_from(recording, scenario, model, net, folder / "experiment", seed)


def calibrate_from(
    recording: DischargeRecording, scenario: Scenario, model: CityModel, net: NetFile, folder: Path, seed: int
) -> Calibration:
    """As `calibrate`, from a run that was recorded with `discharge_additional`; the experiment runs in `folder`."""
    cases = _cases(model, net)
    assumed = discharge_of_cases(
        tuple(sorted(set(cases.values()))), read_vehicle_mix(scenario), folder, seed, _driving_options(scenario)
    )
    measured = _measure(recording, model, net, {lane: assumed[case] for lane, case in cases.items()})
    pooled: dict[DischargeCase, Discharge] = {}
    for case, prior in sorted(assumed.items()):
        pooled[case] = pool([found for lane, found in sorted(measured.items()) if cases[lane] == case], prior)
    lanes = tuple(
        LaneDischarge(
            junction=junction.id,
            lane=lane.id,
            case=cases[lane.id],
            assumed=assumed[cases[lane.id]],
            measured=measured.get(lane.id),
            calibrated=shrink(measured.get(lane.id), pooled[cases[lane.id]]),
        )
        for junction in model.network.junctions
        for lane in junction.lanes
    )
    figures = {found.lane: found.calibrated for found in lanes}
    junctions = tuple(_with_figures(junction, figures) for junction in model.network.junctions)
    network = model.network.model_copy(update={"junctions": junctions})
    return Calibration(replace(model, network=network), lanes)


def discharge_additional(
    model: CityModel, net: NetFile, path: Path, outputs: Path, begin_s: float, end_s: float
) -> DischargeRecording:
    """Write an additional file that records, into the folder `outputs`, what calibration needs of a run."""
    recording = DischargeRecording(
        outputs / "crossings.xml", outputs / "lane_queues.xml", outputs / "switches.xml", begin_s, end_s
    )
    lines = ["<additional>"]
    for junction in model.network.junctions:
        tls = model.bindings[junction.id].tls
        lines.append(
            f'<timedEvent type="SaveTLSStates" source={quoteattr(tls)} dest={quoteattr(str(recording.switches))}/>'
        )
    vias = _vias(net)
    for lane in sorted({lane.id for junction in model.network.junctions for lane in junction.lanes}):
        length_m = net.lanes[lane].length_m
        for number, via in enumerate(vias.get(lane, ())):
            lines.append(stop_line_loop(f"{number}:{lane}", net, lane, via, recording.crossings))
        lines.append(
            f'<laneAreaDetector id={quoteattr("queue:" + lane)} lane={quoteattr(lane)} pos="0" '
            f'endPos="{length_m:.2f}" friendlyPos="true" period="{QUEUE_PERIOD_S}" '
            f"file={quoteattr(str(recording.queues))}/>"
        )
    path.write_text("\n".join([*lines, "</additional>"]) + "\n", encoding="utf-8")
    return recording


def stop_line_loop(name: str, net: NetFile, lane: str, via: str, file: Path) -> str:
    """Element of a loop that sees the vehicles which cross a stop line into the lane `via` behind it.

    It lies behind the line, for drivers who wait creep over a loop before it; before it where there is no `via`."""
    if via:
        lane, position_m = via, min(0.1, net.lanes[via].length_m / 2)
    else:
        position_m = max(0.0, net.lanes[lane].length_m - 0.1)
    return (
        f"<instantInductionLoop id={quoteattr(name)} lane={quoteattr(lane)} "
        f'pos="{position_m:.2f}" file={quoteattr(str(file))}/>'
    )


def _vias(net: NetFile) -> dict[str, tuple[str, ...]]:
    """Lanes within the node that each lane leads to under a signal."""
    found: dict[str, set[str]] = {}
    for link in lane_links(net):
        if link.tls:
            found.setdefault(link.from_lane, set()).add(link.via)
    return {lane: tuple(sorted(vias)) for lane, vias in found.items()}


def _driving_options(scenario: Scenario) -> tuple[tuple[str, str], ...]:
    """Options that change how a queue discharges; the rest of the scenario's has nothing to do with it."""
    driving = ("step-length", "step-method.ballistic", "default.", "lateral-resolution")
    return tuple((name, value) for name, value in scenario.options if name.startswith(driving))


def _cases(model: CityModel, net: NetFile) -> dict[str, DischargeCase]:
    """Speeds of every lane of the model, each taken to the nearest class so that few cases need an experiment.

    The turning speed of a lane with several ways on is that of its straightest: the one that most vehicles drive."""
    ways: dict[str, list[LaneLink]] = {}
    for link in lane_links(net):
        if link.tls:
            ways.setdefault(link.from_lane, []).append(link)
    cases: dict[str, DischargeCase] = {}
    for junction in model.network.junctions:
        for lane in junction.lanes:
            approach_m_s = net.lanes[lane.id].speed_m_s
            turn_m_s = max((link.turn_speed_m_s for link in ways.get(lane.id, [])), default=approach_m_s)
            cases[lane.id] = DischargeCase(
                _nearest(approach_m_s, _APPROACH_SPEEDS), _nearest(min(turn_m_s, approach_m_s), _TURN_SPEEDS)
            )
    return cases


def _nearest(value: float, choices: tuple[float, ...]) -> float:
    return min(choices, key=lambda choice: (abs(choice - value), choice))


def _measure(
    recording: DischargeRecording, model: CityModel, net: NetFile, priors: dict[str, Discharge]
) -> dict[str, Discharge]:
    crossings: dict[str, list[float]] = {}
    for out in elements(recording.crossings, "instantOut"):
        if out.get("state") == "enter":
            crossings.setdefault(out.attrib["id"].partition(":")[2], []).append(float(out.attrib["time"]))
    queues = _read_queues(recording.queues)
    states = _read_states(recording.switches)
    measured: dict[str, Discharge] = {}
    links = _links_of_lane(net)
    for junction in model.network.junctions:
        switches = states.get(model.bindings[junction.id].tls, [])
        for lane in junction.lanes:
            greens = [
                _with_queue(green, queues.get(lane.id, []), recording.begin_s, net.lanes[lane.id].length_m)
                for green in protected_greens(switches, links.get(lane.id, ()))
            ]
            found = measure_discharge(greens, sorted(crossings.get(lane.id, [])), priors[lane.id])
            if found is not None:
                measured[lane.id] = found
    return measured


def protected_greens(switches: list[tuple[float, str]], links: tuple[int, ...]) -> list[LaneGreen]:
    """Whole greens in which all the links of a lane are 'G' together, with the end of the amber that follows.

    `switches` are (time, state) in order. Greens under way at the first or last entry are left out."""
    greens: list[LaneGreen] = []
    start_s: float | None = None
    end_s: float | None = None
    seen_red = False
    for time_s, state in switches:
        lights = {state[link] for link in links if link < len(state)}
        if lights == {"G"}:
            if start_s is None and seen_red:
                start_s = time_s
        elif start_s is not None and end_s is None:
            end_s = time_s
        if start_s is not None and end_s is not None and not lights & set("yY"):
            greens.append(LaneGreen(start_s, end_s, time_s + _AFTER_AMBER_S, 0))
            start_s = end_s = None
        seen_red = lights == {"r"} or (seen_red and lights <= set("ru") and bool(lights))
    return greens


def _with_queue(green: LaneGreen, queues: list[tuple[int, float]], begin_s: float, length_m: float) -> LaneGreen:
    """The green with the queue there was when it began, and the one left in the ten seconds after it."""
    first, last = (int((time_s - begin_s) // QUEUE_PERIOD_S) for time_s in (green.start_s, green.last_s))
    if not 0 <= first < len(queues):
        return green
    vehicles, metres = queues[first]
    left = max((count for count, _ in queues[last : last + 2]), default=0)
    return replace(green, queued_veh=vehicles, left_veh=left, beyond=metres >= _FULL_SHARE * length_m)


def _read_queues(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Per lane and interval the longest jam: vehicles and metres."""
    queues: dict[str, list[tuple[int, float]]] = {}
    for interval in elements(path, "interval"):
        row = int(interval.get("maxJamLengthInVehicles", "0")), float(interval.get("maxJamLengthInMeters", "0"))
        queues.setdefault(interval.attrib["id"].removeprefix("queue:"), []).append(row)
    return queues


def _read_states(path: Path) -> dict[str, list[tuple[float, str]]]:
    """Per controller the times at which its state changed, with the new state."""
    states: dict[str, list[tuple[float, str]]] = {}
    for element in elements(path, "tlsState"):
        rows, state = states.setdefault(element.attrib["id"], []), element.attrib["state"]
        if not rows or rows[-1][1] != state:
            rows.append((float(element.attrib["time"]), state))
    return states


def _links_of_lane(net: NetFile) -> dict[str, tuple[int, ...]]:
    links: dict[str, set[int]] = {}
    for link in lane_links(net):
        if link.tls:
            links.setdefault(link.from_lane, set()).add(link.link_index)
    return {lane: tuple(sorted(indices)) for lane, indices in links.items()}


def _with_figures(junction: Junction, figures: dict[str, Discharge]) -> Junction:
    return junction.model_copy(update={"lanes": tuple(_calibrated(lane, figures[lane.id]) for lane in junction.lanes)})


def _calibrated(lane: Lane, figures: Discharge) -> Lane:
    return lane.model_copy(
        update={
            "saturation_veh_h": round(figures.saturation_veh_h, 1),
            "start_up_loss_s": round(figures.start_up_loss_s, 2),
            "end_gain_s": round(figures.end_gain_s, 2),
        }
    )
