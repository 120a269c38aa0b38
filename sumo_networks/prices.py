"""What delay at each place costs a search: every second counts, and more where a line or a junction loses too much.

The score of a race charges for places that get worse than a verdict would bear. Written out linearly around one
program, that is a price for each second that a vehicle loses on an approach (Lagrange multipliers of the limits), so
that moves are drawn to where they help and a change can be judged by its own neighbourhood alone. Where the charge is
no straight line, the price is its mean up to what is lost there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimiser.signals import Network
from sumo_networks.approaches import ApproachKey
from sumo_networks.measure import DelayAt, RunMeasures
from sumo_networks.moves import Pressure
from sumo_networks.race import Race


@dataclass(frozen=True)
class Prices:
    """In vehicle-seconds: `per_mean_s` of a second of mean delay on an approach, beside one for every vehicle-second
    lost; `shipped_s` is the mean delay there with the shipped program, `total_s` all that it loses."""

    per_mean_s: Mapping[ApproachKey, float]
    shipped_s: Mapping[ApproachKey, float]
    total_s: float

    def cost(self, key: ApproachKey, delay: DelayAt) -> float:
        """What the delay on one approach costs; what it lost already with the shipped program is not surcharged."""
        rise_s = max(0.0, delay.per_vehicle_s - self.shipped_s.get(key, 0.0))
        return delay.delay_s + self.per_mean_s.get(key, 0.0) * rise_s

    def by_approach(self, found: Sequence[RunMeasures]) -> dict[ApproachKey, float]:
        """Cost of each approach, mean over the runs."""
        costs: dict[ApproachKey, float] = {}
        for one in found:
            for key, delay in one.approaches.items():
                costs[key] = costs.get(key, 0.0) + self.cost(key, delay) / len(found)
        return costs

    def pressure(self, found: Sequence[RunMeasures]) -> Pressure:
        """Cost of each approach, mean over the runs, as that which draws changes."""
        return Pressure({(key.junction, key.edge): cost for key, cost in self.by_approach(found).items()})

    def around(self, found: RunMeasures, junctions: frozenset[str]) -> float:
        """Cost of one run at the approaches of some junctions."""
        return sum(self.cost(key, delay) for key, delay in found.approaches.items() if key.junction in junctions)


def prices(race: Race, found: Sequence[RunMeasures]) -> Prices:
    """Prices around the program that gave these runs: the excess of a line is felt on every approach on its way, that
    of a junction on its approaches by their share of its vehicles."""
    shipped = [race.shipped[one.seed] for one in found]
    total_s = sum(delay.delay_s for one in shipped for delay in one.approaches.values()) / len(shipped)
    shipped_s: dict[ApproachKey, float] = {}
    for one in shipped:
        for key, delay in one.approaches.items():
            shipped_s[key] = shipped_s.get(key, 0.0) + delay.per_vehicle_s / len(shipped)
    per_mean_s: dict[ApproachKey, float] = {}
    for (kind, name), over_s in race.excess_s(found).items():
        price_s = race.surcharge((kind, name), over_s) / over_s * total_s
        if kind == "line":
            on_way = {race.approaches.of_edge.get(edge) for edge in race.demand.ways.get(name, ())}
            shares = {key: 1.0 for key in on_way if key is not None}
        else:
            counts = {key: delay.vehicles for key, delay in found[0].approaches.items() if key.junction == name}
            shares = {key: count / max(1, sum(counts.values())) for key, count in counts.items()}
        for key, share in shares.items():
            per_mean_s[key] = per_mean_s.get(key, 0.0) + price_s * share
    return Prices(per_mean_s, shipped_s, total_s)


def neighbourhoods(network: Network) -> dict[str, frozenset[str]]:
    """Every junction with those it sends traffic to or gets traffic from: where a change of it is felt first."""
    near: dict[str, set[str]] = {junction.id: {junction.id} for junction in network.junctions}
    for link in network.links:
        near[link.from_junction].add(link.to_junction)
        near[link.to_junction].add(link.from_junction)
    return {name: frozenset(names) for name, names in near.items()}
