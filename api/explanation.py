"""`jasyl explain`: what stands behind a plan, as lines for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from api.errors import ApiError
from optimiser.demand import Demand
from optimiser.explain import FullLane, JunctionExplanation, LimitPrice, SaturationPrice
from optimiser.signals import Network

MOST_LIMITS = 6
"""Limits told of a junction; more only hide those that cost."""
LEAST_PRICE = 0.5
"""What costs less costs nothing, persons * s / h."""


def read_demand(path: Path, network: Network) -> Demand:
    """demand.json as `jasyl run` and `jasyl optimise` leave it. Raises ApiError with one sentence, also where none of
    its flows is of `network`."""
    try:
        demand = Demand.model_validate(json.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ApiError(
            f"{path}: {error.strerror or error}; give --demand, the demand.json that the plan was made for"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise ApiError(
            f"{path}: {where}: {first['msg']}; give --demand, the demand.json that the plan was made for"
        ) from error
    except ValueError as error:
        raise ApiError(f"{path}: no demand.json of jasyl; give --demand, the one that the plan was made for") from error
    movements = {(junction.id, movement.id) for junction in network.junctions for movement in junction.movements}
    if demand.turning_flows and not any((flow.junction, flow.movement) in movements for flow in demand.turning_flows):
        first_flow = demand.turning_flows[0]
        raise ApiError(
            f"{path}: the demand of another network: this one has no movement {first_flow.movement} at junction "
            f"{first_flow.junction}, nor any other that flows are given for"
        )
    return demand


def lines(explained: tuple[JunctionExplanation, ...]) -> Iterator[str]:
    """The explanation of each junction: its cycle first, then the limits that bind, the dearest first."""
    for one in explained:
        yield f"junction {one.junction}: cycle {one.cycle_s:g} s"
        yield f"  {_why_cycle(one)}"
        yield f"  {_around(one)}"
        for full in one.full_lanes:
            yield f"  {_full(full)}"
        binding = one.binding
        costly = [limit for limit in one.saturations if limit.price > LEAST_PRICE]
        for limit in sorted(costly, key=lambda limit: (-limit.price, limit.lane))[:MOST_LIMITS]:
            yield f"  {_saturation(limit)}"
        if not binding and not costly:
            yield "  no limit binds: splits follow the delay alone"
        for price in binding[:MOST_LIMITS]:
            yield f"  {_limit(price)}"
        if len(binding) > MOST_LIMITS:
            yield f"  and {len(binding) - MOST_LIMITS} more limits that cost less"


def _full(lane: FullLane) -> str:
    return (
        f"lane {lane.lane}: its queue grows to {lane.queue_veh:.0f} vehicles by the end of the period, with room for "
        f"{lane.room_veh:.0f} before they stand in the junction behind"
    )


def _why_cycle(one: JunctionExplanation) -> str:
    wanted = (
        "no cycle is long enough" if one.webster_cycle_s is None else f"Webster's cycle {one.webster_cycle_s:.0f} s"
    )
    return (
        f"critical flow ratio {one.flow_ratio:.2f}, {one.lost_s:.0f} s lost a cycle: {wanted} for this junction alone"
    )


def _around(one: JunctionExplanation) -> str:
    told = [
        f"{cycle_s:g} s: {'no timing keeps the limits' if cost is None else f'{cost:.0f}'}"
        for cycle_s, cost in sorted(one.by_cycle.items())
    ]
    return "alone, in these stages, person-seconds an hour at " + ", ".join(told)


def _saturation(limit: SaturationPrice) -> str:
    return (
        f"degree of saturation of {limit.group} in lane {limit.lane}, at most {limit.limit:g}, now {limit.degree:.2f}: "
        f"{limit.price:.0f} person-seconds an hour for each hundredth"
    )


def _limit(price: LimitPrice) -> str:
    bound = f"at least {price.least_s:g} s" if price.least_s is not None else f"at most {price.most_s:g} s"
    cost = (
        f"{price.price:.0f} person-seconds an hour for each second"
        if price.price > LEAST_PRICE
        else "costs nothing now"
    )
    return f"{price.family} of {' and '.join(price.names)}, {bound}, {price.slack_s:g} s to spare: {cost}"
