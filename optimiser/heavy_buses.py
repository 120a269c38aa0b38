"""One more solution for a search by simulation: each junction by itself, buses far heavier than their passengers."""

from __future__ import annotations

from typing import Final

from optimiser.coordination import optimise
from optimiser.demand import Demand
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import Network, NetworkPlan

# Of 5, 10 and 20 times that by which the fewest lines of bologna_acosta lost at two of its junctions.
HEAVIER: Final = 10.0


def plan_with_heavy_buses(
    network: Network, demand: Demand, rules: Rules, settings: ModelSettings, profile: str, workers: int = 1
) -> NetworkPlan:
    """Each junction at its own best cycle, with buses HEAVIER times as heavy as `rules` have them.

    A verdict refuses a plan by which one bus line surely loses, however much all people together gain. Where the stages
    of the other solutions do that at a junction, these may not. Raises RulesError and InfeasibleError as `optimise`."""
    weights = rules.weights.model_copy(update={"bus": HEAVIER * rules.weights.bus})
    alone = rules.model_copy(update={"weights": weights, "coordinated": False})
    return optimise(network, demand, alone, settings=settings, profile=profile, workers=workers).plan
