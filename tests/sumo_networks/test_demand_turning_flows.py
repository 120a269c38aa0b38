"""Turning flows from counts: recovered where they are determined, near the truth where they are not, never lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sumo_networks.detector_counts import Detector, DetectorCounts, Series
from sumo_networks.detector_faults import find_detector_faults
from sumo_networks.lane_links import LaneLink
from sumo_networks.turning_flows import estimate_link_flows, fit_shares, link_flows_veh_h

ARMS = ("north", "east", "south", "west")
INTERVALS = 12


def link(from_lane: str, to_lane: str, direction: str = "s", tls: str = "J") -> LaneLink:
    edges = from_lane.rsplit("_", 1)[0], to_lane.rsplit("_", 1)[0]
    return LaneLink(tls, 0, edges[0], from_lane, edges[1], to_lane, direction, "", 13.9, 100.0, True)


def detector(kind: str, lane: str, count: Series, occupancy: float = 20.0, jam_m: float = 0.0) -> Detector:
    flat = np.full(len(count), jam_m)
    return Detector(f"{kind}:{lane}", kind, "J", lane, count.astype(float), np.full(len(count), occupancy), flat, flat)


def four_arms() -> tuple[LaneLink, ...]:
    """One lane an arm from which every other arm can be reached: five degrees of freedom that no total tells."""
    turns = {1: "r", 2: "s", 3: "l"}
    return tuple(
        link(f"in_{arm}_0", f"out_{ARMS[(index + step) % 4]}_0", turns[step])
        for index, arm in enumerate(ARMS)
        for step in (1, 2, 3)
    )


def counted(links: Sequence[LaneLink], vehicles: Series) -> DetectorCounts:
    """What perfect loops show of `vehicles` (intervals, links); a queue detector sees every vehicle that enters."""
    counts = DetectorCounts(np.arange(0.0, len(vehicles) * 300.0, 300.0), np.full(len(vehicles), 300.0))
    for lane in sorted({way.from_lane for way in links}):
        total = vehicles[:, [way.from_lane == lane for way in links]].sum(axis=1)
        counts.entry[lane] = detector("entry", lane, total)
        counts.queue[lane] = detector("queue", lane, total)
    for lane in sorted({way.to_lane for way in links}):
        total = vehicles[:, [way.to_lane == lane for way in links]].sum(axis=1)
        counts.exit[lane] = detector("exit", lane, total)
    return counts


def traffic(links: Sequence[LaneLink], seed: int = 1) -> Series:
    """Arrivals that rise and fall on each arm, split over its ways by shares that hold all the time."""
    random = np.random.default_rng(seed)
    vehicles = np.zeros((INTERVALS, len(links)))
    for lane in sorted({way.from_lane for way in links}):
        ways = [index for index, way in enumerate(links) if way.from_lane == lane]
        shares = random.dirichlet(np.full(len(ways), 3.0))
        for interval in range(INTERVALS):
            vehicles[interval, ways] = random.multinomial(random.poisson(random.uniform(15.0, 75.0)), shares)
    return vehicles


def geh(estimated: float, counted_veh_h: float) -> float:
    both = estimated + counted_veh_h
    return float(np.sqrt(2 * (estimated - counted_veh_h) ** 2 / both)) if both else 0.0


def estimated(links: tuple[LaneLink, ...], counts: DetectorCounts) -> dict[tuple[str, str], float]:
    faults = find_detector_faults(counts, links)
    return link_flows_veh_h(estimate_link_flows(links, counts, faults))


def test_a_lane_with_one_way_on_carries_what_its_loop_counts() -> None:
    links = (link("a_0", "x_0"), link("b_0", "y_0"))
    vehicles = np.column_stack([np.arange(12.0) + 20, np.arange(12.0)[::-1] + 3])
    flows = estimated(links, counted(links, vehicles))
    for way, total in zip(links, vehicles.sum(axis=0), strict=True):
        assert abs(flows[way.from_lane, way.to_lane] - total) < 0.01


def test_exits_tell_the_turns_of_a_mixed_lane() -> None:
    links = (link("a_0", "x_0"), link("a_0", "y_0", "l"), link("b_0", "y_0"))
    vehicles = np.column_stack([np.full(12, 10.0) + np.arange(12), np.full(12, 30.0) - np.arange(12), np.full(12, 5.0)])
    flows = estimated(links, counted(links, vehicles))
    assert abs(flows["a_0", "x_0"] - vehicles[:, 0].sum()) < 1.0
    assert abs(flows["a_0", "y_0"] - vehicles[:, 1].sum()) < 1.0


def test_four_mixed_arms_are_told_apart_by_their_fluctuation() -> None:
    links = four_arms()
    good = total = 0
    for seed in range(1, 6):
        vehicles = traffic(links, seed)
        flows = estimated(links, counted(links, vehicles))
        for way, truth in zip(links, vehicles.sum(axis=0), strict=True):
            total += 1
            good += geh(flows[way.from_lane, way.to_lane], float(truth)) < 5
    assert good / total >= 0.85


@settings(max_examples=25, deadline=None)
@given(
    arrays(float, (4, 3), elements=st.integers(0, 60).map(float)),
    arrays(float, (4, 2), elements=st.integers(0, 60).map(float)),
    arrays(float, 5, elements=st.floats(0.01, 5.0)),
)
def test_flows_are_never_negative_and_meet_every_entry_count(inflow: Series, outflow: Series, weights: Series) -> None:
    entry_of, exit_of = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 1])
    flows = fit_shares(entry_of, exit_of, inflow, outflow, weights, inflow)
    assert np.all(flows >= 0)
    for entry in range(3):
        assert np.allclose(flows[:, entry_of == entry].sum(axis=1), inflow[:, entry], atol=1e-3)


def test_a_silent_entry_loop_is_named_and_its_flow_comes_from_the_exits() -> None:
    links = four_arms()
    vehicles = traffic(links)
    counts = counted(links, vehicles)
    counts.entry["in_east_0"] = detector("entry", "in_east_0", np.zeros(INTERVALS))
    (fault,) = find_detector_faults(counts, links)
    assert (fault.fault, fault.lane, fault.begin_s, fault.end_s) == ("silent", "in_east_0", 0.0, 3600.0)
    assert "in_east_0" in fault.message
    flows = estimated(links, counts)
    east = sum(veh_h for (lane, _), veh_h in flows.items() if lane == "in_east_0")
    truth = vehicles[:, [way.from_lane == "in_east_0" for way in links]].sum()
    assert abs(east - truth) < 0.02 * truth


def test_a_silent_exit_loop_is_named_and_does_not_starve_its_movements() -> None:
    links = (link("a_0", "x_0"), link("a_0", "y_0", "r"), link("b_0", "x_0", "l"), link("c_0", "x_0"))
    vehicles = traffic(links)
    counts = counted(links, vehicles)
    counts.exit["x_0"] = detector("exit", "x_0", np.zeros(INTERVALS))
    (fault,) = find_detector_faults(counts, links)
    assert (fault.fault, fault.kind, fault.lane) == ("silent", "exit", "x_0")
    flows = estimated(links, counts)
    assert abs(flows["b_0", "x_0"] - vehicles[:, 2].sum()) < 1.0
    assert abs(flows["a_0", "x_0"] - vehicles[:, 0].sum()) < 0.05 * vehicles[:, 0].sum()


def test_an_empty_lane_is_no_silent_detector() -> None:
    links = (*four_arms(), link("bus_0", "out_north_0"))
    vehicles = np.column_stack([traffic(four_arms()), np.zeros(INTERVALS)])
    assert find_detector_faults(counted(links, vehicles), links) == ()


def test_a_loop_that_repeats_itself_is_stuck() -> None:
    links = four_arms()
    vehicles = traffic(links)
    counts = counted(links, vehicles)
    counts.entry["in_west_0"] = detector("entry", "in_west_0", np.full(INTERVALS, 9.0))
    (fault,) = find_detector_faults(counts, links)
    assert (fault.fault, fault.lane) == ("stuck", "in_west_0")
    west = sum(veh_h for (lane, _), veh_h in estimated(links, counts).items() if lane == "in_west_0")
    truth = vehicles[:, [way.from_lane == "in_west_0" for way in links]].sum()
    assert abs(west - truth) < 0.02 * truth


def test_a_loop_covered_for_half_an_hour_while_its_lane_moves_is_stuck_for_that_time() -> None:
    links = four_arms()
    counts = counted(links, traffic(links))
    north = counts.entry["in_north_0"]
    count, occupancy = north.count_veh.copy(), north.occupancy_pct.copy()
    count[3:9], occupancy[3:9] = 0.0, 100.0
    counts.entry["in_north_0"] = replace(north, count_veh=count, occupancy_pct=occupancy)
    (fault,) = find_detector_faults(counts, links)
    assert (fault.fault, fault.lane, fault.begin_s, fault.end_s) == ("stuck", "in_north_0", 900.0, 2700.0)


def test_a_blocked_lane_is_not_taken_for_a_stuck_loop() -> None:
    links = four_arms()
    vehicles = traffic(links)
    vehicles[3:9, [way.from_lane == "in_north_0" for way in links]] = 0.0
    counts = counted(links, vehicles)
    north = counts.entry["in_north_0"]
    occupancy = north.occupancy_pct.copy()
    occupancy[3:9] = 100.0
    counts.entry["in_north_0"] = replace(north, occupancy_pct=occupancy)
    assert find_detector_faults(counts, links) == ()


def test_a_node_where_nothing_moves_is_jammed_and_its_loops_are_sound() -> None:
    links = four_arms()
    vehicles = traffic(links)
    vehicles[6:] = 0.0
    counts = counted(links, vehicles)
    for number, (lane, loop) in enumerate(counts.entry.items()):
        occupancy = np.where(np.arange(INTERVALS) >= 6, 100.0 * (number % 2), 20.0)
        counts.entry[lane] = replace(loop, occupancy_pct=occupancy)
        counts.queue[lane] = replace(counts.queue[lane], count_veh=np.full(INTERVALS, 30.0))
    assert find_detector_faults(counts, links) == ()


def test_two_silent_loops_that_hide_each_other_are_both_named() -> None:
    links = four_arms()
    counts = counted(links, traffic(links))
    counts.entry["in_east_0"] = detector("entry", "in_east_0", np.zeros(INTERVALS))
    counts.exit["out_south_0"] = detector("exit", "out_south_0", np.zeros(INTERVALS))
    assert [fault.lane for fault in find_detector_faults(counts, links)] == ["in_east_0", "out_south_0"]


def test_impossible_counts_and_gaps_in_the_record_are_left_out() -> None:
    links = four_arms()
    vehicles = traffic(links)
    counts = counted(links, vehicles)
    south = counts.entry["in_south_0"]
    count = south.count_veh.copy()
    count[2], count[5:7] = 400.0, np.nan
    counts.entry["in_south_0"] = replace(south, count_veh=count)
    faults = find_detector_faults(counts, links)
    assert [(fault.fault, fault.begin_s, fault.end_s) for fault in faults] == [
        ("implausible", 600.0, 900.0),
        ("missing", 1500.0, 2100.0),
    ]
    total = sum(veh_h for (lane, _), veh_h in estimated(links, counts).items() if lane == "in_south_0")
    truth = vehicles[:, [way.from_lane == "in_south_0" for way in links]].sum()
    assert abs(total - truth) < 0.02 * truth


def test_a_lane_without_a_loop_is_named_and_estimated() -> None:
    links = four_arms()
    vehicles = traffic(links)
    counts = counted(links, vehicles)
    del counts.entry["in_east_0"], counts.queue["in_east_0"]
    (fault,) = find_detector_faults(counts, links)
    assert (fault.fault, fault.lane, fault.detector_id) == ("missing", "in_east_0", "")
    east = sum(veh_h for (lane, _), veh_h in estimated(links, counts).items() if lane == "in_east_0")
    truth = vehicles[:, [way.from_lane == "in_east_0" for way in links]].sum()
    assert abs(east - truth) < 0.02 * truth


def test_a_lost_loop_is_filled_from_what_entered_the_edge_upstream() -> None:
    links = (link("street_0", "x_0"), link("street_1", "y_0"), link("far_0", "street_0", tls="K"))
    vehicles = np.column_stack([np.full(12, 12.0), np.full(12, 7.0), np.full(12, 19.0)]) + np.arange(0.0, 12.0)[:, None]
    counts = counted(links, vehicles)
    counts.exit["street_1"] = detector("exit", "street_1", np.zeros(12))
    counts.exit["street_0"] = detector("exit", "street_0", vehicles[:, 0] + vehicles[:, 1])
    del counts.exit["x_0"], counts.exit["y_0"], counts.entry["street_0"]
    flows = estimated(links, counts)
    assert abs(flows["street_0", "x_0"] - vehicles[:, 0].sum()) < 1.0
