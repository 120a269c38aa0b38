"""The families of the formulation one by one: what each equation says on cases known in closed form."""

from __future__ import annotations

import math

import pyomo.environ as pyo
import pytest
from hypothesis import given
from hypothesis import strategies as st
from junctions import JUNCTIONS, arterial, eight_stages, four_arm, tee
from test_webster import crossing, demand_of

from optimiser.evaluation import evaluate
from optimiser.formulation.case import JunctionCase
from optimiser.formulation.junction import add_junction
from optimiser.formulation.limits import broken_by_structure, requirements
from optimiser.formulation.offsets import coordinable, platoon_wait_s, spanning_tree
from optimiser.formulation.platoons import Platoon, coherence, platoons
from optimiser.formulation.queues import gap_capacity_veh_h, overflow_queue_veh, overflow_tangents
from optimiser.lane_flows import junction_demand, nominal_lane_flows
from optimiser.rules import Rules
from optimiser.safety import check_plan
from optimiser.sequences import interstage, stage_orders
from optimiser.settings import ModelSettings
from optimiser.signals import (
    Conflict,
    Intergreen,
    Junction,
    Modes,
    Network,
    NetworkPlan,
    Right,
    SignalGroup,
    Stage,
    StageSequence,
)
from optimiser.solve import SolveOptions, solve
from optimiser.stage_forms import plan_form, sequence_form
from optimiser.timeline import controller_plan, expand
from optimiser.turners import SATURATION_HEADWAY_S, with_time_to_leave

SETTINGS = ModelSettings(reserve_weight=0.0)


@pytest.mark.parametrize("name", sorted(JUNCTIONS))
@given(data=st.data())
def test_affine_greens_are_those_of_the_timeline(name: str, data: st.DataObject) -> None:
    junction = JUNCTIONS[name]()
    sequence = junction.sequences[0]
    durations = tuple(data.draw(st.integers(1, 60)) for _ in sequence.stages)
    form = sequence_form(junction, sequence)
    timeline = expand(junction, sequence, durations)
    assert form.cycle.at(durations) == pytest.approx(timeline.cycle_s)
    for group in junction.groups:
        green_s = sum((i.end_s - i.start_s) % timeline.cycle_s or timeline.cycle_s for i in timeline.greens[group.id])
        assert sum(g.length.at(durations) for g in form.greens(group.id)) == pytest.approx(green_s)


@pytest.mark.parametrize("name", sorted(JUNCTIONS))
@given(data=st.data())
def test_durations_that_keep_the_requirements_are_safe_and_others_are_not(name: str, data: st.DataObject) -> None:
    junction = JUNCTIONS[name]()
    form = sequence_form(junction, junction.sequences[0])
    durations = tuple(float(data.draw(st.integers(1, 40))) for _ in form.min_s)
    plan = controller_plan(junction, junction.sequences[0], durations, 0.0)
    kept = all(r.kept_by(r.expression.at(durations)) for r in requirements(junction, form))
    assert kept == (check_plan(plan.model_copy(update={"max_cycle_s": 500.0})) == ())


@pytest.mark.parametrize("name", sorted(JUNCTIONS))
def test_generated_orders_that_structure_allows_make_safe_plans(name: str) -> None:
    junction = JUNCTIONS[name]()
    for sequence in stage_orders(junction, most=12):
        form = sequence_form(junction, sequence)
        if broken_by_structure(junction, form):
            continue
        plan = controller_plan(junction, sequence, (30.0,) * len(sequence.stages), 0.0)
        assert check_plan(plan.model_copy(update={"max_cycle_s": 500.0})) == ()


def test_of_eight_stages_four_may_do_where_they_serve_every_group() -> None:
    junction = eight_stages()
    orders = {sequence.stages for sequence in stage_orders(junction, most=500)}
    assert ("stage1", "stage2", "stage5", "stage6") in orders
    groups = {group for stage in junction.stages for group in stage.greens}
    stages = {stage.id: stage for stage in junction.stages}
    assert all(set().union(*(stages[name].greens for name in order)) == groups for order in orders)


