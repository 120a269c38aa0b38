"""What SUMO's signals showed in a run: the file that `<timedEvent type="SaveTLSStates">` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from optimiser.safety import Aspect, AspectChange, SignalLog
from sumo_networks.bindings import Binding
from sumo_networks.errors import NetworkError
from sumo_networks.sumo_xml import elements

ASPECTS = {
    "G": Aspect.PROTECTED,
    "g": Aspect.PERMISSIVE,
    "s": Aspect.STOP_FIRST,
    "y": Aspect.AMBER,
    "Y": Aspect.AMBER,
    "u": Aspect.RED_AMBER,
    "r": Aspect.RED,
    "o": Aspect.DARK,
    "O": Aspect.DARK,
}
STRONGEST_FIRST = "GgsyYuoOr"


@dataclass(frozen=True)
class RecordedStates:
    """States of one controller: each change of state with its second, the end of the record, and the ids of the
    programs that ran, in order."""

    times_s: tuple[float, ...]
    states: tuple[str, ...]
    end_s: float
    programs: tuple[str, ...]


def recorded_states(path: Path) -> dict[str, RecordedStates]:
    """The record of each controller, read in one pass; states that stay the same are one.

    Raises NetworkError where the file is missing, truncated or holds no state."""
    times: dict[str, list[float]] = {}
    states: dict[str, list[str]] = {}
    ends: dict[str, tuple[float, float]] = {}
    programs: dict[str, list[str]] = {}
    for element in elements(path, "tlsState"):
        tls, time_s, state = element.get("id", ""), float(element.get("time", "nan")), element.get("state", "")
        program = element.get("programID", "")
        if tls not in times:
            times[tls], states[tls], programs[tls], ends[tls] = [], [], [], (time_s, 0.0)
        last_s, step_s = ends[tls]
        ends[tls] = time_s, time_s - last_s if step_s == 0 else min(step_s, time_s - last_s)
        if not states[tls] or states[tls][-1] != state:
            times[tls].append(time_s)
            states[tls].append(state)
        if program not in programs[tls]:
            programs[tls].append(program)
    if not times:
        raise NetworkError(f"{path}: holds no signal states; record them with a timedEvent of type SaveTLSStates")
    return {
        tls: RecordedStates(tuple(times[tls]), tuple(states[tls]), sum(ends[tls]), tuple(programs[tls]))
        for tls in sorted(times)
    }


def signal_log(path: Path, binding: Binding) -> SignalLog:
    """What the groups of one junction showed in a recorded run.

    Raises NetworkError where the file is missing or truncated, holds nothing of the controller, or states of another
    length than the binding's."""
    return signal_logs(path, {binding.junction: binding})[binding.junction]


def signal_logs(path: Path, bindings: Mapping[str, Binding]) -> dict[str, SignalLog]:
    """The same for many junctions in one pass over the file, by junction id."""
    records = recorded_states(path)
    return {junction: _log(path, records, binding) for junction, binding in bindings.items()}


def record_of(path: Path, records: Mapping[str, RecordedStates], binding: Binding) -> RecordedStates:
    """The record of one junction. Raises NetworkError where there is none or it does not fit the binding."""
    if binding.tls not in records:
        raise NetworkError(f"{path}: holds no states of junction {binding.junction}; record this junction too")
    record = records[binding.tls]
    wrong = next((state for state in record.states if len(state) != binding.link_count), None)
    if wrong is not None:
        raise NetworkError(
            f"{path}: states of junction {binding.junction} have {len(wrong)} signals, the network has "
            f"{binding.link_count}; record the run on the same network"
        )
    return record


def _log(path: Path, records: Mapping[str, RecordedStates], binding: Binding) -> SignalLog:
    record = record_of(path, records, binding)
    entries: list[AspectChange] = []
    shown: dict[str, Aspect] = {}
    for time_s, state in zip(record.times_s, record.states, strict=True):
        for group, links in binding.groups.items():
            letter = min((state[link] for link in links), key=STRONGEST_FIRST.find)
            aspect = ASPECTS.get(letter, Aspect.DARK)
            if shown.get(group) is not aspect:
                shown[group] = aspect
                entries.append(AspectChange(time_s, group, aspect))
    return SignalLog(binding.junction, record.times_s[0], record.end_s, tuple(entries))
