"""The checker answers on whatever the schema lets through, however little sense it makes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optimiser.safety import check_plan
from optimiser.signals import (
    Conflict,
    ControllerPlan,
    GreenInterval,
    GroupKind,
    GroupLimits,
    Intergreen,
    Interstage,
    Offset,
    Pedestrians,
    Right,
    SignalGroup,
    Stage,
    StageWindow,
)

NAMES = st.sampled_from(["a", "b", "c", ""])
NUMBERS = st.one_of(st.floats(0, 120), st.integers(0, 100).map(float))
WILD = st.one_of(NUMBERS, NUMBERS, NUMBERS, st.floats())
RIGHTS = st.dictionaries(NAMES, st.sampled_from(Right), max_size=3)
TIMES = st.dictionaries(NAMES, NUMBERS, max_size=2)


def rows(row: st.SearchStrategy[object], most: int = 3) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(row, max_size=most).map(tuple)


INTERVALS = rows(
    st.builds(GreenInterval, start_s=NUMBERS, end_s=NUMBERS, right=st.sampled_from(Right), amber_s=st.none() | NUMBERS)
)
GROUPS = st.builds(
    SignalGroup, id=NAMES, kind=st.sampled_from(GroupKind), amber_s=NUMBERS, min_green_s=NUMBERS, unused=st.booleans()
)
PLANS = st.builds(
    ControllerPlan,
    junction=NAMES,
    network_hash=NAMES,
    cycle_s=WILD,
    max_cycle_s=NUMBERS,
    offset=st.builds(Offset, seconds=NUMBERS, reference_group=NAMES, epoch=NAMES),
    groups=rows(GROUPS, 4),
    greens=st.dictionaries(NAMES, INTERVALS),
    stages=rows(st.builds(Stage, id=NAMES, greens=RIGHTS, min_s=NUMBERS, max_s=st.none() | NUMBERS)),
    windows=rows(st.builds(StageWindow, stage=NAMES, start_s=NUMBERS, end_s=NUMBERS)),
    interstages=rows(
        st.builds(
            Interstage,
            from_stage=NAMES,
            to_stage=NAMES,
            duration_s=NUMBERS,
            off_s=TIMES,
            on_s=TIMES,
            amber_s=TIMES,
            greens=st.dictionaries(NAMES, INTERVALS, max_size=1),
        )
    ),
    conflicts=rows(st.builds(Conflict, first=NAMES, second=NAMES, yields=NAMES)),
    intergreens=rows(st.builds(Intergreen, clearing=NAMES, entering=NAMES, seconds=WILD)),
    pedestrians=rows(st.builds(Pedestrians, group=NAMES, walk_s=NUMBERS, clearance_s=NUMBERS, max_wait_s=NUMBERS)),
    limits=st.dictionaries(NAMES, st.builds(GroupLimits, max_green_s=st.none() | NUMBERS, max_red_s=NUMBERS)),
)


@given(PLANS)
def test_checker_answers_on_any_plan_the_schema_lets_through(plan: ControllerPlan) -> None:
    found = check_plan(plan)
    assert all(finding.junction == plan.junction and finding.message for finding in found)