def test_forbidden_and_kept_stages_bind_generated_orders() -> None:
    junction = tee()
    orders = [s.stages for s in stage_orders(junction, frozenset({("stage1", "stage3")}), ("stage2",))]
    assert orders
    assert all("stage2" in order for order in orders)
    assert all(("stage1", "stage3") not in zip(order, (*order[1:], order[0]), strict=True) for order in orders)


def test_an_interstage_is_as_long_as_the_longest_intergreen_it_holds() -> None:
    junction = tee()
    stages = {stage.id: stage for stage in junction.stages}
    change = interstage(junction, stages["stage3"], stages["stage4"])
    needed = {(i.clearing, i.entering): i.seconds for i in junction.intergreens}
    assert change.duration_s == max(
        needed.get((c, e), 0.0) for c in stages["stage3"].greens for e in stages["stage4"].greens
    )


def test_a_green_that_ends_in_a_turn_on_red_has_its_amber_and_no_change_is_unsafe() -> None:
    junction = turn_on_red()
    stages = {stage.id: stage for stage in junction.stages}
    change = interstage(junction, stages["along"], stages["across"])
    assert change.on_s["right"] == change.off_s["right"] + 3.0
    back = interstage(junction, stages["across"], stages["along"])
    assert back.on_s["right"] >= 5.0
    for sequence in (*junction.sequences, *stage_orders(junction)):
        plan = controller_plan(junction, sequence, (20.0,) * len(sequence.stages), 0.0)
        assert check_plan(plan) == ()


def test_no_order_leaves_a_group_that_has_a_green_to_its_turn_on_red_alone() -> None:
    junction = turn_on_red()
    own = Stage(id="own", greens={"side": Right.PROTECTED})
    stages = tuple(s.model_copy(update={"greens": {**s.greens, "side": Right.STOP_FIRST}}) for s in junction.stages)
    order = ("along", "turning", "own")
    running = junction.sequences[0].model_copy(update={"stages": order})
    bare = junction.model_copy(update={"stages": (*stages, own), "sequences": (running,)})
    orders = [sequence.stages for sequence in stage_orders(bare)]
    assert orders and all("own" in found for found in orders)


def turn_on_red() -> Junction:
    """A crossing with its own stage for left turns, whose right turn may go after a stop while it has red."""
    groups = tuple(SignalGroup(id=name) for name in ("main", "right", "left", "side"))
    along = Stage(id="along", greens={"main": Right.PROTECTED, "right": Right.PROTECTED})
    turning = Stage(id="turning", greens={"left": Right.PROTECTED, "right": Right.STOP_FIRST})
    across = Stage(id="across", greens={"side": Right.PROTECTED, "right": Right.STOP_FIRST})
    apart = [("main", "side"), ("right", "side"), ("left", "side"), ("main", "left")]
    bare = tee().model_copy(
        update={
            "groups": groups,
            "conflicts": tuple(Conflict(first=a, second=b, yields=a if a == "right" else "") for a, b in apart),
            "intergreens": tuple(
                Intergreen(clearing=a, entering=b, seconds=5.0) for pair in apart for a, b in (pair, pair[::-1])
            ),
            "stages": (along, turning, across),
            "limits": {},
            "pedestrians": (),
            "sequences": (),
        }
    )
    order = (along, turning, across)
    changes = tuple(interstage(bare, a, b) for a, b in zip(order, (*order[1:], along), strict=True))
    running = StageSequence(id="running", stages=tuple(s.id for s in order), interstages=changes)
    empty = bare.running.model_copy(update={"groups": groups, "pedestrians": (), "limits": {}, "modes": Modes()})
    junction = bare.model_copy(update={"sequences": (running,), "running": empty})
    return junction.model_copy(update={"running": controller_plan(junction, running, (20.0, 10.0, 20.0), 0.0)})


def test_turners_who_wait_in_their_own_lane_get_a_headway_where_an_order_drops_their_own_green() -> None:
    stages = {stage.id: stage for stage in tee().stages}
    after_their_own = interstage(tee(), stages["stage3"], stages["stage4"])
    while_they_wait = interstage(tee(), stages["stage2"], stages["stage4"])
    assert while_they_wait.duration_s == after_their_own.duration_s + SATURATION_HEADWAY_S
    assert while_they_wait.off_s["east_left"] < while_they_wait.off_s["west"]


