"""Which of the programs in a net and its additional files SUMO runs.

SUMO runs, of each controller, the program it loaded last: the net's are loaded first, then the additional files in
their order (https://sumo.dlr.de/docs/Simulation/Traffic_Lights.html#loading_new_tls-programs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sumo_networks.errors import NetworkError
from sumo_networks.net_file import NetFile, SumoProgram, sumo_program
from sumo_networks.sumo_xml import elements

NOT_SIGNALS = frozenset({"rail_signal", "rail_crossing"})


def loaded_programs(
    net: NetFile, additionals: Sequence[Path], begin_s: float = 0.0
) -> dict[str, tuple[SumoProgram, ...]]:
    """All programs of each controller in the order in which SUMO loads them, the one in use last. Those that start
    with the run start at `begin_s`.

    Raises NetworkError where an additional file is missing, truncated or has a broken tlLogic."""
    found: dict[str, list[SumoProgram]] = {}
    for program in (*net.programs, *(program for path in additionals for program in programs_of_file(path))):
        known = (
            replace(program, offset_s=program.offset_s + begin_s, from_begin=False) if program.from_begin else program
        )
        found.setdefault(program.tls, []).append(known)
    return {tls: tuple(found[tls]) for tls in sorted(found)}


def programs_of_file(path: Path) -> list[SumoProgram]:
    """The tlLogics of an additional file in file order.

    Raises NetworkError where the file is missing, truncated or has a broken tlLogic."""
    programs = []
    for element in elements(path, "tlLogic"):
        try:
            programs.append(sumo_program(element, path))
        except (KeyError, ValueError) as error:
            raise NetworkError(
                f"{path}: tlLogic {element.get('id', 'without id')} lacks or garbles {error}; correct the program"
            ) from error
    return programs


def switched_by_clock(additionals: Sequence[Path]) -> frozenset[str]:
    """Controllers whose programs a WAUT switches by the time of day.

    Raises NetworkError where an additional file is missing or truncated."""
    return frozenset(
        element.get("junctionID", "") for path in additionals for element in elements(path, "wautJunction")
    )


def is_for_trains(program: SumoProgram) -> bool:
    """Whether the program is that of a rail signal or a level crossing, which SUMO runs by itself."""
    return program.type in NOT_SIGNALS


def why_no_signal(program: SumoProgram) -> str:
    """Why the program shows no signals to road users; empty where it does."""
    if not program.phases:
        return f"its program {program.program_id} has no phases"
    if all(aspect in "oO" for phase in program.phases for aspect in phase.state):
        return f"its program {program.program_id} is switched off or blinks all the time"
    return ""
