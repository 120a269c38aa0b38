"""A plan is accepted only where it is safe and surely grid_plan, and a verdict is the same for the same input."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from optimiser.safety import Finding, Rule
from sumo_networks.approaches import ApproachKey, read_approaches
from sumo_networks.compare import RegressionLimits, compare, compare_collisions, compare_places
from sumo_networks.errors import PlanMismatchError, ScenarioError
from sumo_networks.measure import Collision, DelayAt, Measures, RunMeasures
from sumo_networks.scenario import Scenario
from sumo_networks.simulate import Run
from sumo_networks.verdict import Side, Verdict
from sumo_networks.verify import Check, check_plan_fits, verify


def _verify(
    scenario: Scenario, plan: Path, folder: Path, *, seeds: Sequence[int] = (1, 2, 3), check: Check | None = None
) -> Verdict:
    return verify(
        scenario,
        plan,
        plan_id="plan",
        network_hash="net",
        seeds=seeds,
        folder=folder,
        check=check,
        workers=2,
        robustness=(),
        cleared=False,
    )


def _finding(rule: Rule, measured: float | None, required: float | None) -> Finding:
    return Finding("A", rule, ("1", "2"), 12.0, measured, required, "Junction A breaks a rule.")


@pytest.fixture(scope="module")
def verdict(grid_scenario: Scenario, grid_plan: Path, tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    told: list[tuple[int, int]] = []
    folder = tmp_path_factory.mktemp("verdict")
    found = verify(
        grid_scenario,
        grid_plan,
        plan_id="plan",
        network_hash="net",
        seeds=[1, 2, 3],
        folder=folder,
        workers=2,
        progress=lambda done, total: told.append((done, total)),
        repaired=grid_plan,
        extra_seeds=[1, 2],
    )
    assert told == [(done, 21) for done in range(1, 22)]
    kept = ["cleared_demand", "cleared_timetable", "demand_0.9_timetable", "demand_0.9_types"]
    kept += ["demand_1.1_timetable", "demand_1.1_types", "demand_1_timetable"]
    assert sorted(path.name for path in folder.iterdir()) == kept
    return found


def test_a_plan_that_surely_gains_is_accepted(verdict: Verdict) -> None:
    assert verdict.accepted, verdict.reasons
    assert verdict.reasons[0].startswith("A sure gain: person delay changes by -")
    assert verdict.difference.person_delay_s is not None
    assert verdict.difference.person_delay_s.high is not None
    assert verdict.difference.person_delay_s.high < 0
    assert verdict.relative.person_delay_s is not None
    before, after = verdict.baseline.person_delay_s, verdict.candidate.person_delay_s
    assert before is not None and after is not None
    assert verdict.difference.person_delay_s.mean == pytest.approx(after - before)
    assert verdict.relative.person_delay_s.mean == pytest.approx((after - before) / before)


def test_the_verdict_tells_places_other_demand_and_the_run_on(verdict: Verdict) -> None:
    assert [place.name for place in verdict.junctions] == ["A", "B"]
    assert all(place.tested and not place.worse for place in verdict.junctions)
    assert {place.name for place in verdict.lines} == {"7", "express", "with_stops"}
    assert not next(place for place in verdict.lines if place.name == "express").tested
    assert [other.scale for other in verdict.robustness] == [0.9, 1.1]
    assert [other.seeds for other in verdict.robustness] == [(1, 2), (1, 2)]
    assert verdict.cleared is not None
    assert verdict.cleared.baseline.not_inserted_veh == 0
    left, left_later = verdict.baseline.throughput_veh, verdict.cleared.baseline.throughput_veh
    assert left is not None and left_later is not None and left_later > left
    assert {delay.junction for delay in verdict.approaches} == {"A", "B"}
    assert verdict.queues
    assert "Seeds vary how drivers behave" in verdict.notes[0]


def test_the_gain_is_told_against_the_repaired_program_too(verdict: Verdict) -> None:
    assert verdict.repaired is not None
    assert verdict.repaired.difference.person_delay_s is not None
    assert verdict.repaired.difference.person_delay_s.mean == 0
    assert not verdict.repaired.accepted
    assert verdict.accepted


def test_verdict_json_is_the_same_for_the_same_input_and_names_no_path(
    grid_scenario: Scenario, grid_plan: Path, tmp_path: Path
) -> None:
    one = verify(
        grid_scenario,
        grid_plan,
        plan_id="plan",
        network_hash="net",
        seeds=[1, 2],
        folder=tmp_path / "a",
        workers=1,
        cleared=False,
        robustness=(),
    )
    two = _verify(grid_scenario, grid_plan, tmp_path / "b", seeds=[1, 2])
    assert one.to_json() == two.to_json()
    assert str(tmp_path) not in one.to_json() and str(grid_scenario.folder) not in one.to_json()
    content = json.loads(one.to_json())
    assert {"mean", "low", "high"} == content["difference"]["person_delay_s"].keys()
    assert content["relative"]["collisions"] is None
    assert content["seeds"] == [1, 2]


def test_the_shipped_program_itself_is_no_gain(
    grid_scenario: Scenario, write_plan: Callable[[Path, float, float], Path], tmp_path: Path
) -> None:
    same = write_plan(tmp_path / "same.add.xml", 1, 1)
    found = _verify(grid_scenario, same, tmp_path, seeds=[1, 2])
    assert not found.accepted
    assert found.reasons[0].startswith("No sure gain")


def test_a_worse_plan_is_refused_with_the_junctions_it_harms(
    grid_scenario: Scenario, write_plan: Callable[[Path, float, float], Path], tmp_path: Path
) -> None:
    worse = write_plan(tmp_path / "worse.add.xml", 0.4, 1.5)
    found = _verify(grid_scenario, worse, tmp_path)
    assert not found.accepted
    assert found.reasons[0].startswith("A sure loss")
    assert any(reason.startswith("Junction ") and "surely gets worse" in reason for reason in found.reasons)


def test_one_seed_is_not_enough(grid_scenario: Scenario, grid_plan: Path, tmp_path: Path) -> None:
    found = _verify(grid_scenario, grid_plan, tmp_path, seeds=[1])
    assert not found.accepted
    assert found.reasons == ("One seed gives no interval: verify on at least two seeds.",)
    assert found.difference.person_delay_s is not None
    assert found.difference.person_delay_s.low is None
    with pytest.raises(ScenarioError, match="no seeds"):
        _verify(grid_scenario, grid_plan, tmp_path, seeds=[])


@pytest.mark.parametrize(
    ("shipped", "new", "accepted"),
    [
        (None, None, True),
        (None, _finding(Rule.INTERGREEN, 2.0, 4.0), False),
        (_finding(Rule.INTERGREEN, 2.0, 4.0), _finding(Rule.INTERGREEN, 2.0, 4.0), True),
        (_finding(Rule.INTERGREEN, 3.0, 4.0), _finding(Rule.INTERGREEN, 2.0, 4.0), False),
        (_finding(Rule.MIN_GREEN, 3.0, 5.0), _finding(Rule.INTERGREEN, 3.0, 4.0), False),
        (_finding(Rule.CONFLICTING_GREENS, 10.0, 0.0), _finding(Rule.CONFLICTING_GREENS, 20.0, 0.0), True),
        (_finding(Rule.INTERGREEN, 2.0, 4.0), None, True),
    ],
)
def test_findings_count_only_where_the_shipped_program_has_none_like_it(
    grid_scenario: Scenario,
    grid_plan: Path,
    tmp_path: Path,
    shipped: Finding | None,
    new: Finding | None,
    accepted: bool,
) -> None:
    def check(side: Side, run: Run) -> tuple[Finding, ...]:
        assert run.tls_states is not None and run.tls_states.is_file()
        found = shipped if side is Side.BASELINE else new
        return (found, found) if found is not None else ()

    found = _verify(grid_scenario, grid_plan, tmp_path, check=check)
    assert found.accepted is accepted
    assert len(found.findings) == sum(finding is not None for finding in (shipped, new))
    if not accepted:
        assert found.reasons[0].startswith("Unsafe: a safety finding that the shipped program does not have")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('<routes><vType id="car"/></routes>', "no tlLogic in it"),
        ('<additional><tlLogic id="Z"><phase state="G" duration="9"/></tlLogic></additional>', "controller 'Z' is not"),
        ('<additional><tlLogic id="A"><phase state="G" duration="9"/></tlLogic></additional>', "has 1 signals and"),
    ],
)
def test_a_plan_for_another_network_is_refused(grid_scenario: Scenario, tmp_path: Path, text: str, told: str) -> None:
    plan = tmp_path / "plan.add.xml"
    plan.write_text(text)
    with pytest.raises(PlanMismatchError) as caught:
        _verify(grid_scenario, plan, tmp_path / "runs")
    assert told in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_plan_that_keeps_all_programs_is_no_gain(grid_scenario: Scenario, tmp_path: Path) -> None:
    plan = tmp_path / "empty.add.xml"
    plan.write_text("<additional/>")
    found = _verify(grid_scenario, plan, tmp_path, seeds=[1, 2])
    assert found.reasons[0].startswith("No sure gain")


def test_a_truncated_plan_is_refused(grid_scenario: Scenario, grid_plan: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.add.xml"
    plan.write_text(grid_plan.read_text()[:-40])
    with pytest.raises(ScenarioError, match=r"plan\.add\.xml: not a whole XML file"):
        _verify(grid_scenario, plan, tmp_path)


def _run(seed: int, delay_s: float, junction_s: float = 20.0, line_s: float = 20.0, buses: int = 12) -> RunMeasures:
    return RunMeasures(
        seed,
        Measures(delay_s, delay_s, None, None, 1.0, 200.0, 100, 0, 0, 0, 0),
        {"J": DelayAt(junction_s * 100, 100)},
        {ApproachKey("J", "e"): DelayAt(junction_s * 100, 100)},
        {"7": DelayAt(line_s * buses, buses)},
        (),
    )


def test_a_line_is_tested_on_its_buses_over_all_seeds() -> None:
    before = [_run(seed, 50.0, line_s=20.0 + 0.1 * seed) for seed in range(3)]
    after = [_run(seed, 40.0, line_s=40.0 - 0.1 * seed) for seed in range(3)]
    _, (line,) = compare_places(before, after, RegressionLimits())
    assert (line.vehicles, line.tested, line.worse) == (36, True, True)
    _, (line,) = compare_places(before, after, RegressionLimits(least_vehicles=40))
    assert (line.tested, line.worse) == (False, False)


def test_the_engineer_s_limit_may_allow_more_but_never_less_than_five_seconds() -> None:
    before = [_run(seed, 50.0, junction_s=20.0 + 0.1 * seed) for seed in range(3)]
    ten_worse = [_run(seed, 40.0, junction_s=30.0) for seed in range(3)]
    four_worse = [_run(seed, 40.0, junction_s=24.0) for seed in range(3)]
    (junction,), _ = compare_places(before, ten_worse, RegressionLimits())
    assert junction.worse
    (junction,), _ = compare_places(before, ten_worse, RegressionLimits(junctions={"J": 15.0}))
    assert not junction.worse
    (junction,), _ = compare_places(before, four_worse, RegressionLimits(junctions={"J": 1.0}))
    assert (junction.limit_s, junction.worse) == (5.0, False)


def test_sides_must_share_their_seeds() -> None:
    with pytest.raises(ValueError, match="same seeds"):
        compare([_run(1, 50.0)], [_run(2, 40.0)])


def test_a_plan_fits_the_net_it_was_made_for(grid_scenario: Scenario, grid_plan: Path) -> None:
    check_plan_fits(grid_plan, read_approaches(grid_scenario.net))


def _with_collisions(in_all: int, at_signals: int) -> RunMeasures:
    figures = Measures(30.0, 30.0, None, None, None, None, 0, 0, 0, in_all, 0)
    return RunMeasures(1, figures, {}, {}, {}, (), (Collision("A", "middle_A_0", 17.0),) * at_signals)


def test_one_more_collision_at_signals_speaks_against_a_plan_and_one_elsewhere_is_told() -> None:
    none, elsewhere, at_signals = _with_collisions(0, 0), _with_collisions(1, 0), _with_collisions(1, 1)
    assert compare_collisions([none, none], [none, none]) == ((), ())
    assert compare_collisions([none, none], [none, elsewhere]) == (
        (),
        ("Away from signals 1 collision in 2 runs instead of 0.",),
    )
    against, told = compare_collisions([none, elsewhere], [none, at_signals])
    assert against == (
        "1 collision at signals in 2 runs instead of 0: junction A, lane middle_A_0 at 17 s with seed 1.",
    )
    assert told == ()
    assert compare_collisions([at_signals], [at_signals]) == ((), ())