@pytest.mark.parametrize(("places", "leaving_s"), [(1, 4.0), (3, 8.0), (9, 10.0)])
def test_all_turners_that_find_room_leave_after_the_oncoming_amber_where_others_stand_behind_them(
    places: int, leaving_s: float
) -> None:
    junction = tee_with_shared_lane(places)
    stages = {stage.id: stage for stage in junction.stages}
    own = next(i for i in junction.running.greens["east_left"] if i.right is Right.PROTECTED)
    assert (own.end_s - own.start_s) % junction.running.cycle_s == 10.0
    change = interstage(junction, stages["stage2"], stages["stage4"])
    left_to_south_s = next(
        i.seconds for i in junction.intergreens if (i.clearing, i.entering) == ("east_left", "south")
    )
    assert change.on_s["south"] - change.off_s["west"] == 3.0 + leaving_s + left_to_south_s


@pytest.mark.parametrize(("places", "least_s"), [(1, 4.0), (3, 8.0), (9, 10.0)])
def test_an_arrow_lasts_until_those_who_wait_have_left_but_no_longer_than_in_the_running_program(
    places: int, least_s: float
) -> None:
    before = {stage.id: stage.min_s for stage in tee_with_shared_lane(places, waits=False).stages}
    after = {stage.id: stage.min_s for stage in tee_with_shared_lane(places).stages}
    assert after == before | {"stage3": max(before["stage3"], least_s)}


def test_changes_that_wait_for_turners_last_whole_seconds() -> None:
    junction = tee_with_shared_lane(1)
    slow = tuple(g.model_copy(update={"amber_s": 3.4, "start_up_loss_s": 2.3}) for g in junction.groups)
    orders = stage_orders(junction.model_copy(update={"groups": slow}))
    assert orders and all(change.duration_s.is_integer() for order in orders for change in order.interstages)


def test_nobody_waits_at_a_junction_that_keeps_its_program() -> None:
    locked = tee_with_shared_lane(3, waits=False).model_copy(update={"locked": True})
    assert with_time_to_leave(locked) == locked


def test_the_rules_may_ask_stages_to_wait_for_turners() -> None:
    junction = tee_with_shared_lane(3, waits=False)
    network = Network(network_hash=junction.running.network_hash, junctions=(junction,), links=())
    asked = Rules(turners_leave=True).apply(network).junctions[0]
    assert asked.turners_leave and asked.stages == tee_with_shared_lane(3).stages
    assert not Rules().apply(network).junctions[0].turners_leave


def test_nobody_waits_for_turners_in_their_own_lane() -> None:
    assert with_time_to_leave(tee()) == tee()


def tee_with_shared_lane(places: int, waits: bool = True) -> Junction:
    """A T-junction whose left-turners from the main road share the lane of those who go straight on; the next stage
    waits for them, or does not."""
    junction = tee()
    lanes = [lane for lane in junction.lanes if lane.approach == "east"]
    shared = lanes[0].model_copy(update={"movements": tuple(m for lane in lanes for m in lane.movements)})
    movements = tuple(
        m.model_copy(update={"lanes": (shared.id,), "waiting_places": places if m.group == "east_left" else 1})
        if m.approach == "east"
        else m
        for m in junction.movements
    )
    others = tuple(lane for lane in junction.lanes if lane.approach != "east")
    shared_lane = junction.model_copy(update={"lanes": (shared, *others), "movements": movements})
    return with_time_to_leave(shared_lane) if waits else shared_lane


@given(st.floats(-3000, 1500), st.floats(1, 2500), st.floats(0.25, 4))
def test_tangents_never_exceed_the_overflow_queue(z: float, nominal: float, period_h: float) -> None:
    junction = crossing()
    demand = junction_demand(junction, demand_of(junction, [500.0, 200.0]), Rules())
    demand = type(demand)(
        junction, period_h, demand.movements, demand.lanes, demand.nominal_veh_h, demand.pedestrians_h
    )
    case = JunctionCase(demand, (), 60.0, SETTINGS)
    true = overflow_queue_veh(z, nominal, period_h, SETTINGS.delay_parameter_k)
    best = max(0.0, *(slope * z + constant for slope, constant in overflow_tangents(nominal, case)))
    assert best <= true + 1e-6
    scale = math.sqrt(8 * SETTINGS.delay_parameter_k * nominal / period_h)
    assert true - best <= 0.06 * period_h * scale


