"""`rules.toml`, the engineer's word: what a new plan may not touch, its limits, and what counts how much.

```toml
profile = "rilsa"                     # national profile of ambers and intergreens
cycle_s = 90                          # or cycle_range_s = [60, 120], or candidate_cycles_s = [70, 80, 90]
coordinated = true                    # false: every junction its own cycle
formulation = "cyclic offsets"        # or "lane-flow person delay", "MAXBAND", "MULTIBAND"
derived_stages = false                # true: also stages that the conflicts allow and the program never had
turners_leave = false                 # true: stages wait for turners within the junction, with others behind them
priority = false                      # true: active bus priority, or a table of its limits as below

[weights]                             # of a second of delay of one person
vehicle = 1.0
bus = 1.0
pedestrian = 1.0

[junctions.210]
locked = false                        # true: the running plan stays
priority = true                       # false: no bus priority here
locked_stages = ["stage2"]            # these keep their running length
skippable_stages = ["stage4"]         # bus priority may leave these out of a cycle
forbidden_sequences = [["stage1", "stage3"]]
cycle_range_s = [60, 90]
max_degree_of_saturation = 0.95
regression_limit_s = 8                # the verdict refuses a rise of delay over this

[junctions.210.groups.G1]
min_green_s = 10
max_green_s = 60
max_red_s = 90
max_degree_of_saturation = 0.9
weight = 1.5

[junctions.210.approaches.edge_12]
max_degree_of_saturation = 0.9
weight = 2.0

[lines.12]
weight = 2.0
regression_limit_s = 5

[verdict]
regression_limit_s = 5                # where no junction or line says otherwise

[polish]
runs = 300                            # SUMO runs; judging and proving the starts may pass them
seeds = 10
```

In place of `priority = true`, the limits of bus priority:

```toml
[priority]
max_extension_s = 10
max_early_green_s = 15
max_insertion_s = 0                   # over 0: a stage may be shown once more, for at most so long
recovery_cycles = 2                   # within which a controller is back in its offset
max_degree_of_saturation = 0.95       # that priority may leave to others
min_lateness_s = 0                    # buses less late at their last stop are not served
min_load_pax = 0
lines = []                            # only these; none named: all
```
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from optimiser.derived_stages import with_derived_stages
from optimiser.errors import RulesError
from optimiser.formulation.names import CYCLIC_OFFSETS, Formulation
from optimiser.rule_tables import (
    ApproachRules,
    CycleSeconds,
    GroupRules,
    JunctionRules,
    LineRules,
    PolishRules,
    PriorityRules,
    Table,
    VerdictRules,
    Weights,
    check_range,
)
from optimiser.signals import GroupLimits, Junction, Network, SignalGroup, Stage, StageSequence
from optimiser.turners import with_time_to_leave


class Rules(Table):
    """All of `rules.toml`; without a file, no rule."""

    profile: str | None = None
    cycle_s: CycleSeconds | None = None
    cycle_range_s: tuple[CycleSeconds, CycleSeconds] | None = None
    candidate_cycles_s: tuple[CycleSeconds, ...] = ()
    coordinated: bool = True
    formulation: Formulation = CYCLIC_OFFSETS
    derived_stages: bool = False
    turners_leave: bool = False
    priority: PriorityRules | None = None
    weights: Weights = Weights()
    junctions: dict[str, JunctionRules] = Field(default_factory=dict)
    lines: dict[str, LineRules] = Field(default_factory=dict)
    verdict: VerdictRules = VerdictRules()
    polish: PolishRules = PolishRules()

    @field_validator("priority", mode="before", json_schema_input_type=PriorityRules | bool | None)
    @classmethod
    def _yes_or_no(cls, stated: object) -> object:
        """`priority = true` is all limits as they stand, `false` none."""
        return {True: {}, False: None}[stated] if isinstance(stated, bool) else stated

    @model_validator(mode="after")
    def _one_word_on_the_cycle(self) -> Rules:
        check_range(self.cycle_range_s)
        named = [self.cycle_s is not None, self.cycle_range_s is not None, bool(self.candidate_cycles_s)]
        if sum(named) > 1:
            raise ValueError("give one of cycle_s, cycle_range_s and candidate_cycles_s")
        return self

    @property
    def cycles_s(self) -> tuple[float, ...]:
        """The cycles to choose from, ascending; empty where the rules name none."""
        return (self.cycle_s,) if self.cycle_s is not None else tuple(sorted(set(self.candidate_cycles_s)))

    def check(self, network: Network) -> None:
        """Raise RulesError where the rules name what is not in `network` (with the nearest name that is), lower a
        minimum green, or contradict the junction."""
        known = {junction.id: junction for junction in network.junctions}
        for name, rules in self.junctions.items():
            if name not in known:
                raise RulesError(f"rules: {_unknown('junction', name, known)}")
            _check_junction(known[name], rules)

    def check_lines(self, lines: Iterable[str]) -> None:
        """Raise RulesError where a bus line that has rules, or is to have priority, is not among `lines`, those of the
        demand; with the nearest that is."""
        served = sorted(set(lines))
        priority = self.priority.lines if self.priority is not None else ()
        for key, names in (("lines", tuple(self.lines)), ("priority.lines", priority)):
            for name in names:
                if name not in served:
                    said = _unknown("bus line", name, served) if served else f"no bus runs, so none of line {name!r}"
                    raise RulesError(f"rules: {key}: {said}")

    def apply(self, network: Network) -> Network:
        """The network with the rules put into its junctions: locks, limits, stage lengths, cycles, sequences. Raised
        minimum greens go into the running plan's groups too, so that plans made from it carry them.

        Raises RulesError as `check` does."""
        self.check(network)
        junctions = tuple(self._applied(j) for j in network.junctions)
        if self.derived_stages:
            junctions = tuple(with_derived_stages(junction) for junction in junctions)
        if self.turners_leave:
            junctions = tuple(with_time_to_leave(junction) for junction in junctions)
        return network.model_copy(update={"junctions": junctions})

    def forbidden_sequences(self, junction: str) -> frozenset[tuple[str, str]]:
        """Pairs of stages (from, to) that must not follow each other at a junction."""
        return frozenset(self._of(junction).forbidden_sequences)

    def group_weight(self, junction: str, group: str) -> float:
        """Weight of the vehicles or people of a group; 1 where the rules say nothing."""
        return _first(self._of(junction).groups.get(group, GroupRules()).weight, 1.0)

    def approach_weight(self, junction: str, approach: str) -> float:
        """Weight of the vehicles of an approach; 1 where the rules say nothing."""
        return _first(self._of(junction).approaches.get(approach, ApproachRules()).weight, 1.0)

    def line_weight(self, line: str) -> float:
        """Weight of the passengers of a bus line, beside that of all buses; 1 where the rules say nothing."""
        return _first(self.lines.get(line, LineRules()).weight, 1.0)

    def junction_regression_limits_s(self) -> dict[str, float]:
        """Allowed rise of mean delay by junction, for those with a limit of their own."""
        limits = {name: rules.regression_limit_s for name, rules in sorted(self.junctions.items())}
        return {name: limit_s for name, limit_s in limits.items() if limit_s is not None}

    def line_regression_limits_s(self) -> dict[str, float]:
        """Allowed rise of mean delay by bus line, for those with a limit of their own."""
        limits = {name: rules.regression_limit_s for name, rules in sorted(self.lines.items())}
        return {name: limit_s for name, limit_s in limits.items() if limit_s is not None}

    def priority_at(self, junction: str) -> PriorityRules | None:
        """Limits of bus priority at a junction; None where it is to have none."""
        return self.priority if self._of(junction).priority else None

    def _of(self, junction: str) -> JunctionRules:
        return self.junctions.get(junction, JunctionRules())

    def _applied(self, junction: Junction) -> Junction:
        rules = self._of(junction.id)
        least_s, most_s = self._cycle_bounds_s(junction, rules)
        reason = "locked by the rules" if rules.locked else ""
        groups = tuple(_with_min_green(group, rules) for group in junction.groups)
        return junction.model_copy(
            update={
                "locked": junction.locked or rules.locked,
                "locked_reason": junction.locked_reason if junction.locked else reason,
                "min_cycle_s": least_s,
                "max_cycle_s": most_s,
                "groups": groups,
                "running": junction.running.model_copy(
                    update={"groups": groups, "stages": tuple(_skippable(s, rules) for s in junction.running.stages)}
                ),
                "limits": _limits(junction, rules),
                "stages": tuple(_ruled_stage(junction, stage, rules) for stage in junction.stages),
                "sequences": _allowed(junction, rules),
            }
        )

    def _cycle_bounds_s(self, junction: Junction, rules: JunctionRules) -> tuple[float, float]:
        """A range replaces the junction's own; named cycles widen it."""
        stated = rules.cycle_range_s or self.cycle_range_s
        if stated is not None:
            return stated
        cycles_s = self.cycles_s
        return min((junction.min_cycle_s, *cycles_s)), max((junction.max_cycle_s, *cycles_s))


