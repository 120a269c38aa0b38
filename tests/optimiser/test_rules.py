"""The engineer's rules are read, checked against the network, and put into it; a mistake is named in one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junctions import arterial

from optimiser import rules as rules_module
from optimiser.coordination import optimise
from optimiser.day_plans import day_plans
from optimiser.demand import Demand, DemandProfile
from optimiser.errors import RulesError
from optimiser.explain import explain
from optimiser.rules import Rules, load_rules
from optimiser.safety import Rule, check_plan
from optimiser.signals import GroupLimits, Network, NetworkPlan, StageSequence
from optimiser.timeline import controller_plan


@pytest.fixture
def network() -> Network:
    return arterial(2)


def written(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return path


def read(text: str, folder: Path) -> Rules:
    return load_rules(written(folder, text))


def test_empty_file_changes_nothing_but_leaves_the_network_as_it_is(network: Network, tmp_path: Path) -> None:
    rules = read("", tmp_path)
    assert rules == Rules()
    assert rules.apply(network) == network
    assert rules.cycles_s == ()
    assert rules.coordinated


def test_a_byte_order_mark_before_the_rules_is_no_matter(tmp_path: Path) -> None:
    assert read("\ufeffcycle_s = 90", tmp_path).cycles_s == (90.0,)


def test_example_in_the_documentation_is_valid(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", rules_module.__doc__ or "", re.S)
    assert example is not None
    rules = read(example[1], tmp_path)
    assert rules.profile == "rilsa"
    assert rules.cycles_s == (90.0,)
    assert rules.group_weight("210", "G1") == 1.5
    assert rules.approach_weight("210", "edge_12") == rules.line_weight("12") == 2.0
    assert rules.junction_regression_limits_s() == {"210": 8.0}
    assert rules.line_regression_limits_s() == {"12": 5.0}
    assert rules.forbidden_sequences("210") == {("stage1", "stage3")}


def test_what_the_rules_do_not_name_weighs_one() -> None:
    rules = Rules()
    assert rules.group_weight("a", "b") == rules.approach_weight("a", "b") == rules.line_weight("c") == 1.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cycel_s = 90", "cycel_s: no such rule; did you mean 'cycle_s'?"),
        ("[junctions.a]\nlock = true", "junctions.a.lock: no such rule; did you mean 'locked'?"),
        ("[junctions.a.groups.b]\nmin_gren_s = 3", "junctions.a.groups.b.min_gren_s: no such rule; did you mean"),
        ("[junctions.a.approaches.b]\nwheight = 3", "did you mean 'weight'?"),
        ("[lines.a]\nwheight = 3", "lines.a.wheight: no such rule; did you mean 'weight'?"),
        ("[polish]\nrun = 3", "polish.run: no such rule; did you mean 'runs'?"),
        ('cycle_s = "long"', "cycle_s: input should be a valid number, unable to parse string as a number, not 'long'"),
        ("cycle_s = 5", "cycle_s: input should be greater than or equal to 20, not 5"),
        ("cycle_s = nan", "cycle_s: "),
        ("cycle_range_s = [90, 60]", "cycle_range_s starts at 90 and ends at 60"),
        ("cycle_s = 90\ncandidate_cycles_s = [60]", "give one of cycle_s, cycle_range_s and candidate_cycles_s"),
        ("[junctions.a.groups.b]\nmin_green_s = 30\nmax_green_s = 20", "min_green_s 30 is over max_green_s 20"),
        ("[weights]\nbus = -1", "weights.bus: input should be greater than or equal to 0, not -1"),
        ("cycle_s = ", "not TOML"),
    ],
)
def test_mistake_in_the_file_is_one_sentence_with_file_and_key(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RulesError) as caught:
        read(text, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'rules.toml'}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"none\.toml: cannot be read \(No such file"):
        load_rules(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"cycle_s = \xff")
    with pytest.raises(RulesError, match=r"binary\.toml: not UTF-8 text"):
        load_rules(tmp_path / "binary.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[junctions.te1]\nlocked = true", "there is no junction 'te1'; did you mean 'tee1'?"),
        ("[junctions.tee1.groups.wset]", "junction tee1: there is no group 'wset'; did you mean 'west'?"),
        ("[junctions.tee1.approaches.soth]", "there is no approach 'soth'; did you mean 'south'?"),
        ('[junctions.tee1]\nlocked_stages = ["stage9"]', "there is no stage 'stage9'; did you mean 'stage"),
        ('[junctions.tee1]\nskippable_stages = ["stage9"]', "there is no stage 'stage9'; did you mean 'stage"),
        (
            '[junctions.tee1]\nforbidden_sequences = [["stage1", "x"]]',
            "there is no stage 'x'; there are stage1, stage2",
        ),
        ("[junctions.tee1.groups.west]\nmin_green_s = 2", "min_green_s 2 of group west is under the 5 s"),
        ("[junctions.tee1.groups.west]\nmax_green_s = 2", "max_green_s 2 of group west is under its minimum of 5 s"),
        ('[junctions.tee1]\nforbidden_sequences = [["stage1", "stage2"]]', "leaves no order of stages"),
    ],
)
def test_what_the_network_does_not_have_or_cannot_do_is_named(
    text: str, said: str, network: Network, tmp_path: Path
) -> None:
    with pytest.raises(RulesError) as caught:
        read(text, tmp_path).check(network)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "lines", "said"),
    [
        ("[lines.L11]", ("L1", "L2"), "rules: lines: there is no bus line 'L11'; did you mean 'L1'?"),
        (
            '[priority]\nlines = ["L11"]',
            ("L1", "L2"),
            "rules: priority.lines: there is no bus line 'L11'; did you mean",
        ),
        ("[lines.L11]", (), "rules: lines: no bus runs, so none of line 'L11'"),
    ],
)
def test_a_bus_line_that_does_not_run_is_named(
    text: str, lines: tuple[str, ...], said: str, network: Network, tmp_path: Path
) -> None:
    rules = read(text, tmp_path)
    rules.check(network)
    with pytest.raises(RulesError) as caught:
        rules.check_lines(lines)
    assert said in str(caught.value)


def test_no_plan_is_made_with_rules_for_a_bus_line_that_does_not_run(network: Network, tmp_path: Path) -> None:
    rules, demand = read("[lines.L11]\nweight = 2", tmp_path), Demand(begin_s=0, end_s=3600, turning_flows=())
    with pytest.raises(RulesError, match="L11"):
        optimise(network, demand, rules)
    with pytest.raises(RulesError, match="L11"):
        day_plans(network, {"monday": DemandProfile(day="monday", intervals=(demand,))}, rules)
    with pytest.raises(RulesError, match="L11"):
        explain(network, demand, NetworkPlan(network_hash=network.network_hash, profile="", controllers=()), rules)


def test_locked_junction_and_stages_keep_what_runs(network: Network, tmp_path: Path) -> None:
    text = '[junctions.tee1]\nlocked = true\n[junctions.tee2]\nlocked_stages = ["stage2"]'
    applied = read(text, tmp_path).apply(network)
    assert (applied.junction("tee1").locked, applied.junction("tee1").locked_reason) == (True, "locked by the rules")
    assert not applied.junction("tee2").locked
    window = next(w for w in network.junction("tee2").running.windows if w.stage == "stage2")
    stage = next(s for s in applied.junction("tee2").stages if s.id == "stage2")
    assert stage.min_s == stage.max_s == window.end_s - window.start_s


def test_limit_of_a_group_goes_before_that_of_its_approach_and_junction(network: Network, tmp_path: Path) -> None:
    text = """
    [junctions.tee1]
    max_degree_of_saturation = 0.95
    [junctions.tee1.approaches.east]
    max_degree_of_saturation = 0.9
    [junctions.tee1.groups.east_left]
    max_degree_of_saturation = 0.8
    max_green_s = 40
    max_red_s = 80
    """
    limits = read(text, tmp_path).apply(network).junction("tee1").limits
    assert limits["west"] == GroupLimits(max_degree_of_saturation=0.95)
    assert limits["east"] == GroupLimits(max_degree_of_saturation=0.9)
    assert limits["east_left"] == GroupLimits(max_green_s=40, max_red_s=80, max_degree_of_saturation=0.8)
    assert "south_walk" not in limits


def test_limits_that_the_junction_has_stay_where_the_rules_are_silent(network: Network, tmp_path: Path) -> None:
    limited = network.junctions[0].model_copy(update={"limits": {"west": GroupLimits(max_green_s=50, max_red_s=100)}})
    wider = network.model_copy(update={"junctions": (limited, *network.junctions[1:])})
    applied = read("[junctions.tee1.groups.west]\nmax_red_s = 90", tmp_path).apply(wider)
    assert applied.junction("tee1").limits["west"] == GroupLimits(max_green_s=50, max_red_s=90)


@given(st.floats(5, 30))
def test_plan_made_under_a_raised_minimum_green_carries_and_must_keep_it(least_s: float) -> None:
    network = arterial(1)
    rules = Rules.model_validate({"junctions": {"tee1": {"groups": {"south": {"min_green_s": least_s}}}}})
    junction = rules.apply(network).junction("tee1")
    durations_s = tuple(w.end_s - w.start_s for w in network.junction("tee1").running.windows)
    plan = controller_plan(junction, junction.sequences[0], durations_s, 0.0)
    green = plan.greens["south"][0]
    too_short = [f for f in check_plan(plan) if f.rule is Rule.MIN_GREEN and f.groups == ("south",)]
    assert bool(too_short) == (green.end_s - green.start_s < least_s - 0.001)


def test_cycle_range_replaces_and_named_cycles_widen_the_bounds_of_a_junction(network: Network, tmp_path: Path) -> None:
    ranged = read("cycle_range_s = [60, 80]\n[junctions.tee2]\ncycle_range_s = [40, 50]", tmp_path).apply(network)
    assert (ranged.junction("tee1").min_cycle_s, ranged.junction("tee1").max_cycle_s) == (60, 80)
    assert (ranged.junction("tee2").min_cycle_s, ranged.junction("tee2").max_cycle_s) == (40, 50)
    named = read("candidate_cycles_s = [160, 70, 70]", tmp_path)
    assert named.cycles_s == (70, 160)
    assert named.apply(network).junction("tee1").max_cycle_s == 160


def test_forbidden_sequence_leaves_the_other_orders(network: Network, tmp_path: Path) -> None:
    junction = network.junction("tee1")
    running = junction.sequences[0]
    other = StageSequence(id="other", stages=("stage1", "stage3", "stage2", "stage4"), interstages=running.interstages)
    choice = junction.model_copy(update={"sequences": (running, other)})
    wider = network.model_copy(update={"junctions": (choice, *network.junctions[1:])})
    rules = read('[junctions.tee1]\nforbidden_sequences = [["stage1", "stage2"], ["stage3", "stage1"]]', tmp_path)
    assert [sequence.id for sequence in rules.apply(wider).junction("tee1").sequences] == ["other"]
    over_the_end = read('[junctions.tee1]\nforbidden_sequences = [["stage4", "stage1"]]', tmp_path)
    with pytest.raises(RulesError, match="leaves no order of stages"):
        over_the_end.check(wider)
