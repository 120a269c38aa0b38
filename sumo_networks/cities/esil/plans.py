"""Esil's signal programs: as an engineer sets them by hand for the whole day.

Greens by Webster (1958) from the mean of the morning's flows and the same flows turned round for the evening, in one
common cycle. All offsets are 0: each junction was set by itself, and nobody has coordinated them since.
Intergreens: 3 s amber and 2 or 3 s all red after vehicles, crossing length at 1.2 m/s after pedestrians. Source of the
method: F. V. Webster, Traffic signal settings, Road Research Technical Paper 39, 1958.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from sumo_networks.cities.esil.heads import SignalHead
from sumo_networks.cities.esil.streets import Block, Use, arms, blocks
from sumo_networks.cities.esil.traffic import Turn, trips_veh_h, turning_veh_h, ways

CYCLE_S: Final = 90
AMBER_S: Final = 3
ALL_RED_S: Final = 2
# Who crosses an arterial from a small street, or turns left out of the stem of a T, has the longest way to clear.
LONG_ALL_RED_S: Final = 3
WALK_S: Final = 7
WALKING_MPS: Final = 1.2
MIN_GREEN_S: Final = 8
SATURATION_VEH_H: Final = 1800
# A left turn that waits for gaps uses up green as about two and a half straight vehicles do.
_OPPOSED_LEFT: Final = 2.5
_PROGRAM: Final = "day"


@dataclass(frozen=True)
class StageSetting:
    """Who goes in a stage: neighbour the vehicles come from → their turns; arms whose crossing is walked."""

    go: dict[str, str]
    walk: tuple[str, ...] = ()


def _two(a: str, b: str, c: str, d: str) -> tuple[StageSetting, ...]:
    """Two stages, left turns give way."""
    return StageSetting({a: "rsl", b: "rsl"}, (c, d)), StageSetting({c: "rsl", d: "rsl"}, (a, b))


def _three(a: str, b: str, c: str, d: str) -> tuple[StageSetting, ...]:
    """The main street's left turns in a stage of their own."""
    return (
        StageSetting({a: "rs", b: "rs"}, (c, d)),
        StageSetting({a: "l", b: "l"}),
        StageSetting({c: "rsl", d: "rsl"}, (a, b)),
    )


def _four(a: str, b: str, c: str, d: str) -> tuple[StageSetting, ...]:
    """Left turns of both streets in stages of their own."""
    return (
        StageSetting({a: "rs", b: "rs"}, (c, d)),
        StageSetting({a: "l", b: "l"}),
        StageSetting({c: "rs", d: "rs"}, (a, b)),
        StageSetting({c: "l", d: "l"}),
    )


def _tee(a: str, b: str, stem: str) -> tuple[StageSetting, ...]:
    """Street a-b with a stem; the left turn from b lags, with the stem's right turn beside it."""
    return (
        StageSetting({a: "rs", b: "rs"}, (stem,)),
        StageSetting({b: "sl", stem: "r"}),
        StageSetting({stem: "rl"}, (a, b)),
    )


def _small_tee(a: str, b: str, stem: str) -> tuple[StageSetting, ...]:
    return StageSetting({a: "rsl", b: "rsl"}, (stem,)), StageSetting({stem: "rl"}, (a, b))


def _midblock(a: str, b: str) -> tuple[StageSetting, ...]:
    return StageSetting({a: "s", b: "s"}), StageSetting({}, (a, b))


STAGES: Final[dict[str, tuple[StageSetting, ...]]] = {
    "A2": _two("W2", "B2", "AS", "AN"),
    "B2": _three("A2", "M1", "B1", "B3"),
    "C2": _four("M1", "D2", "C1", "M2"),
    "D2": _three("C2", "E2", "D1", "D3"),
    "E2": _tee("D2", "X2", "ES"),
    "C1": _three("CS", "C2", "B1", "D1"),
    "C3": _three("M2", "C4", "B3", "D3"),
    "C4": _tee("CN", "C3", "W4"),
    "B1": _small_tee("C1", "W1", "B2"),
    "D1": _two("C1", "X1", "DS", "D2"),
    "B3": _two("W3", "C3", "B2", "BN"),
    "D3": _small_tee("C3", "X3", "D2"),
    "M1": _midblock("B2", "C2"),
    "M2": _midblock("C2", "C3"),
}


def design_veh_h() -> dict[Turn, float]:
    """Mean of the morning's turning flows and of the evening's, which are the morning's turned round."""
    morning = trips_veh_h()
    day = {(a, b): (trip + morning[b, a]) / 2 for (a, b), trip in morning.items()}
    return turning_veh_h(ways(day))


def write_programs(heads: dict[str, SignalHead], path: Path) -> None:
    """Write the programs of all controllers as tlLogics, which netconvert takes into the net."""
    flows = design_veh_h()
    lines = ["<additional>"]
    for name, head in heads.items():
        greens = stage_greens_s(name, head, flows)
        lines.append(f'  <tlLogic id="{name}" type="static" programID="{_PROGRAM}" offset="0">')
        for seconds, state in states(name, head, greens):
            lines.append(f'    <phase duration="{seconds}" state="{state}"/>')
        lines.append("  </tlLogic>")
    path.write_text("\n".join([*lines, "</additional>", ""]), encoding="utf-8")


