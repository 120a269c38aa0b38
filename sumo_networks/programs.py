"""Plans to SUMO programs and back: `plan.add.xml`, `plan.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from pydantic import ValidationError

from optimiser.signals import ControllerPlan, NetworkPlan
from optimiser.timeline import sequence_start_s
from sumo_networks.bindings import Binding, CityModel
from sumo_networks.errors import PlanMismatchError
from sumo_networks.net_file import SumoProgram
from sumo_networks.plan_phases import plan_from_phases
from sumo_networks.programs_in_use import programs_of_file
from sumo_networks.recorded_states import record_of, recorded_states
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
        lines += program_lines(controller, binding, program_id)
    lines.append("</additional>")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def program_lines(plan: ControllerPlan, binding: Binding, program_id: str) -> list[str]:
    """A plan as the lines of one tlLogic. Raises PlanMismatchError for a group that the binding does not know."""
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
    if program.from_begin:
        raise PlanMismatchError(
            f"{program.file}: the program of junction {program.tls} starts when a run does, and a plan runs by the "
            "clock; give its offset in seconds"
        )
    phases = [(phase.duration_s, phase.state) for phase in program.phases]
    if sum(duration_s for duration_s, _ in phases) <= 0:
        raise PlanMismatchError(
            f"{program.file}: the program of junction {program.tls} lasts 0 s; give its phases time"
        )
    return plan_from_phases(phases, program.offset_s, model.network.junction(program.tls).running, binding)


def plan_from_states(tls_states: Path, binding: Binding, template: ControllerPlan) -> ControllerPlan:
    """The plan that a recorded run of SUMO shows, found from the states alone.

    Cycle and greens are those of the record; second 0 of the cycle lies where `template` has it, and what no state
    shows (groups, rules, modes) is the template's. Equal to the template where the controller ran it. Raises
    NetworkError where the file is missing, truncated or without the junction; PlanMismatchError where the record does
    not repeat (give it two cycles of one fixed-time program)."""
    record = record_of(tls_states, recorded_states(tls_states), binding)
    ends = [*record.times_s[1:], record.end_s]
    pieces = [(e - s, state) for s, e, state in zip(record.times_s, ends, record.states, strict=True)]
    cycle_s = _period_s(pieces)
    if cycle_s is None:
        raise PlanMismatchError(
            f"{tls_states}: the states of junction {binding.junction} do not repeat; "
            "record at least two cycles of one fixed-time program"
        )
    start_s = sequence_start_s(template) % cycle_s
    from_s = record.times_s[0] + (start_s - record.times_s[0]) % cycle_s
    phases = [
        (min(end, from_s + cycle_s) - max(begin, from_s), state)
        for begin, end, state in zip(record.times_s, ends, record.states, strict=True)
        if end > from_s and begin < from_s + cycle_s
    ]
    return plan_from_phases(phases, start_s, template, binding)


def _period_s(pieces: Sequence[tuple[float, str]]) -> float | None:
    """Shortest time after which a record of (length, state) repeats to its end; None where it holds no two periods.

    The first and the last piece may be cut off. One state throughout repeats at once."""
    total_s = sum(length for length, _ in pieces)
    if len(pieces) == 1:
        return total_s
    for shift in range(1, len(pieces) // 2 + 1):
        period_s = sum(length for length, _ in pieces[1 : shift + 1])
        if 2 * period_s > total_s:
            return None
        inner = range(1, len(pieces) - 1 - shift)
        if all(pieces[i] == pieces[i + shift] for i in inner) and _edges_repeat(pieces, shift):
            return period_s
    return None


def _edges_repeat(pieces: Sequence[tuple[float, str]], shift: int) -> bool:
    """Whether the cut off first and last piece are parts of those one period on and back."""
    first, last = pieces[0], pieces[-1]
    after, before = pieces[shift], pieces[-1 - shift]
    return first[1] == after[1] and first[0] <= after[0] and last[1] == before[1] and last[0] <= before[0]


def _json_plan(path: Path) -> NetworkPlan:
    try:
        # editors on Windows put a byte order mark before a text
        return NetworkPlan.model_validate_json(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise PlanMismatchError(f"{path}: cannot be read ({error.strerror}); correct the path") from error
    except (ValidationError, UnicodeDecodeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        what = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"]))) if first else "not text"
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
