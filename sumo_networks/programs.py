"""Plans to SUMO programs and back: `plan.add.xml`, `plan.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

from pydantic import ValidationError

from optimiser.signals import ControllerPlan, GreenInterval, NetworkPlan, Offset, Right
from optimiser.timeline import sequence_start_s
from sumo_networks.bindings import Binding, CityModel
from sumo_networks.errors import PlanMismatchError
from sumo_networks.net_file import SumoProgram
from sumo_networks.programs_in_use import programs_of_file
from sumo_networks.signal_states import signal_states

PROGRAM_ID = "jasyl"


def write_programs(plan: NetworkPlan, bindings: Mapping[str, Binding], path: Path) -> None:
    """Write the plan as a SUMO additional file of static programs under an id that no program has yet.

    Loaded after the net and the scenario's files it puts the plan in use; junctions not in the plan keep theirs. The
    same plan gives the same bytes. Raises PlanMismatchError for a junction or group that the network does not have."""
    taken = {other for binding in bindings.values() for other in binding.program_ids}
    program_id = PROGRAM_ID
    number = 2
    while program_id in taken:
        program_id = f"{PROGRAM_ID}{number}"
        number += 1
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<additional>"]
    for controller in plan.controllers:
        binding = bindings.get(controller.junction)
        if binding is None:
            raise PlanMismatchError(
                f"the plan names junction {controller.junction} and the network has no such one; make the plan anew"
            )
        lines += _program_lines(controller, binding, program_id)
    lines.append("</additional>")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _program_lines(plan: ControllerPlan, binding: Binding, program_id: str) -> list[str]:
    offset_s = sequence_start_s(plan)
    return [
        f'    <tlLogic id={quoteattr(binding.tls)} type="static" programID="{program_id}" '
        f'offset="{_number(offset_s)}">',
        *(
            f'        <phase duration="{_number(duration_s)}" state="{state}"/>'
            for duration_s, state in signal_states(plan, binding)
        ),
        "    </tlLogic>",
    ]


def _number(value: float) -> str:
    return f"{round(value, 3):.3f}".rstrip("0").rstrip(".")


def read_plan(path: Path, model: CityModel) -> NetworkPlan:
    """The plan of a `plan.json`, or of a SUMO additional file whose programs then become plans.

    Raises PlanMismatchError where the file is no plan, was made for another network, or names a junction that this
    network does not have; NetworkError where an additional file is missing or truncated."""
    if path.suffix == ".json":
        return _checked(_json_plan(path), model, path)
    controllers = tuple(
        plan_from_program(program, model) for program in _last_of_each(programs_of_file(path), model, path)
    )
    if not controllers:
        raise PlanMismatchError(f"{path}: there is no tlLogic in it; give a plan.add.xml or a plan.json")
    return NetworkPlan(network_hash=model.network.network_hash, profile="", controllers=controllers)


def plan_from_program(program: SumoProgram, model: CityModel) -> ControllerPlan:
    """The plan that a static SUMO program is: the junction's running plan with this program's greens.

    Second 0 of the plan is the start of the program. Raises PlanMismatchError where its states do not fit."""
    binding = model.bindings[program.tls]
    if any(len(phase.state) != binding.link_count for phase in program.phases):
        raise PlanMismatchError(
            f"{program.file}: the states of junction {program.tls} do not have {binding.link_count} signals; "
            "use a plan made for this network"
        )
    rows = [(phase.duration_s, phase.state) for phase in program.phases]
    return plan_from_phases(rows, program.offset_s, model.network.junction(program.tls).running, binding)


def plan_from_phases(
    phases: list[tuple[float, str]], offset_s: float, template: ControllerPlan, binding: Binding
) -> ControllerPlan:
    """A plan with the greens that one cycle of `phases` (s, state) shows, the first starting at `offset_s` + k cycles.

    All but cycle, offset and greens comes from `template`. Raises PlanMismatchError where links of a group differ."""
    cycle_s = round(sum(duration_s for duration_s, _ in phases), 3)
    greens = {group: _greens(phases, group, links, template, cycle_s) for group, links in binding.groups.items()}
    reference = next((g for g in binding.groups if greens[g] and not _lasts(greens[g], cycle_s)), "")
    start_s = greens[reference][0].start_s if reference else 0.0
    offset = Offset(
        seconds=(offset_s + start_s) % cycle_s,
        reference_group=reference,
        epoch=template.offset.epoch,
        zone=template.offset.zone,
    )
    return template.model_copy(
        update={"cycle_s": cycle_s, "offset": offset, "greens": greens, "stages": (), "windows": (), "interstages": ()}
    )


def _greens(
    phases: list[tuple[float, str]], group: str, links: tuple[int, ...], template: ControllerPlan, cycle_s: float
) -> tuple[GreenInterval, ...]:
    rights = {"G": Right.PROTECTED, "g": Right.PERMISSIVE, "s": Right.STOP_FIRST}
    usual_amber_s = next((g.amber_s for g in template.groups if g.id == group), 0.0)
    runs: list[tuple[float, float, str]] = []
    clock = 0.0
    for duration_s, state in phases:
        if len({state[link] for link in links}) != 1:
            raise PlanMismatchError(
                f"junction {binding_name(template)}: the links of group {group} show different signals; "
                "plans for this network move them together"
            )
        letter = state[links[0]]
        if runs and runs[-1][2] == letter:
            runs[-1] = (runs[-1][0], round(clock + duration_s, 3), letter)
        else:
            runs.append((round(clock, 3), round(clock + duration_s, 3), letter))
        clock += duration_s
    if len(runs) > 1 and runs[0][2] == runs[-1][2]:
        first = runs.pop(0)
        last = runs.pop()
        runs.append((last[0], first[1], first[2]))
    found = []
    for i, (start_s, end_s, letter) in enumerate(runs):
        if letter not in rights:
            continue
        following = runs[(i + 1) % len(runs)]
        amber_s = (following[1] - following[0]) % cycle_s if following[2] in "yY" else 0.0
        touches = following[2] in rights
        found.append(
            GreenInterval(
                start_s=start_s,
                end_s=end_s,
                right=rights[letter],
                amber_s=None if touches or amber_s == usual_amber_s else amber_s,
            )
        )
    return tuple(sorted(found, key=lambda green: green.start_s))


def binding_name(template: ControllerPlan) -> str:
    """The junction a plan is for."""
    return template.junction


def _lasts(greens: tuple[GreenInterval, ...], cycle_s: float) -> bool:
    return len(greens) == 1 and greens[0].end_s - greens[0].start_s == cycle_s


def _json_plan(path: Path) -> NetworkPlan:
    try:
        return NetworkPlan.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanMismatchError(f"{path}: cannot be read ({error.strerror}); correct the path") from error
    except (ValidationError, UnicodeDecodeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        what = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}" if first else "not text"
        raise PlanMismatchError(f"{path}: not a plan ({what}); give the plan.json that jasyl wrote") from error


def _checked(plan: NetworkPlan, model: CityModel, path: Path) -> NetworkPlan:
    if plan.network_hash != model.network.network_hash:
        raise PlanMismatchError(
            f"{path}: made for network {plan.network_hash}, and this one is {model.network.network_hash}; "
            "make the plan anew for this network"
        )
    for controller in plan.controllers:
        if controller.junction not in model.bindings:
            raise PlanMismatchError(
                f"{path}: names junction {controller.junction}, which the network does not have; make the plan anew"
            )
    return plan


def _last_of_each(programs: list[SumoProgram], model: CityModel, path: Path) -> list[SumoProgram]:
    for program in programs:
        if program.tls not in model.bindings:
            raise PlanMismatchError(
                f"{path}: names junction {program.tls}, which the network does not have; use a plan made for it"
            )
    return [last for _, last in sorted({program.tls: program for program in programs}.items())]
