"""A day of plans for SUMO: a program for each plan, one for each change between two, and the WAUT that switches them.

A change runs as a program of its own (`optimiser.transitions.bridge`): a cycle of the old plan, the transition, a cycle
of the new plan. SUMO keeps every program on the clock, also one that is not in use, so a switch in the middle of such a
cycle changes nothing of what is shown. (https://sumo.dlr.de/docs/Simulation/Traffic_Lights.html, "Defining program
switch times": WAUT without a procedure switches at once.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import quoteattr

from optimiser.signals import ControllerPlan, Junction, Network, NetworkPlan
from optimiser.transition_costs import NetworkTransition, plans_of
from optimiser.transitions import bridge
from sumo_networks.bindings import Binding
from sumo_networks.errors import PlanMismatchError
from sumo_networks.programs import PROGRAM_ID, program_lines
from sumo_networks.sumo_xml import time_text

WAUT_ID = "jasyl_day"


@dataclass(frozen=True)
class DayPeriod:
    """A network plan, and the change to it from the plan of the period before; the first of a day follows the last."""

    plan: NetworkPlan
    begins_with: NetworkTransition


@dataclass(frozen=True)
class ProgramSwitch:
    """From `time_s` on, SUMO runs `plan` at a junction."""

    time_s: float
    plan: ControllerPlan


def switches(junction: Junction, network: Network, periods: Sequence[DayPeriod]) -> tuple[ProgramSwitch, ...]:
    """Programs of one junction over a day in order; the first from before the day begins.

    Raises PlanMismatchError where one change is not over before the next begins."""
    shown = plans_of(network, periods[-1].plan)[junction.id]
    found = [ProgramSwitch(float("-inf"), shown)]
    for period in periods:
        change = next((c for c in period.begins_with.changes if c.junction == junction.id), None)
        if change is None:
            continue
        after = plans_of(network, period.plan)[junction.id]
        bridged = bridge(junction, shown, after, change)
        found.append(ProgramSwitch(round(change.leaves_s - shown.cycle_s / 2), bridged))
        found.append(ProgramSwitch(round(change.in_step_s + after.cycle_s / 2), after))
        shown = after
    for earlier, later in pairwise(found):
        if later.time_s <= earlier.time_s:
            raise PlanMismatchError(
                f"junction {junction.id}: a change of plan is not over when the next begins, "
                f"{later.time_s:.0f} s into the day; make the periods longer or the changes quicker"
            )
    return tuple(found)


def write_day_programs(
    network: Network, bindings: Mapping[str, Binding], periods: Sequence[DayPeriod], path: Path, begin_s: float
) -> None:
    """Write a day as a SUMO additional file for runs that begin at `begin_s` of the day, with the same bytes for the
    same day. It goes after the scenario's own files; junctions whose plan never differs from the running one keep it.

    Raises PlanMismatchError where a plan does not fit the network."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<additional>"]
    for junction in network.junctions:
        day = switches(junction, network, periods)
        if all(switch.plan == junction.running for switch in day):
            continue
        lines += _junction_lines(bindings[junction.id], day, begin_s)
    lines.append("</additional>")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _junction_lines(binding: Binding, day: Sequence[ProgramSwitch], begin_s: float) -> list[str]:
    ids: dict[str, str] = {}
    lines: list[str] = []
    for switch in day:
        if switch.plan.id not in ids:
            ids[switch.plan.id] = _free_id(binding, len(ids) + 1)
            lines += program_lines(switch.plan, binding, ids[switch.plan.id])
    if len(day) == 1:
        # The program loaded last is the one in use: nothing to switch.
        return lines
    begun = [switch for switch in day if switch.time_s <= begin_s]
    waut = quoteattr(f"{WAUT_ID}_{binding.tls}")
    lines.append(f'    <WAUT id={waut} refTime="0" startProg="{ids[begun[-1].plan.id]}">')
    lines += [
        f'        <wautSwitch time="{time_text(switch.time_s)}" to="{ids[switch.plan.id]}"/>'
        for switch in day
        if switch.time_s > begin_s
    ]
    lines.append("    </WAUT>")
    lines.append(f"    <wautJunction wautID={waut} junctionID={quoteattr(binding.tls)}/>")
    return lines


def _free_id(binding: Binding, number: int) -> str:
    name = f"{PROGRAM_ID}_day_{number}"
    while name in binding.program_ids:
        name += "_"
    return name
