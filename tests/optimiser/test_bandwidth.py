"""Green bands against closed forms and against brute force over offsets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product

import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junctions import arterial
from test_coordination import even_demand

from optimiser.arterials import arterials_of
from optimiser.evaluation import demands_of
from optimiser.formulation.bandwidth import Arterial, Way, add_maxband, add_multiband
from optimiser.rules import Rules
from optimiser.solve import SolveOptions, solve
from optimiser.stage_forms import plan_form

CYCLE_S = 60.0
STEPS = 20
"""Offsets tried over a cycle. What is given lies on every other step, for the best offsets may lie halfway between."""


def way(junctions: str, starts: list[float], greens: list[float], travel_s: list[float], flow: float = 1.0) -> Way:
    times = tuple((t, t) for t in travel_s)
    return Way(tuple(junctions), tuple(starts), tuple(greens), times, (flow,) * len(times))


def road(starts: list[float], greens: list[float], travel_s: list[float]) -> Arterial:
    """Both ways of a road whose signals are green for both at once."""
    names = "abcdef"[: len(starts)]
    back = way(names[::-1], starts[::-1], greens[::-1], travel_s[::-1])
    return Arterial((way(names, starts, greens, travel_s), back))


def widest(arterials: list[Arterial], add: Callable[..., None] = add_maxband) -> float:
    model = pyo.ConcreteModel()
    add(model, arterials, (CYCLE_S, CYCLE_S))
    solution = solve(model, SolveOptions(mip_gap=1e-6))
    assert solution.objective is not None
    return -solution.objective


def band(one: Way, offsets: dict[str, float]) -> float:
    """Width of the one band through a way at given offsets, in fractions of the cycle: the widest window of starts at
    the first signal from which all further greens are met."""
    shift, windows = 0.0, []
    for i, junction in enumerate(one.junctions):
        if i:
            shift += one.travel_s[i - 1][0] / CYCLE_S
        windows.append(((offsets[junction] + one.starts[i] - shift) % 1.0, one.greens[i]))
    best = 0.0
    for turns in product((-1, 0, 1), repeat=len(windows)):
        low = max(start + turn for (start, _), turn in zip(windows, turns, strict=True))
        high = min(start + turn + green for (start, green), turn in zip(windows, turns, strict=True))
        best = max(best, high - low)
    return best


def test_signals_half_a_cycle_apart_give_both_ways_their_whole_green() -> None:
    assert widest([road([0.0, 0.0], [0.4, 0.4], [30.0])]) == pytest.approx(0.8)


def test_signals_a_quarter_apart_lose_what_simple_offsets_lose() -> None:
    """Two signals, t = C / 4: both bands cannot be whole; b + b' = 2 g - 1/2 for g over a quarter."""
    assert widest([road([0.0, 0.0], [0.5, 0.5], [15.0])]) == pytest.approx(0.5)


@settings(max_examples=8)
@given(st.data())
def test_maxband_is_the_best_of_all_offsets(data: st.DataObject) -> None:
    starts = [data.draw(st.integers(0, STEPS // 2 - 1)) * 2 / STEPS for _ in range(3)]
    greens = [data.draw(st.integers(2, 6)) * 2 / STEPS for _ in range(3)]
    travel_s = [6.0 * data.draw(st.integers(1, 12)) for _ in range(2)]
    there = road(starts, greens, travel_s)
    best = max(
        sum(band(one, {"a": 0.0, "b": x / STEPS, "c": y / STEPS}) for one in there.ways)
        for x, y in product(range(STEPS), repeat=2)
    )
    assert widest([there]) == pytest.approx(best, abs=1e-6)


@settings(max_examples=5)
@given(st.data())
def test_bands_on_a_triangle_close_its_loop(data: st.DataObject) -> None:
    greens = [data.draw(st.integers(3, 6)) * 2 / STEPS for _ in range(3)]
    travel_s = [6.0 * data.draw(st.integers(1, 12)) for _ in range(3)]
    sides = [
        Arterial((way(pair, [0.0, 0.0], [greens["abc".index(j)] for j in pair], [t]),))
        for pair, t in zip(("ab", "bc", "ca"), travel_s, strict=True)
    ]
    best = max(
        sum(band(side.ways[0], {"a": 0.0, "b": x / STEPS, "c": y / STEPS}) for side in sides)
        for x, y in product(range(STEPS), repeat=2)
    )
    assert widest(sides) == pytest.approx(best, abs=1e-6)


def test_multiband_is_maxband_where_a_road_has_one_section_and_wider_where_a_signal_is_short() -> None:
    short = road([0.0, 0.0], [0.4, 0.3], [22.0])
    assert widest([short], add_multiband) == pytest.approx(widest([short]))
    greens = [0.5, 0.5, 0.5, 0.2]
    forth = Arterial((way("abcd", [0.0] * 4, greens, [20.0, 20.0, 20.0]),))
    assert widest([forth]) == pytest.approx(0.2)
    assert widest([forth], add_multiband) == pytest.approx(0.5 + 0.5 + 0.2)


def test_a_road_is_found_from_its_movements_ahead_with_both_its_ways() -> None:
    network = arterial(4)
    demands = demands_of(network, even_demand(network), Rules())
    frozen = {j.id: plan_form(j.running) for j in network.junctions}
    cycle_s = network.junctions[0].running.cycle_s
    (found,) = arterials_of(network, demands, frozen, cycle_s)
    assert sorted(w.junctions for w in found.ways) == [
        ("tee1", "tee2", "tee3", "tee4"),
        ("tee4", "tee3", "tee2", "tee1"),
    ]
    for one in found.ways:
        for (low, high), (here, there) in zip(one.travel_s, pairwise(one.junctions), strict=True):
            (link,) = [k for k in network.links if (k.from_junction, k.to_junction) == (here, there)]
            assert low < link.travel_time_s < high
