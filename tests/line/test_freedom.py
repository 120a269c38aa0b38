"""What the search may try: nothing that breaks a limit which the engineer set."""

from __future__ import annotations

from pathlib import Path

from api.city import read_city
from api.explanation import read_demand
from api.proof import freedom_of
from api.run import RunResult
from optimiser.demand import Demand
from optimiser.evaluation import evaluate
from optimiser.rule_tables import JunctionRules
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import Network, NetworkPlan
from sumo_networks.scenario import load_scenario


def fullest(network: Network, demand: Demand, plan: NetworkPlan) -> float:
    """The largest degree of saturation of a movement under a plan."""
    return max(figures.degree_of_saturation for figures in evaluate(network, demand, plan).movements)


def test_a_program_over_the_engineer_s_limit_of_saturation_is_not_tried(town: Path, town_run: RunResult) -> None:
    network = read_city(load_scenario(town), Rules()).network
    demand = read_demand(town_run.folder / "demand.json", network)
    (better,) = town_run.plan.controllers
    as_shipped = fullest(network, demand, town_run.plan.model_copy(update={"controllers": ()}))
    limit = (as_shipped + fullest(network, demand, town_run.plan)) / 2
    limited = Rules(junctions={"C": JunctionRules(max_degree_of_saturation=limit)})
    for rules, allowed in ((Rules(), [True, True]), (limited, [False, True])):
        ruled = rules.apply(network)
        freedom = freedom_of(ruled, rules, demand, ModelSettings())
        assert [freedom.safe(plan) for plan in (ruled.junction("C").running, better)] == allowed
