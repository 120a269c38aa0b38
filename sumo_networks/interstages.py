"""Interstages made long enough for the intergreens, ambers and red-ambers that a profile asks for."""

from __future__ import annotations

from optimiser.signals import GreenInterval, Interstage, Junction, Right, Stage, StageSequence

_TINY_S = 1e-6


def stretched_sequence(junction: Junction, sequence: StageSequence) -> StageSequence:
    """The sequence with each interstage long enough within itself for `junction.intergreens` and the groups' ambers.

    Time is put in just before a group that would start too early, so the order of switches stays and greens that last
    through it become longer. Intergreens that span a whole stage depend on its length and are left to the plan."""
    stages = {stage.id: stage for stage in junction.stages}
    changes = tuple(
        stretched(junction, change, stages[change.from_stage], stages[change.to_stage])
        for change in sequence.interstages
    )
    return sequence.model_copy(update={"interstages": changes})


def stretched(junction: Junction, change: Interstage, before: Stage, after: Stage) -> Interstage:
    """One interstage from `before` to `after` made long enough within itself."""
    kept_ambers = {
        group.id: change.amber_s[group.id]
        for group in junction.groups
        if change.amber_s.get(group.id, group.amber_s) > group.amber_s
    }
    change = change.model_copy(update={"amber_s": kept_ambers})
    for _ in range(4 * len(junction.groups)):
        lacking = _first_lack(junction, change, before, after)
        if lacking is None:
            return change
        change = _with_time(change, before, after, *lacking)
    return change


def _starts_s(change: Interstage, before: Stage, after: Stage) -> dict[str, float]:
    """When each group that comes to green in the interstage, or with its end, does so."""
    found = {}
    for group in after.greens:
        if group not in before.greens or group in change.off_s:
            found[group] = change.on_s.get(group, change.duration_s)
    for group, parts in change.greens.items():
        blips = [part.start_s for part in parts if part.start_s > 0 or group not in before.greens]
        if group not in found and group not in after.greens and blips and change.off_s.get(group, -1.0) < min(blips):
            found[group] = min(blips)
    return found


def _ends_s(change: Interstage, before: Stage) -> dict[str, float]:
    """When each group that is green at the start of the interstage loses it."""
    return {group: change.off_s[group] for group in before.greens if group in change.off_s}


def _upgrades_s(change: Interstage, before: Stage, after: Stage) -> dict[str, float]:
    """When each group that stays green changes from permissive to protected."""
    found = {}
    for group, right in after.greens.items():
        if group in change.greens:
            later = [p.start_s for p in change.greens[group] if p.right is Right.PROTECTED]
        else:
            later = [change.on_s.get(group, change.duration_s)] if right is Right.PROTECTED else []
        if before.greens.get(group) not in (None, Right.PROTECTED) and group not in change.off_s and later:
            found[group] = min(later)
    return found


def _first_lack(junction: Junction, change: Interstage, before: Stage, after: Stage) -> tuple[float, float] | None:
    """The earliest start that comes too soon, and by how much."""
    starts, ends = _starts_s(change, before, after), _ends_s(change, before)
    upgrades = _upgrades_s(change, before, after)
    waiting = {(c.first if c.yields == c.second else c.second, c.yields) for c in junction.conflicts if c.yields}
    lacks: list[tuple[float, float]] = []
    for intergreen in junction.intergreens:
        pair = intergreen.clearing, intergreen.entering
        start_s = starts.get(pair[1], upgrades.get(pair[1]) if pair in waiting else None)
        if pair[0] in ends and start_s is not None and 0 <= start_s - ends[pair[0]] < intergreen.seconds - _TINY_S:
            lacks.append((start_s, intergreen.seconds - (start_s - ends[pair[0]])))
    for group in junction.groups:
        if group.id in starts and group.id in ends:
            needed_s = change.amber_s.get(group.id, group.amber_s) + group.red_amber_s
            gap_s = starts[group.id] - ends[group.id]
            if gap_s < needed_s - _TINY_S:
                lacks.append((starts[group.id], needed_s - gap_s))
    if not lacks:
        return None
    at_s = min(start_s for start_s, _ in lacks)
    return at_s, max(lack_s for start_s, lack_s in lacks if start_s == at_s)


def _with_time(change: Interstage, before: Stage, after: Stage, at_s: float, more_s: float) -> Interstage:
    """`more_s` put in at `at_s`: what starts there or later starts later, what ends later ends later."""
    starts = {group: start_s for group, start_s in change.on_s.items() if group in after.greens}
    for group in after.greens:
        if (group not in before.greens or group in change.off_s) and group not in starts:
            starts[group] = change.duration_s
    on_s = {group: time_s + more_s if time_s >= at_s - _TINY_S else time_s for group, time_s in starts.items()}
    off_s = {g: time_s + more_s if time_s > at_s + _TINY_S else time_s for g, time_s in change.off_s.items()}
    greens = {
        group: _parts_with_time(
            parts, at_s, more_s, group in before.greens, group in after.greens and at_s >= change.duration_s - _TINY_S
        )
        for group, parts in change.greens.items()
    }
    return change.model_copy(
        update={"duration_s": change.duration_s + more_s, "on_s": on_s, "off_s": off_s, "greens": greens}
    )


def _parts_with_time(
    parts: tuple[GreenInterval, ...], at_s: float, more_s: float, comes_on: bool, goes_on: bool
) -> tuple[GreenInterval, ...]:
    """Greens of one group with time put in; a green that changes its right there, `comes_on` from the stage before, or
    `goes_on` with the next one, is lengthened."""
    found = []
    for i, part in enumerate(parts):
        touches = parts[i + 1].start_s == part.end_s if i + 1 < len(parts) else goes_on
        later = part.end_s > at_s + _TINY_S or (abs(part.end_s - at_s) < _TINY_S and touches)
        held = comes_on and part.start_s == 0
        start_s = part.start_s + more_s if part.start_s >= at_s - _TINY_S and not held else part.start_s
        end_s = part.end_s + more_s if later else part.end_s
        found.append(part.model_copy(update={"start_s": start_s, "end_s": end_s}))
    return tuple(found)
