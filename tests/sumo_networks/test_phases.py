"""Stages and interstages of any program bring back that program's greens, whatever it shows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optimiser.signals import ControllerPlan, Junction, Offset, Right, SignalGroup
from optimiser.timeline import Timeline, expand
from sumo_networks.net_file import ProgramPhase
from sumo_networks.phases import RIGHTS, StagedProgram, staged_program

GROUPS = {"a": (0,), "b": (1,), "c": (2,)}
PHASES = st.lists(
    st.builds(
        ProgramPhase,
        st.integers(1, 20).map(float),
        st.text(alphabet="GgsyrGr", min_size=len(GROUPS), max_size=len(GROUPS)),
    ),
    min_size=1,
    max_size=9,
)


def expanded(staged: StagedProgram) -> Timeline:
    junction = Junction(
        id="j",
        groups=tuple(SignalGroup(id=group, amber_s=staged.amber_s.get(group, 3.0)) for group in GROUPS),
        conflicts=(),
        intergreens=(),
        stages=staged.stages,
        sequences=(staged.sequence,),
        approaches=(),
        lanes=(),
        movements=(),
        running=ControllerPlan(junction="j", network_hash="", cycle_s=1.0, offset=Offset(), groups=(), greens={}),
    )
    return expand(junction, staged.sequence, staged.durations_s)


def second_by_second(phases: list[ProgramPhase]) -> list[str]:
    return [phase.state for phase in phases for _ in range(int(phase.duration_s))]


def right_at(timeline: Timeline, group: str, second: int) -> Right | None:
    found = []
    for green in timeline.greens[group]:
        length_s = (green.end_s - green.start_s) % timeline.cycle_s or timeline.cycle_s
        if (second - green.start_s) % timeline.cycle_s < length_s:
            found.append(green.right)
    assert len(found) <= 1
    return found[0] if found else None


@given(PHASES)
def test_any_program_comes_back_from_its_stages(phases: list[ProgramPhase]) -> None:
    staged = staged_program(phases, GROUPS)
    timeline = expanded(staged)
    states = second_by_second(phases)
    assert timeline.cycle_s == len(states)
    for second in range(len(states)):
        state = states[(int(staged.start_s) + second) % len(states)]
        for group, (link,) in GROUPS.items():
            assert right_at(timeline, group, second) == RIGHTS.get(state[link])


@given(PHASES)
def test_every_end_of_green_keeps_its_amber(phases: list[ProgramPhase]) -> None:
    staged = staged_program(phases, GROUPS)
    timeline = expanded(staged)
    states = second_by_second(phases)
    cycle_s = len(states)
    for group, (link,) in GROUPS.items():
        for green in timeline.greens[group]:
            end = int(staged.start_s + green.end_s)
            if states[(end - 1) % cycle_s][link] not in RIGHTS or states[end % cycle_s][link] in RIGHTS:
                continue
            amber_s = 0
            while amber_s < cycle_s and states[(end + amber_s) % cycle_s][link] == "y":
                amber_s += 1
            assert (staged.amber_s[group] if green.amber_s is None else green.amber_s) == amber_s


@given(PHASES)
def test_a_stage_shows_green_and_no_amber_and_neighbours_differ(phases: list[ProgramPhase]) -> None:
    staged = staged_program(phases, GROUPS)
    states = second_by_second(phases)
    assert len(staged.stages) == len(staged.durations_s) == len(staged.sequence.interstages)
    if len(staged.stages) < 2:
        return
    timeline = expanded(staged)
    for stage, window in zip(staged.stages, timeline.windows, strict=True):
        assert stage.greens
        shown = {
            states[(int(staged.start_s + window.start_s) + k) % len(states)]
            for k in range(int(window.end_s - window.start_s))
        }
        assert len(shown) == 1
        assert "y" not in shown.pop()


def test_a_program_split_into_equal_phases_is_the_same_program() -> None:
    whole = [ProgramPhase(20.0, "Grr"), ProgramPhase(3.0, "yrr"), ProgramPhase(10.0, "rGG"), ProgramPhase(3.0, "ryy")]
    split = [
        ProgramPhase(8.0, "Grr"),
        ProgramPhase(3.0, "yrr"),
        ProgramPhase(4.0, "rGG"),
        ProgramPhase(6.0, "rGG"),
        ProgramPhase(3.0, "ryy"),
        ProgramPhase(12.0, "Grr"),
    ]
    one, other = staged_program(whole, GROUPS), staged_program(split, GROUPS)
    assert (one.stages, one.sequence, one.durations_s) == (other.stages, other.sequence, other.durations_s)
    assert other.start_s == 24.0


def test_a_green_and_a_blip_within_an_interstage_are_listed() -> None:
    phases = [
        ProgramPhase(20.0, "Grr"),
        ProgramPhase(2.0, "yGr"),
        ProgramPhase(3.0, "ryr"),
        ProgramPhase(10.0, "rrG"),
        ProgramPhase(3.0, "rry"),
    ]
    staged = staged_program(phases, GROUPS)
    first = staged.sequence.interstages[0]
    assert [(g.start_s, g.end_s, g.right) for g in first.greens["b"]] == [(0.0, 2.0, Right.PROTECTED)]
    assert first.off_s == {"a": 0.0}
    assert first.on_s == {"c": 5.0}


def test_a_group_has_the_amber_of_its_greens_however_often_a_turn_on_red_ends_without_one() -> None:
    shown = [("Grr", 20), ("yrr", 3), ("sGr", 20), ("ryr", 3), ("srG", 20), ("rry", 3)]
    staged = staged_program([ProgramPhase(float(seconds), state) for state, seconds in shown], GROUPS)
    assert staged.amber_s["a"] == 3.0
    turns = [green for green in expanded(staged).greens["a"] if green.right is Right.STOP_FIRST]
    assert [green.amber_s for green in turns] == [0.0, 0.0]


def test_a_group_has_the_red_amber_of_its_greens_however_often_a_turn_on_red_starts_without_one() -> None:
    shown = [("Grr", 20), ("yrr", 3), ("sGr", 20), ("ryr", 3), ("srG", 20), ("rry", 3), ("urr", 2)]
    staged = staged_program([ProgramPhase(float(seconds), state) for state, seconds in shown], GROUPS)
    assert staged.red_amber_s["a"] == 2.0
