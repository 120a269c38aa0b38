"""Bus priority for a plan: chosen by the model, kept where the simulator agrees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from api.proof import ProofEffort, regression_limits
from optimiser.bus_priority import JunctionPriority, with_priority
from optimiser.demand import Demand
from optimiser.rules import Rules
from optimiser.settings import ModelSettings
from optimiser.signals import NetworkPlan
from sumo_networks.bindings import CityModel
from sumo_networks.journal import Journal
from sumo_networks.priority_trial import Trial, tried
from sumo_networks.scenario import Scenario


@dataclass(frozen=True)
class PriorityFound:
    """What the model chose for each junction that buses cross, and what SUMO left of it."""

    chosen: tuple[JunctionPriority, ...]
    trial: Trial

    def told(self) -> dict[str, object]:
        """As it stands in run.json; savings and losses in persons * s / h."""
        return {
            "junctions": [
                {**asdict(one), "detours": [detour.model_dump(mode="json") for detour in one.detours]}
                for one in self.chosen
            ],
            "dropped": self.trial.dropped,
            "seeds": self.trial.seeds,
            "person_delay_s": self.trial.person_delay_s,
            "bus_delay_s": self.trial.bus_delay_s,
        }


def add_priority(
    scenario: Scenario,
    model: CityModel,
    demand: Demand,
    plan: NetworkPlan,
    rules: Rules,
    settings: ModelSettings,
    effort: ProofEffort,
    work: Path,
    tell: Callable[[float], None],
    journal: Journal,
) -> PriorityFound:
    """The plan with bus priority; `effort` names the seeds it is tried on. Raises RulesError, SimulationError."""
    found = with_priority(model.network, demand, plan, rules, settings)
    trial = tried(
        scenario,
        model,
        found.plan,
        effort.seeds,
        work,
        limits=regression_limits(rules),
        workers=effort.workers,
        progress=lambda done, total: tell(done / max(1, total)),
        journal=journal,
    )
    tell(1.0)
    return PriorityFound(found.junctions, trial)
