"""What a run cost people: delay of persons, vehicles, buses and pedestrians, stops, CO₂, and where it was lost.

Delay of a trip = timeLoss + max(0, departDelay), over all trips due before the end of the period: finished, unfinished
and not inserted. Person delay weighs a car by its occupancy, a bus by the rides aboard it where the scenario carries
riders (else by the load that the scenario states), and counts what pedestrians lose on foot, over all of them.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from sumo_networks.approaches import Approaches, ApproachKey
from sumo_networks.errors import ScenarioError, SimulationError
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Run
from sumo_networks.sumo_xml import elements
from sumo_networks.trips import Demand

STUCK_S: Final = 300.0
QUEUE_PERCENTILE: Final = 95.0


@dataclass(frozen=True)
class Measures:
    """Figures of one run. Means over trips; None where there is nothing to take the mean of (no bus, nobody on foot)
    or the run did not record it."""

    person_delay_s: float
    vehicle_delay_s: float
    bus_delay_s: float | None
    pedestrian_delay_s: float | None
    stops_per_veh: float | None
    co2_g_per_veh_km: float | None
    throughput_veh: int
    not_inserted_veh: int
    stuck_over_300s_veh: int
    collisions: int | None
    teleports: int | None


@dataclass(frozen=True)
class PersonSeconds:
    """What people lost in one run, person * s: in cars, in the buses of each line, on foot."""

    cars: float = 0.0
    lines: dict[str, float] = field(default_factory=dict)
    walks: float = 0.0


@dataclass(frozen=True)
class DelayAt:
    """Delay in one run at a junction, on an approach or of a bus line. `vehicles` are those that came there, or waited
    to be inserted on the way to it."""

    delay_s: float
    vehicles: int

    @property
    def per_vehicle_s(self) -> float:
        """Mean delay of a vehicle; 0 where none came."""
        return self.delay_s / self.vehicles if self.vehicles else 0.0


@dataclass(frozen=True)
class LaneQueue:
    """95th percentile, over the intervals recorded, of the longest queue on a lane, beside the room there is."""

    lane: str
    queue_m: float
    length_m: float


@dataclass(frozen=True)
class Collision:
    """Vehicles that came too close at a junction with signals, on which lane and when."""

    junction: str
    lane: str
    time_s: float


@dataclass(frozen=True)
class RunMeasures:
    """All that one run tells: its figures, and delay by junction, approach and line, queues by lane; sorted by name.
    `lost` is behind the person delay of the figures.

    `collisions_at_signals` are those at a node with signals or on an edge that leads there or away; None where the run
    did not record them."""

    seed: int
    measures: Measures
    junctions: dict[str, DelayAt]
    approaches: dict[ApproachKey, DelayAt]
    lines: dict[str, DelayAt]
    queues: tuple[LaneQueue, ...]
    collisions_at_signals: tuple[Collision, ...] | None = None
    lost: PersonSeconds = PersonSeconds()


@dataclass
class _Trips:
    """Sums over the trip records of a run."""

    car_delays_s: list[float] = field(default_factory=list)
    bus_delays_s: dict[str, tuple[str, float]] = field(default_factory=dict)
    walk_losses_s: list[float] = field(default_factory=list)
    riders: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    stops: int = 0
    departed: int = 0
    arrived: int = 0
    depart_delays_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    not_inserted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    not_inserted_veh: int = 0


def measure_trips(run: Run, scenario: Scenario, demand: Demand) -> Measures:
    """Figures of one run from its trip records alone; CO₂ and counts of accidents where the run recorded them.

    Raises SimulationError where an output of the run is missing or truncated."""
    return _measures(run, scenario, _read_trips(run, demand))


def measure(run: Run, scenario: Scenario, demand: Demand, approaches: Approaches) -> RunMeasures:
    """Figures of one run, and where delay arose: the time lost on the edges that lead to each approach, and the wait of
    the trips that start there before they could enter.

    Raises SimulationError where an output of the run is missing or truncated."""
    trips = _read_trips(run, demand)
    at = _delay_at_approaches(run, trips, approaches)
    junctions: dict[str, DelayAt] = {}
    for key, delay in at.items():
        before = junctions.get(key.junction, DelayAt(0.0, 0))
        junctions[key.junction] = DelayAt(before.delay_s + delay.delay_s, before.vehicles + delay.vehicles)
    lines: dict[str, DelayAt] = {}
    for line, delay_s in sorted(trips.bus_delays_s.values()):
        before = lines.get(line, DelayAt(0.0, 0))
        lines[line] = DelayAt(before.delay_s + delay_s, before.vehicles + 1)
    return RunMeasures(
        seed=run.seed,
        measures=_measures(run, scenario, trips),
        junctions=junctions,
        approaches=at,
        lines=lines,
        queues=_queues(run, approaches),
        collisions_at_signals=_collisions_at_signals(run, approaches),
        lost=_lost(trips, scenario),
    )


def _output(path: Path, *tags: str) -> list[ET.Element]:
    try:
        return list(elements(path, *tags))
    except ScenarioError as error:
        raise SimulationError(f"{path}: SUMO left no whole file; run the simulation again") from error


def _read_trips(run: Run, demand: Demand) -> _Trips:
    trips = _Trips()
    try:
        for element in elements(run.tripinfo, "tripinfo", "personinfo"):
            if element.tag == "tripinfo":
                _add_trip(element, run, demand, trips)
            elif float(element.get("depart", "-1")) >= 0:
                trips.walk_losses_s.append(sum(float(walk.get("timeLoss", "0")) for walk in element.iter("walk")))
                for ride in element.iter("ride"):
                    if ride.get("vehicle") not in (None, "", "NULL"):
                        trips.riders[ride.get("vehicle", "")] += 1
    except ScenarioError as error:
        raise SimulationError(f"{run.tripinfo}: SUMO left no whole file; run the simulation again") from error
    return trips


def _add_trip(element: ET.Element, run: Run, demand: Demand, trips: _Trips) -> None:
    name = element.get("id", "")
    depart_s = float(element.get("depart", "-1"))
    wait_s = max(0.0, float(element.get("departDelay", "0")))
    inserted = depart_s >= 0
    due_s = (depart_s if inserted else run.end_s) - wait_s
    if due_s >= run.due_s:
        return
    delay_s = float(element.get("timeLoss", "0")) + wait_s
    line = demand.line(name)
    if line is None:
        trips.car_delays_s.append(delay_s)
    else:
        trips.bus_delays_s[name] = (line, delay_s)
    trips.arrived += float(element.get("arrival", "-1")) >= 0
    origin = element.get("departLane", "").rpartition("_")[0] or demand.origin(name) or ""
    trips.depart_delays_s[origin] += wait_s
    if inserted:
        trips.departed += 1
        trips.stops += int(element.get("waitingCount", "0"))
    else:
        trips.not_inserted_veh += 1
        trips.not_inserted[origin] += 1


def _measures(run: Run, scenario: Scenario, trips: _Trips) -> Measures:
    cars = np.array(trips.car_delays_s)
    buses = np.array([delay_s for _, delay_s in trips.bus_delays_s.values()])
    walks = np.array(trips.walk_losses_s)
    persons = scenario.car_occupancy * len(cars) + sum(_loads(trips, scenario).values()) + len(walks)
    lost = _lost(trips, scenario)
    lost_s = lost.cars + sum(lost.lines.values()) + lost.walks
    vehicles = np.concatenate([cars, buses])
    collisions, teleports = _accidents(run)
    return Measures(
        person_delay_s=lost_s / persons if persons > 0 else 0.0,
        vehicle_delay_s=_mean(vehicles) or 0.0,
        bus_delay_s=_mean(buses),
        pedestrian_delay_s=_mean(walks),
        stops_per_veh=trips.stops / trips.departed if trips.departed else None,
        co2_g_per_veh_km=_co2_g_per_veh_km(run),
        throughput_veh=trips.arrived,
        not_inserted_veh=trips.not_inserted_veh,
        stuck_over_300s_veh=int((vehicles > STUCK_S).sum()),
        collisions=collisions,
        teleports=teleports,
    )


def _loads(trips: _Trips, scenario: Scenario) -> dict[str, float]:
    """People aboard each bus: its rides where the scenario carries passengers, else what it says of any bus."""
    carried = sum(trips.riders.values()) > 0
    return {bus: float(trips.riders.get(bus, 0)) if carried else scenario.bus_load_pax for bus in trips.bus_delays_s}


def _lost(trips: _Trips, scenario: Scenario) -> PersonSeconds:
    loads = _loads(trips, scenario)
    lines: dict[str, float] = defaultdict(float)
    for bus, (line, delay_s) in trips.bus_delays_s.items():
        lines[line] += loads[bus] * delay_s
    cars_s = scenario.car_occupancy * float(np.array(trips.car_delays_s).sum())
    return PersonSeconds(cars_s, dict(sorted(lines.items())), float(np.array(trips.walk_losses_s).sum()))


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float | None:
    return float(values.mean()) if len(values) else None


def _accidents(run: Run) -> tuple[int | None, int | None]:
    if run.statistic is None:
        return None, None
    counts = {"safety": 0, "teleports": 0}
    for element in _output(run.statistic, "safety", "teleports"):
        counts[element.tag] = int(element.get("collisions" if element.tag == "safety" else "total", "0"))
    return counts["safety"], counts["teleports"]


def _collisions_at_signals(run: Run, approaches: Approaches) -> tuple[Collision, ...] | None:
    if run.collisions is None:
        return None
    told = [(found.get("lane", ""), float(found.get("time", "0"))) for found in _output(run.collisions, "collision")]
    at = ((approaches.signal_at(lane), lane, time_s) for lane, time_s in told)
    return tuple(Collision(junction, lane, time_s) for junction, lane, time_s in at if junction is not None)


def _co2_g_per_veh_km(run: Run) -> float | None:
    if run.edge_data is None or run.emissions is None:
        return None
    driven_m = 0.0
    for interval in _output(run.edge_data, "interval"):
        for edge in interval.iter("edge"):
            driven_m += float(edge.get("sampledSeconds", "0")) * float(edge.get("speed", "0"))
    emitted_mg = 0.0
    for interval in _output(run.emissions, "interval"):
        emitted_mg += sum(float(edge.get("CO2_abs", "0")) for edge in interval.iter("edge"))
    return emitted_mg / driven_m if driven_m > 0 else None


def _delay_at_approaches(run: Run, trips: _Trips, approaches: Approaches) -> dict[ApproachKey, DelayAt]:
    delays_s: dict[ApproachKey, float] = defaultdict(float)
    vehicles: dict[ApproachKey, int] = defaultdict(int)
    for interval in _output(run.edge_data, "interval") if run.edge_data is not None else []:
        for edge in interval.iter("edge"):
            name = edge.get("id", "")
            key = approaches.of_edge.get(name)
            if key is None:
                continue
            delays_s[key] += float(edge.get("timeLoss", "0"))
            if name == key.edge:
                vehicles[key] += int(edge.get("entered", "0")) + int(edge.get("departed", "0"))
    for origin, wait_s in sorted(trips.depart_delays_s.items()):
        key = approaches.of_edge.get(origin)
        if key is not None:
            delays_s[key] += wait_s
            vehicles[key] += trips.not_inserted.get(origin, 0)
    return {key: DelayAt(delays_s[key], vehicles[key]) for key in sorted(delays_s)}


def _queues(run: Run, approaches: Approaches) -> tuple[LaneQueue, ...]:
    if run.queues is None or not approaches.lanes:
        return ()
    longest_m: dict[str, list[float]] = defaultdict(list)
    try:
        for element in elements(run.queues, "interval"):
            lane = element.get("id", "").removeprefix("jasyl_queue_")
            longest_m[lane].append(max(0.0, float(element.get("maxJamLengthInMeters", "0"))))
    except ScenarioError as error:
        raise SimulationError(f"{run.queues}: SUMO left no whole file; run the simulation again") from error
    lengths = {lane: length_m for lanes in approaches.lanes.values() for lane, length_m in lanes}
    return tuple(
        LaneQueue(lane, float(np.percentile(longest_m[lane], QUEUE_PERCENTILE)), lengths[lane])
        for lane in sorted(longest_m.keys() & lengths.keys())
    )
