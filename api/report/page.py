"""The page: composes charts, map, stage diagrams and tables into one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from api.report.charts import changes, places
from api.report.city_map import city_map, legend
from api.report.movements import movement_rows
from api.report.stages import stage_diagram
from api.terminal import ROWS
from optimiser.result import Evaluation
from optimiser.signals import NetworkPlan
from sumo_networks.bindings import CityModel
from sumo_networks.net_file import read_net
from sumo_networks.scenario import Scenario
from sumo_networks.verdict import Verdict


def write_report(
    path: Path,
    scenario: Scenario,
    model: CityModel,
    plan: NetworkPlan,
    verdict: Verdict,
    before: Evaluation,
    after: Evaluation,
    faults: tuple[str, ...] = (),
) -> Path:
    """Write the report of a run to `path` and return it.

    `before` and `after` are the model's figures of the shipped programs and of the plan; `faults` are sentences on
    detectors that were not believed."""
    net = read_net(scenario.net)
    planned = {controller.junction: controller for controller in plan.controllers}
    rows = movement_rows(model.network, before, after, verdict)
    junctions = [
        {
            "id": junction.id,
            "rows": rows.get(junction.id, ()),
            "before": Markup(stage_diagram(junction.running)),
            "after": Markup(stage_diagram(planned[junction.id])) if junction.id in planned else None,
            "cycle_before_s": junction.running.cycle_s,
            "cycle_after_s": planned[junction.id].cycle_s if junction.id in planned else junction.running.cycle_s,
        }
        for junction in model.network.junctions
    ]
    environment = Environment(
        loader=PackageLoader("api.report"), autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("report.html").render(
        scenario=scenario,
        verdict=verdict,
        plan=plan,
        figures=_figures(verdict),
        changes=Markup(changes(verdict)),
        junction_bars=Markup(places(verdict.junctions, "junction")),
        line_bars=Markup(places(verdict.lines, "bus line")),
        map_before=Markup(city_map(net, verdict.approaches, after=False)),
        map_after=Markup(city_map(net, verdict.approaches, after=True)),
        legend=Markup(legend()),
        junctions=junctions,
        notes=model.notes,
        faults=faults,
    )
    path.write_text(page, encoding="utf-8")
    return path


def _figures(verdict: Verdict) -> list[dict[str, str]]:
    table: list[dict[str, str]] = []
    for label, unit, name, decimals in ROWS:
        before, after = getattr(verdict.baseline, name), getattr(verdict.candidate, name)
        difference = getattr(verdict.difference, name)
        relative = getattr(verdict.relative, name)
        if before is None or after is None or difference is None:
            continue
        interval = "–"
        if difference.low is not None and difference.high is not None:
            interval = f"{difference.low:+.{decimals}f} to {difference.high:+.{decimals}f}"
        table.append(
            {
                "label": f"{label} ({unit})",
                "before": f"{before:.{decimals}f}",
                "after": f"{after:.{decimals}f}",
                "difference": f"{difference.mean:+.{decimals}f}",
                "relative": f"{relative.mean:+.1%}" if relative is not None else "–",
                "interval": interval,
            }
        )
    return table
