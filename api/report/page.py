"""The page: composes charts, map, stage diagrams and tables into one self-contained HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from api.report import stages
from api.report.charts import changes, places
from api.report.city_map import city_map, ground, legend
from api.report.colours import colour_of_change
from api.report.movements import MovementRow, movement_rows
from api.report.names import JunctionNames, names_of
from api.terminal import ROWS
from optimiser.result import Evaluation, OptimisationResult
from optimiser.signals import ControllerPlan, Junction
from sumo_networks.approaches import read_approaches
from sumo_networks.bindings import CityModel
from sumo_networks.net_file import read_net
from sumo_networks.polish import Polished
from sumo_networks.scenario import Scenario
from sumo_networks.verdict import Comparison, Verdict

NONE = "–"


@dataclass(frozen=True)
class FigureRow:
    """One figure before and after, as text."""

    label: str
    unit: str
    before: str
    after: str
    difference: str
    relative: str
    interval: str
    colour: str


@dataclass(frozen=True)
class OtherRow:
    """Person delay under other conditions, as text."""

    label: str
    before: str
    after: str
    relative: str
    told: str


@dataclass(frozen=True)
class JunctionPart:
    """What the page shows of one junction; `after` is empty where the plan keeps its program."""

    names: JunctionNames
    rows: tuple[MovementRow, ...]
    before: Markup
    after: Markup
    timing: str
    kept: str


def write_report(
    path: Path,
    scenario: Scenario,
    model: CityModel,
    verdict: Verdict,
    result: OptimisationResult,
    polished: Polished,
    after: Evaluation,
    faults: tuple[str, ...] = (),
) -> Path:
    """Write the report of a run to `path` and return it: the same bytes for the same arguments.

    `after` are the model's figures of the polished plan; `faults` are sentences on detectors that were not believed.
    Raises NetworkError where the scenario's net cannot be read."""
    net = read_net(scenario.net)
    names = names_of(model.network, net)
    planned = {controller.junction: controller for controller in polished.plan.controllers}
    rows = movement_rows(model.network, result.running, after, verdict, names)
    on = ground(net, read_approaches(scenario.net), model.network, model.bindings, names)
    environment = Environment(
        loader=PackageLoader("api.report"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html").render(
        scenario=scenario,
        period=_period(scenario),
        verdict=verdict,
        result=result,
        polished=polished,
        figures=_figures(verdict),
        others=_others(verdict),
        changes=Markup(changes(verdict)),
        junction_bars=Markup(places(verdict.junctions, "junction", {name: of.short for name, of in names.items()})),
        line_bars=Markup(places(verdict.lines, "bus line")),
        map_before=Markup(city_map(on, verdict.approaches, verdict.junctions, after=False)),
        map_after=Markup(city_map(on, verdict.approaches, verdict.junctions, after=True)),
        legend=Markup(legend()),
        stage_legend=Markup(stages.legend()),
        junctions=[
            _part(junction, planned.get(junction.id), names[junction.id], rows.get(junction.id, ()))
            for junction in model.network.junctions
        ],
        new_findings=[finding for finding in verdict.findings if finding.new],
        known_findings=[finding for finding in verdict.findings if not finding.new],
        notes=model.notes,
        faults=faults,
    )
    path.write_text(page, encoding="utf-8")
    return path


def _part(
    junction: Junction, planned: ControllerPlan | None, names: JunctionNames, rows: tuple[MovementRow, ...]
) -> JunctionPart:
    running = junction.running
    before = Markup(stages.stage_diagram(running, names))
    if planned is None or _same_timing(planned, running):
        kept = f"keeps its program: {junction.locked_reason}" if junction.locked_reason else "keeps its program"
        return JunctionPart(names, rows, before, Markup(""), f"cycle {running.cycle_s:g} s", kept)
    timing = (
        f"cycle {running.cycle_s:g} → {planned.cycle_s:g} s, "
        f"offset {running.offset.seconds:g} → {planned.offset.seconds:g} s"
    )
    return JunctionPart(names, rows, before, Markup(stages.stage_diagram(planned, names)), timing, "")


def _same_timing(plan: ControllerPlan, other: ControllerPlan) -> bool:
    return (plan.cycle_s, plan.offset, plan.greens) == (other.cycle_s, other.offset, other.greens)


def _period(scenario: Scenario) -> str:
    """The period as clock times of the service day and in SUMO's seconds."""
    clock = " to ".join(
        f"{int(at_s) // 3600:02d}:{int(at_s) % 3600 // 60:02d}" for at_s in (scenario.begin_s, scenario.end_s)
    )
    return f"{clock} ({scenario.begin_s:g} to {scenario.end_s:g} s)"


def _figures(verdict: Verdict) -> list[FigureRow]:
    table: list[FigureRow] = []
    for label, unit, name, decimals in ROWS:
        before, after = getattr(verdict.baseline, name), getattr(verdict.candidate, name)
        difference = getattr(verdict.difference, name)
        relative = getattr(verdict.relative, name)
        if before is None or after is None or difference is None:
            continue
        interval = NONE
        if difference.low is not None and difference.high is not None:
            interval = f"{difference.low:+.{decimals}f} to {difference.high:+.{decimals}f}"
        table.append(
            FigureRow(
                label=label,
                unit=unit,
                before=f"{before:.{decimals}f}",
                after=f"{after:.{decimals}f}",
                difference=f"{difference.mean:+.{decimals}f}",
                relative=f"{relative.mean:+.1%}" if relative is not None else NONE,
                interval=interval,
                colour=colour_of_change(difference.mean, difference.low, difference.high),
            )
        )
    return table


def _others(verdict: Verdict) -> list[OtherRow]:
    compared: list[tuple[str, Comparison]] = [(f"demand × {one.scale:g}", one) for one in verdict.robustness]
    if verdict.cleared is not None:
        compared.append(("until all have left", verdict.cleared))
    if verdict.repaired is not None:
        compared.append(("against the shipped program repaired", verdict.repaired))
    return [
        OtherRow(
            label=label,
            before=_one_decimal(one.baseline.person_delay_s),
            after=_one_decimal(one.candidate.person_delay_s),
            relative=f"{one.relative.person_delay_s.mean:+.1%}" if one.relative.person_delay_s else NONE,
            told=" ".join(one.reasons),
        )
        for label, one in compared
    ]


def _one_decimal(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}"
