"""Subareas: parts of a network within which offsets matter most, found from the streets and not drawn beforehand.

A street binds its ends by what its best offset saves over its mean one. Beginning with single junctions, the two parts
that are bound most strongly, for their size, become one, as long as they stay within the size asked for.
"""

from __future__ import annotations

from collections.abc import Mapping


def subareas(junctions: list[str], bonds: Mapping[tuple[str, str], float], most: int) -> tuple[tuple[str, ...], ...]:
    """Junctions in parts of at most `most`, each part and the parts in order of name; `bonds` (persons * s / h) by the
    two ends of a street."""
    members = {j: [j] for j in junctions}
    between: dict[str, dict[str, float]] = {j: {} for j in junctions}
    for (one, other), bond in sorted(bonds.items()):
        between[one][other] = between[one].get(other, 0.0) + bond
        between[other][one] = between[other].get(one, 0.0) + bond
    while True:
        best: tuple[float, str, str] | None = None
        for one in sorted(members):
            for other, bond in sorted(between[one].items()):
                if one < other and bond > 0 and len(members[one]) + len(members[other]) <= most:
                    strength = bond / min(len(members[one]), len(members[other]))
                    if best is None or strength > best[0]:
                        best = (strength, one, other)
        if best is None:
            break
        _, kept, gone = best
        members[kept] += members.pop(gone)
        for other, bond in between.pop(gone).items():
            between[other].pop(gone)
            if other != kept:
                between[kept][other] = between[kept].get(other, 0.0) + bond
                between[other][kept] = between[kept][other]
    return tuple(sorted(tuple(sorted(part)) for part in members.values()))
