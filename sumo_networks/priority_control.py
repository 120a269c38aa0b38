"""What the process that runs priority in the loop is told: plans, links and lines, in one file beside the programs."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from optimiser.active_priority import active
from optimiser.detour_ways import ways
from optimiser.detours import detour_plan
from optimiser.signals import ControllerPlan, Frozen, NetworkPlan, canonical_json
from sumo_networks.bindings import Binding, CityModel
from sumo_networks.errors import PlanMismatchError
from sumo_networks.scenario import Scenario
from sumo_networks.signal_states import signal_states
from sumo_networks.sumo_xml import elements
from sumo_networks.trips import read_demand


class ReportQuality(Frozen):
    """How buses report: every `interval_s`, known to the controller `delay_s` later, with a standard deviation of
    `noise_m` along the way."""

    interval_s: int = 10
    delay_s: int = 10
    noise_m: float = 5.0


class ControlledJunction(Frozen):
    """One controller that runs priority: its plan, the state that each second of the plan's cycle shows, those of each
    detour's, and the group of each link index."""

    tls: str
    plan: ControllerPlan
    states: tuple[str, ...]
    detour_states: tuple[tuple[str, ...], ...] = ()
    groups: dict[int, str]


class PriorityControl(Frozen):
    """All controllers that run priority. `lines` names the line of each bus by its vehicle or flow; `bus_load_pax` is
    None where the scenario's own riders are counted."""

    junctions: tuple[ControlledJunction, ...]
    lines: dict[str, str]
    reports: ReportQuality = ReportQuality()
    bus_load_pax: float | None = None


def write_priority(
    plan: NetworkPlan, model: CityModel, scenario: Scenario, path: Path, reports: ReportQuality | None = None
) -> Path | None:
    """Write the control of those junctions of `plan` whose priority lets anything happen; None where there is none.

    Raises PriorityError for a plan with priority and without stages or whole seconds, PlanMismatchError for a junction
    or group that the network does not have."""
    junctions = tuple(_controlled(controller, model) for controller in plan.controllers if active(controller.priority))
    if not junctions:
        return None
    carried = any(_has_riders(file) for file in scenario.routes + scenario.additionals)
    control = PriorityControl(
        junctions=junctions,
        lines=dict(sorted(read_demand(scenario).lines.items())),
        reports=reports or ReportQuality(),
        bus_load_pax=None if carried else scenario.bus_load_pax,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(canonical_json(control) + "\n", encoding="utf-8")
    return path


def read_priority(path: Path) -> PriorityControl:
    """The control in a file. Raises PlanMismatchError where it is none."""
    try:
        return PriorityControl.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise PlanMismatchError(f"{path}: no priority control; write it anew with the plan") from error


def _has_riders(file: Path) -> bool:
    return any(people.find(".//ride") is not None for people in elements(file, "person", "personFlow"))


def _controlled(plan: ControllerPlan, model: CityModel) -> ControlledJunction:
    binding = model.bindings.get(plan.junction)
    if binding is None:
        raise PlanMismatchError(
            f"the plan names junction {plan.junction} and the network has no such one; make the plan anew"
        )
    ways(plan)
    return ControlledJunction(
        tls=binding.tls,
        plan=plan,
        states=_states(plan, binding),
        detour_states=tuple(_states(detour_plan(plan, detour), binding) for detour in plan.priority.detours),
        groups=binding.group_of_link(),
    )


def _states(plan: ControllerPlan, binding: Binding) -> tuple[str, ...]:
    """What each second of a plan's cycle shows."""
    return tuple(state for duration_s, state in signal_states(plan, binding) for _ in range(round(duration_s)))
