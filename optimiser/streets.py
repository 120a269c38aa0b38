"""A network at one cycle as alternatives and streets: what each junction may run, and what each pair costs by offset.

An alternative is one form with whole-second durations. Streets join two junctions that send platoons to each other;
their costs come from tables over one cycle (`formulation.street_costs`), made once for each pair of alternatives.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from optimiser.formulation.case import JunctionCase
from optimiser.formulation.objective import uniform_delay
from optimiser.formulation.offsets import coordinable, main_green, tail_slope
from optimiser.formulation.platoons import Platoon, coordinated_shares, platoons
from optimiser.formulation.street_costs import Arrival, Costs, street_costs
from optimiser.lane_flows import JunctionDemand
from optimiser.network_model import Choice
from optimiser.settings import ModelSettings
from optimiser.signals import Network
from optimiser.stage_forms import Affine, Segment, SequenceForm


@dataclass(frozen=True)
class Alternative:
    """One way to run a junction. `cost` is its person delay that offsets cannot change (persons * s / h), `frozen` the
    form with the durations put in."""

    choice: Choice
    frozen: SequenceForm
    cost: float


@dataclass(frozen=True)
class Near:
    """A street seen from one junction: the other end, and whether the junction is its first end."""

    other: str
    first: bool


@dataclass
class Streets:
    """The junctions of an area at a common cycle with their alternatives; `between` gives each street's platoons by
    its two ends, in order of name."""

    cycle_s: int
    cases: Mapping[str, JunctionCase]
    between: Mapping[tuple[str, str], tuple[Platoon, ...]]
    alternatives: dict[str, list[Alternative]] = field(default_factory=dict)
    _tables: dict[tuple[str, str, int, int], Costs] = field(default_factory=dict)

    @cached_property
    def near(self) -> dict[str, tuple[Near, ...]]:
        """Streets of each junction."""
        found: dict[str, tuple[Near, ...]] = dict.fromkeys(self.cases, ())
        for one, other in self.between:
            found[one] += (Near(other, True),)
            found[other] += (Near(one, False),)
        return found

    @cached_property
    def apart(self) -> tuple[tuple[str, ...], ...]:
        """All junctions in sets within which no street joins two."""
        found: list[list[str]] = []
        for j in self.cases:
            beside = {street.other for street in self.near[j]}
            free = next((members for members in found if not beside & set(members)), None)
            if free is None:
                found.append([j])
            else:
                free.append(j)
        return tuple(map(tuple, found))

    def within(self, junctions: Collection[str]) -> Streets:
        """Some of the junctions with the streets between them."""
        inside = set(junctions)
        return Streets(
            self.cycle_s,
            {j: self.cases[j] for j in sorted(inside)},
            {ends: platoons for ends, platoons in self.between.items() if inside.issuperset(ends)},
            {j: self.alternatives[j] for j in sorted(inside)},
            {key: table for key, table in self._tables.items() if inside.issuperset(key[:2])},
        )

    def around(self, junction: str) -> Streets:
        """A junction with its streets, and their other ends with them."""
        inside = sorted([junction, *(street.other for street in self.near[junction])])
        return Streets(
            self.cycle_s,
            {j: self.cases[j] for j in inside},
            {ends: platoons for ends, platoons in self.between.items() if junction in ends},
            {j: self.alternatives[j] for j in inside},
        )

    def add(self, junction: str, alternative: Alternative) -> int:
        """Number of the alternative, which is new unless the same durations are there already."""
        known = self.alternatives.setdefault(junction, [])
        for number, other in enumerate(known):
            if (other.choice.form.id, other.choice.durations_s) == (
                alternative.choice.form.id,
                alternative.choice.durations_s,
            ):
                return number
        known.append(alternative)
        return len(known) - 1

    def table(self, one: str, other: str, p: int, q: int) -> Costs:
        """Cost by offset of `one` less that of `other`, when they run alternatives p and q."""
        key = (one, other, p, q)
        if key not in self._tables:
            arrivals = [self._arrival(platoon, one, p, q) for platoon in self.between[one, other]]
            self._tables[key] = street_costs(arrivals, self.cycle_s)
        return self._tables[key]

    def _arrival(self, platoon: Platoon, one: str, p: int, q: int) -> Arrival:
        outward = platoon.from_junction == one
        source_number, target_number = (p, q) if outward else (q, p)
        source = self.alternatives[platoon.from_junction][source_number].frozen
        target = self.alternatives[platoon.to_junction][target_number].frozen
        green = main_green(target, platoon.to_group)
        leaves_s = main_green(source, platoon.from_group).start.constant_s
        green_s = green.length.constant_s
        red_s = self.cycle_s - green_s
        return Arrival(
            outward,
            platoon.persons_h,
            leaves_s + platoon.lag_s - green.start.constant_s,
            green_s,
            red_s,
            platoon.queue_s_per_red * red_s,
            platoon.width_s,
            tail_slope(self.cases[platoon.to_junction], platoon, float(self.cycle_s)),
        )


def streets_of(
    network: Network,
    demands: Mapping[str, JunctionDemand],
    forms: Mapping[str, tuple[SequenceForm, ...]],
    cycle_s: int,
    settings: ModelSettings,
) -> Streets:
    """The streets between the junctions in `forms` at a common cycle, without alternatives yet."""
    inside = {j: demands[j] for j in sorted(forms)}
    bare = {j: JunctionCase(d, forms[j], float(cycle_s), settings) for j, d in inside.items()}
    found = tuple(
        p
        for p in platoons(network, inside, float(cycle_s), settings.dispersion)
        if coordinable(bare[p.from_junction], p.from_group) and coordinable(bare[p.to_junction], p.to_group)
    )
    shares = coordinated_shares(found, inside)
    between: dict[tuple[str, str], tuple[Platoon, ...]] = {}
    for platoon in found:
        ends = (min(platoon.from_junction, platoon.to_junction), max(platoon.from_junction, platoon.to_junction))
        between[ends] = (*between.get(ends, ()), platoon)
    cases = {j: replace(case, coordinated=shares[j]) for j, case in bare.items()}
    return Streets(cycle_s, cases, dict(sorted(between.items())))


def alternative_alone(case: JunctionCase, choice: Choice, objective: float) -> Alternative:
    """The alternative that a junction chose by itself at `objective`, all its arrivals even."""
    frozen = frozen_form(choice.form, choice.durations_s)
    moved = sum(share * uniform_delay(case, frozen, group) for group, share in case.coordinated.items())
    return Alternative(choice, frozen, objective - moved)


def frozen_form(form: SequenceForm, durations_s: tuple[float, ...]) -> SequenceForm:
    """The form with its durations put in: nothing left to choose."""
    segments = tuple(Segment(Affine(s.length.at(durations_s), ()), s.rights) for s in form.segments)
    return replace(form, min_s=(), max_s=(), segments=segments)