def stage_greens_s(name: str, head: SignalHead, flows: dict[Turn, float]) -> list[int]:
    """Green of each stage: the cycle less the changes, shared by the critical flow ratios, none under its least."""
    stages = STAGES[name]
    least = [_least_green_s(name, head, stage) for stage in stages]
    ratios = [_critical_ratio(name, stages, number, flows) for number in range(len(stages))]
    green_s = CYCLE_S - sum(change_s(name, stage) for stage in stages)
    free_s = float(green_s)
    greens = [0.0] * len(stages)
    open_stages = set(range(len(stages)))
    while open_stages:
        total = sum(ratios[number] for number in open_stages)
        shares = {number: free_s * ratios[number] / total for number in open_stages}
        short = {number for number in open_stages if shares[number] < least[number]}
        for number in short or open_stages:
            greens[number] = float(least[number]) if short else shares[number]
            free_s -= greens[number] if short else 0.0
        open_stages = open_stages - short if short else set()
    whole = [math.floor(green) for green in greens]
    left = green_s - sum(whole)
    for number in sorted(range(len(stages)), key=lambda number: whole[number] - greens[number])[:left]:
        whole[number] += 1
    return whole


def change_s(name: str, stage: StageSetting) -> int:
    """Amber and all red after a stage."""
    every = blocks()
    at_arterial = any(every[arm, name].use is not Use.STREET for arm in arms()[name])
    crosses = any(_crosses(every[start, name], turns, at_arterial) for start, turns in stage.go.items())
    return AMBER_S + (LONG_ALL_RED_S if crosses else ALL_RED_S)


def _crosses(block: Block, turns: str, at_arterial: bool) -> bool:
    """Whether the stage lets a small street cross an arterial, or the stem of a T turn left across the main street."""
    stem = "s" not in block.turns
    return ("l" in turns and stem) or ("s" in turns and at_arterial and block.use is Use.STREET)


def _least_green_s(name: str, head: SignalHead, stage: StageSetting) -> int:
    """Vehicles' least green, and time for the walk and for the part of its clearance that the change does not hold."""
    lengths = [length for arm, length in head.crossings.values() if arm in stage.walk]
    return max([MIN_GREEN_S, *(WALK_S + _clearance_s(length) - change_s(name, stage) for length in lengths)])


def _clearance_s(length_m: float) -> int:
    return math.ceil(length_m / WALKING_MPS)


def _critical_ratio(name: str, stages: tuple[StageSetting, ...], number: int, flows: dict[Turn, float]) -> float:
    """Largest flow ratio of the lanes that go in this stage and in no other; a stage on foot counts as nothing."""
    ratios = [0.02]
    for start, turns in stages[number].go.items():
        alone = "".join(
            turn
            for turn in turns
            if all(turn not in other.go.get(start, "") for place, other in enumerate(stages) if place != number)
        )
        ratios += _lane_ratios(blocks()[start, name], alone, flows, opposed="s" in turns and len(stages) == 2)
    return max(ratios)


def _lane_ratios(block: Block, turns: str, flows: dict[Turn, float], *, opposed: bool) -> list[float]:
    flow = {
        turn: flows.get((block.start, block.end, block.turns[turn]), 0.0)
        if turn in turns and turn in block.turns
        else 0.0
        for turn in "rsl"
    }
    through = [lane for lane in block.lanes if "s" in lane]
    if block.use is Use.ARTERIAL_BUS:
        # Cars keep out of the rightmost lane but to turn right.
        beside = [flow["r"], flow["s"] / 2]
    else:
        beside = [(flow["r"] + flow["s"]) / max(1, len(through))]
    weight = _OPPOSED_LEFT if opposed else 1.0
    return [value / SATURATION_VEH_H for value in (*beside, weight * flow["l"])]


def states(name: str, head: SignalHead, greens: list[int]) -> Iterator[tuple[int, str]]:
    """(duration in s, SUMO state) of each phase: a stage's green with its walks, as they end one by one, then amber
    and all red; what is green in the next stage too stays green."""
    stages = STAGES[name]
    shown = [_stage_greens(head, stage) for stage in stages]
    for number, (stage, green_s) in enumerate(zip(stages, greens, strict=True)):
        going, coming = shown[number], shown[(number + 1) % len(stages)]
        ends = {
            link: green_s + change_s(name, stage) - _clearance_s(length)
            for link, (arm, length) in head.crossings.items()
            if arm in stage.walk
        }
        cuts = sorted({0, green_s, *(min(end, green_s) for end in ends.values())})
        for start, end in pairwise(cuts):
            walking = {link: "G" for link, until in ends.items() if until > start}
            yield end - start, _text(head, going | walking)
        staying = {
            link: "G" if right + coming[link] == "GG" else "g" for link, right in going.items() if link in coming
        }
        yield AMBER_S, _text(head, dict.fromkeys(going, "y") | staying)
        yield change_s(name, stage) - AMBER_S, _text(head, staying)


def _stage_greens(head: SignalHead, stage: StageSetting) -> dict[int, str]:
    """Vehicle link → G, or g where it gives way to another that goes or walks."""
    going = {link for link, (start, _, turn) in head.vehicles.items() if turn in stage.go.get(start, "")}
    walking = {link for link, (arm, _) in head.crossings.items() if arm in stage.walk}
    return {
        link: "g" if any((link, other) in head.yields for other in going | walking) else "G" for link in sorted(going)
    }


def _text(head: SignalHead, shown: dict[int, str]) -> str:
    return "".join(shown.get(link, "r") for link in range(head.links))
