"""Runs of one controller with priority, second by second, with buses at known times."""

from __future__ import annotations

from optimiser.active_priority import Arrival, PriorityState, decide, step
from optimiser.elastic_cycle import ElasticCycle, planned_position
from optimiser.signals import Priority


def run(
    cycle: ElasticCycle, priority: Priority, arrivals_at: dict[int, list[Arrival]], length_s: int
) -> list[PriorityState]:
    """States second by second; arrivals are known from their second on until the next are."""
    states = [PriorityState(planned_position(cycle, 0))]
    known: list[Arrival] = []
    for time_s in range(length_s - 1):
        known = arrivals_at.get(time_s, known)
        states.append(step(cycle, priority, states[-1], decide(cycle, priority, states[-1], known)))
    return states


def bus(group: str, due_s: float, spread_s: float = 0.0, load_pax: float = 20.0) -> Arrival:
    return Arrival(group, max(0.0, due_s - spread_s), max(0.0, due_s), max(0.0, due_s + spread_s), load_pax)


def coming(*buses: tuple[str, int], until_s: int, load_pax: float = 20.0) -> dict[int, list[Arrival]]:
    """Buses (group, second of arrival), known second by second until all are through."""
    known = {s: [bus(group, at_s - s, load_pax=load_pax) for group, at_s in buses] for s in range(until_s)}
    return {**known, until_s: []}


def starts_of_green(cycle: ElasticCycle, states: list[PriorityState], group: str) -> list[int]:
    green = [state.at.second in cycle.green[group] for state in states]
    return [s for s in range(1, len(green)) if green[s] and not green[s - 1]]


def ends_of_green(cycle: ElasticCycle, states: list[PriorityState], group: str) -> list[int]:
    green = [state.at.second in cycle.green[group] for state in states]
    return [s for s in range(1, len(green)) if green[s - 1] and not green[s]]