def test_overflow_grows_by_half_the_period_per_vehicle_over_capacity() -> None:
    steep = overflow_queue_veh(1001, 1000, 1.0, 0.5) - overflow_queue_veh(1000, 1000, 1.0, 0.5)
    assert steep == pytest.approx(0.5, abs=0.01)


def test_gap_capacity_falls_with_the_opposing_flow() -> None:
    capacities = [gap_capacity_veh_h(q, 4.5, 2.5) for q in (1, 200, 600, 1200)]
    assert capacities == sorted(capacities, reverse=True)
    assert capacities[0] == pytest.approx(3600 / 2.5, rel=0.01)


@pytest.mark.parametrize("green_s", [20.0, 30.0, 40.0])
def test_uniform_delay_is_webster_s_first_term(green_s: float) -> None:
    junction = crossing()
    flows = [400.0, 200.0]
    plan = controller_plan(junction, junction.sequences[0], (green_s, 60.0 - green_s), 0.0)
    demand = demand_of(junction, flows)
    figures = evaluate(
        arterial(1).model_copy(update={"junctions": (junction,), "links": ()}),
        demand,
        NetworkPlan(network_hash="0" * 32, profile="", controllers=(plan,)),
        settings=SETTINGS,
    )
    lane = junction.lanes[0]
    cycle_s = plan.cycle_s
    share = (green_s + lane.end_gain_s - lane.start_up_loss_s) / cycle_s
    y = flows[0] / lane.saturation_veh_h
    webster_s = cycle_s * (1 - share) ** 2 / (2 * (1 - y))
    assert figures.movements[0].uniform_delay_s == pytest.approx(webster_s, rel=1e-3)
    assert figures.movements[0].capacity_veh_h == pytest.approx(lane.saturation_veh_h * share, rel=1e-3)


def test_an_even_use_of_lanes_equals_their_flow_ratios() -> None:
    junction = tee()
    wide = junction.model_copy(
        update={
            "lanes": (
                junction.lanes[0].model_copy(update={"id": "a", "saturation_veh_h": 2000.0}),
                junction.lanes[0].model_copy(update={"id": "b", "saturation_veh_h": 1000.0}),
            ),
            "movements": (junction.movements[0].model_copy(update={"lanes": ("a", "b")}),),
        }
    )
    shares = nominal_lane_flows(wide, {junction.movements[0].id: 900.0})
    assert shares["a", junction.movements[0].id] == pytest.approx(600.0)
    assert shares["b", junction.movements[0].id] == pytest.approx(300.0)


def test_flow_moves_to_the_lane_with_room() -> None:
    """A movement over two lanes of which one is full of turners takes the other."""
    junction = _two_lanes()
    flows = [800.0, 600.0, 50.0]
    demand = junction_demand(junction, demand_of(junction, flows), Rules())
    case = JunctionCase(demand, (plan_form(junction.running),), junction.running.cycle_s, SETTINGS, fixed=True)
    model = pyo.ConcreteModel()
    model.junction = pyo.Block()
    add_junction(model.junction, case)
    model.objective = pyo.Objective(expr=model.junction.person_delay)
    solve(model, SolveOptions())
    flow = model.junction.lane_flow
    assert flow["free", "ahead"].value > flow["shared", "ahead"].value
    assert flow["free", "ahead"].value + flow["shared", "ahead"].value == pytest.approx(800.0)


