"""The report of a run: one file that needs nothing else, readable, and true to the verdict."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from api.city import read_city
from api.report.colours import BETTER, UNSURE, WORSE, colour_of_change, level_of_service
from api.report.names import names_of, shortened
from api.report.stages import stage_diagram
from api.report.svg import number
from api.run import RunResult
from optimiser.rules import Rules
from sumo_networks.net_file import read_net
from sumo_networks.scenario import load_scenario

VOID = {"meta", "br"}


class _Page(HTMLParser):
    """Checks that tags close in order, and keeps what stands on the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def text(town_run: RunResult) -> str:
    return town_run.report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> _Page:
    return _Page(text)


def test_needs_nothing_but_itself(text: str, page: _Page) -> None:
    assert "://" not in text
    assert not re.search(r"@import|url\(", text)
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert not {"src", "href"} & {name for name, _ in page.attributes}


def test_every_tag_is_closed_where_it_should_be(page: _Page) -> None:
    assert page.open == []


def test_says_what_the_verdict_says(town_run: RunResult, page: _Page) -> None:
    words = " ".join(page.words)
    relative = town_run.verdict.relative.person_delay_s
    assert relative is not None and f"{relative.mean:+.1%}" in words
    for reason in town_run.verdict.reasons:
        assert reason in words
    assert "Seeds vary how drivers behave" in words
    assert "Accepted" in words


def test_has_map_charts_and_a_stage_diagram_before_and_after(page: _Page) -> None:
    labels = [value for name, value in page.attributes if name == "aria-label"]
    for start in ("Delay by approach before", "Delay by approach after", "Relative change", "Mean delay of a vehicle"):
        assert any(label.startswith(start) for label in labels), start
    assert sum(label.startswith("Greens of junction C") for label in labels) == 2


def test_every_movement_with_traffic_has_its_row(text: str) -> None:
    for name in ("W through", "E through", "N through", "S right"):
        assert f">{name}</td>" in text


def test_coordinates_stay_in_their_drawing(text: str) -> None:
    drawings = re.findall(r'<svg viewBox="0 0 ([\d.]+) ([\d.]+)".*?</svg>', text, flags=re.S)
    assert drawings
    for found in re.finditer(r'<svg viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>(.*?)</svg>', text, flags=re.S):
        width, height = float(found[1]), float(found[2])
        for bar in re.finditer(r'<rect x="([\d.-]+)" y="([\d.-]+)" width="([\d.-]+)" height="([\d.-]+)"', found[3]):
            x, y, across, down = map(float, bar.groups())
            assert x >= 0 and y >= 0 and x + across <= width + 0.1 and y + down <= height + 0.1
            assert across >= 0 and down >= 0


def test_groups_are_named_by_the_side_they_come_from(town_run: RunResult, town: Path) -> None:
    scenario = load_scenario(town)
    names = names_of(read_city(scenario, Rules()).network, read_net(scenario.net))["C"]
    assert names.approaches == {"west_C": "W", "east_C": "E", "north_C": "N", "south_C": "S"}
    assert len(set(names.groups.values())) == len(names.groups)
    diagram = stage_diagram(town_run.plan.controllers[0], names)
    for name in names.groups.values():
        assert f"</title>{name}</text>" in diagram


def test_a_long_id_keeps_both_its_ends() -> None:
    short = shortened("cluster_306484187_cluster_1200363791_255882157", 15)
    assert len(short) == 15
    assert short.startswith("cluster") and short.endswith("882157")
    assert shortened("C", 15) == "C"


@pytest.mark.parametrize(
    ("change", "colour"),
    [
        ((0.0, 0.0, 0.0), UNSURE),
        ((-1.0, -2.0, 0.5), UNSURE),
        ((-1.0, None, None), UNSURE),
        ((-1.0, -2.0, -0.1), BETTER),
        ((1.0, 0.2, 2.0), WORSE),
    ],
)
def test_only_a_change_whose_interval_leaves_out_zero_has_a_colour(
    change: tuple[float, float | None, float | None], colour: str
) -> None:
    assert colour_of_change(*change) == colour


def test_levels_of_service_follow_their_limits() -> None:
    assert [level_of_service(delay_s) for delay_s in (0, 10, 10.1, 35, 55, 80, 81)] == list("AABCDEF")


def test_numbers_are_short() -> None:
    assert [number(value) for value in (1.0, 0.126, -0.001, 1e6, 10.0)] == ["1", "0.13", "0", "1000000", "10"]