def load_rules(path: Path) -> Rules:
    """The rules in a TOML file. Raises RulesError with one sentence naming the file and the key at fault."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RulesError(
            f"{path}: cannot be read ({error.strerror or error}); give the path of a rules file"
        ) from error
    except UnicodeDecodeError as error:
        raise RulesError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{path}: not TOML: {error}") from error
    try:
        return Rules.model_validate(content)
    except ValidationError as error:
        raise RulesError(f"{path}: {_sentence(error.errors()[0])}") from error


def _sentence(error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "the file"
    if error["type"] == "extra_forbidden":
        return f"{key}: no such rule{_hint(str(error['loc'][-1]), _known_keys(error['loc']))}"
    said = error["msg"].removeprefix("Value error, ")
    given = error["input"]
    if isinstance(given, (str, int, float, bool)):
        said += f", not {given!r}"
    return f"{key}: {said[:1].lower()}{said[1:]}"


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    """Keys of the table that a misspelt key stands in."""
    tables: dict[str, type[Table]] = {"weights": Weights, "verdict": VerdictRules, "polish": PolishRules}
    tables["priority"] = PriorityRules
    if len(place) == 1:
        return sorted(Rules.model_fields)
    if place[0] == "junctions":
        inner: dict[str, type[Table]] = {"groups": GroupRules, "approaches": ApproachRules}
        table = inner.get(str(place[2]), JunctionRules) if len(place) > 3 else JunctionRules
        return sorted(table.model_fields)
    return sorted(tables.get(str(place[0]), LineRules).model_fields)


def _check_junction(junction: Junction, rules: JunctionRules) -> None:
    groups = {group.id: group for group in junction.groups}
    stages = [stage.id for stage in junction.stages]
    place = f"rules: junction {junction.id}: "
    named = rules.locked_stages + rules.skippable_stages
    for name in named + tuple(name for pair in rules.forbidden_sequences for name in pair):
        if name not in stages:
            raise RulesError(place + _unknown("stage", name, stages))
    approaches = [approach.id for approach in junction.approaches]
    for name in rules.approaches:
        if name not in approaches:
            raise RulesError(place + _unknown("approach", name, approaches))
    for name, group in rules.groups.items():
        if name not in groups:
            raise RulesError(place + _unknown("group", name, groups))
        least_s = groups[name].min_green_s
        if group.min_green_s is not None and group.min_green_s < least_s:
            raise RulesError(
                f"{place}min_green_s {group.min_green_s:g} of group {name} is under the {least_s:g} s "
                "the junction needs; rules may raise it only"
            )
        if group.max_green_s is not None and group.max_green_s < least_s:
            raise RulesError(
                f"{place}max_green_s {group.max_green_s:g} of group {name} is under its minimum of {least_s:g} s"
            )
    _allowed(junction, rules)


def _allowed(junction: Junction, rules: JunctionRules) -> tuple[StageSequence, ...]:
    """The stage sequences that hold no forbidden pair. Raises RulesError where none is left."""
    forbidden = set(rules.forbidden_sequences)
    kept = tuple(s for s in junction.sequences if not forbidden & set(pairwise((*s.stages, *s.stages[:1]))))
    if junction.sequences and not kept:
        pairs = ", ".join(f"{first} to {second}" for first, second in sorted(forbidden))
        raise RulesError(
            f"rules: junction {junction.id}: forbidding {pairs} leaves no order of stages; allow one of them"
        )
    return kept


def _with_min_green(group: SignalGroup, rules: JunctionRules) -> SignalGroup:
    stated_s = rules.groups.get(group.id, GroupRules()).min_green_s
    return group if stated_s is None else group.model_copy(update={"min_green_s": stated_s})


def _limits(junction: Junction, rules: JunctionRules) -> dict[str, GroupLimits]:
    """Limits of the groups: the group's own rule, else that of its approach, else that of the junction, else as they
    were. A group of several approaches takes the strictest of theirs."""
    limits = dict(junction.limits)
    for group in junction.groups:
        rule = rules.groups.get(group.id, GroupRules())
        approaches = {movement.approach for movement in junction.movements if movement.group == group.id}
        stated = [rules.approaches.get(approach, ApproachRules()).max_degree_of_saturation for approach in approaches]
        of_approaches = min((value for value in stated if value is not None), default=rules.max_degree_of_saturation)
        known = limits.get(group.id, GroupLimits())
        saturation = of_approaches if rule.max_degree_of_saturation is None else rule.max_degree_of_saturation
        if approaches or rule != GroupRules():
            limits[group.id] = GroupLimits(
                max_green_s=known.max_green_s if rule.max_green_s is None else rule.max_green_s,
                max_red_s=known.max_red_s if rule.max_red_s is None else rule.max_red_s,
                max_degree_of_saturation=known.max_degree_of_saturation if saturation is None else saturation,
            )
    return {group: limit for group, limit in limits.items() if limit != GroupLimits() or group in junction.limits}


def _ruled_stage(junction: Junction, stage: Stage, rules: JunctionRules) -> Stage:
    """A locked stage may be as short and as long as it runs now; a skippable one says so."""
    stage = _skippable(stage, rules)
    if stage.id not in rules.locked_stages:
        return stage
    running_s = [
        window.end_s - window.start_s + (junction.running.cycle_s if window.end_s < window.start_s else 0.0)
        for window in junction.running.windows
        if window.stage == stage.id
    ]
    if not running_s:
        raise RulesError(
            f"rules: junction {junction.id}: stage {stage.id} cannot be locked, the running plan has it not"
        )
    return stage.model_copy(update={"min_s": min(running_s), "max_s": max(running_s)})


def _skippable(stage: Stage, rules: JunctionRules) -> Stage:
    return stage.model_copy(update={"skippable": True}) if stage.id in rules.skippable_stages else stage


def _first(stated: float | None, otherwise: float) -> float:
    return otherwise if stated is None else stated


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    return f"there is no {what} {name!r}{_hint(name, known)}"


def _hint(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names, or some of them."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(names[:8])}{' and others' if len(names) > 8 else ''}" if names else ""