def test_a_permissive_turn_has_less_capacity_the_more_opposes_it() -> None:
    junction = tee()
    movements = tuple(
        m.model_copy(update={"yields_to": ("west_through",)}) if m.id == "east_left" else m for m in junction.movements
    )
    junction = junction.model_copy(update={"movements": movements})
    network = arterial(1).model_copy(update={"junctions": (junction,)})
    capacities = []
    for opposing in (50.0, 400.0, 700.0):
        kept = NetworkPlan(network_hash="0" * 32, profile="", controllers=())
        told = evaluate(network, demand_of(junction, [opposing, 50.0, 200.0, 150.0, 100.0, 50.0]), kept)
        capacities.append(next(f.capacity_veh_h for f in told.movements if f.movement == "east_left"))
    assert capacities == sorted(capacities, reverse=True)
    assert capacities[0] > capacities[-1] + 50


def test_platoons_lose_their_shape_with_distance() -> None:
    gains = [coherence(t, 90.0, 0.28) for t in (1.0, 10.0, 30.0, 90.0)]
    assert gains == sorted(gains, reverse=True)
    assert 0 < gains[-1] < gains[0] <= 1


def test_platoons_arise_only_where_links_carry_flow() -> None:
    network = arterial(2)
    junction = network.junctions[0]
    demands = {
        j.id: junction_demand(j, demand_of(j, [600.0, 20.0, 20.0, 20.0, 20.0, 20.0]), Rules())
        for j in network.junctions
    }
    found = platoons(network, demands, 60.0, 0.28)
    ways = {(p.from_junction, p.to_junction, p.to_group) for p in found}
    assert (junction.id, "tee2", "west") in ways
    assert platoons(network.model_copy(update={"links": ()}), demands, 60.0, 0.28) == ()


@pytest.mark.parametrize(
    ("junction", "group", "one_green"),
    [
        # green with both arms and once more with its own alone
        (eight_stages(), "north_through", False),
        (four_arm(), "north_through", True),
        # first with the other direction, then beside its left turn: one green
        (tee(), "east", True),
    ],
)
def test_who_is_green_twice_a_cycle_is_not_coordinated(junction: Junction, group: str, one_green: bool) -> None:
    form = sequence_form(junction, junction.sequences[0])
    demand = junction_demand(junction, demand_of(junction, [50.0] * len(junction.movements)), Rules())
    case = JunctionCase(demand, (form,), 90.0, SETTINGS)
    assert coordinable(case, group) is one_green


def test_a_platoon_waits_for_green_when_early_and_for_the_next_green_when_its_tail_is_late() -> None:
    platoon = Platoon("a", "g", "b", "h", 100.0, 20.0, 10.0, 0.0)
    assert platoon_wait_s(platoon, -8.0, 30.0, 30.0, 2.0) == 8.0
    assert platoon_wait_s(platoon, 5.0, 30.0, 30.0, 2.0) == 0.0
    assert platoon_wait_s(platoon, 25.0, 30.0, 30.0, 2.0) == 10.0


def test_the_tree_joins_every_junction_once() -> None:
    def platoon(one: str, other: str, persons_h: float) -> Platoon:
        return Platoon(one, "g", other, "h", persons_h, 20.0, 10.0, 0.0)

    found = (
        platoon("a", "b", 5),
        platoon("b", "a", 9),
        platoon("b", "c", 2),
        platoon("c", "a", 7),
        platoon("d", "e", 1),
    )
    tree = spanning_tree(["a", "b", "c", "d", "e"], found)
    assert [arc.platoon for arc in tree if arc.platoon != 4] in ([1, 3], [3, 1])
    assert sorted(arc.child for arc in tree) == ["b", "c", "e"]


def _two_lanes() -> Junction:
    """One approach with a shared lane and a lane for those who go ahead."""
    junction = crossing()
    lane, movement = junction.lanes[0], junction.movements[0]
    shared = lane.model_copy(update={"id": "shared", "movements": ("ahead", "turn")})
    free = lane.model_copy(update={"id": "free", "movements": ("ahead",)})
    ahead = movement.model_copy(update={"lanes": ("free", "shared")})
    turn = movement.model_copy(update={"id": "turn", "exit": "south", "turn": "right", "lanes": ("shared",)})
    others = junction.movements[1:]
    return junction.model_copy(
        update={"lanes": (shared, free, *junction.lanes[1:]), "movements": (ahead, turn, *others)}
    )
