"""The command line: `jasyl …`. Every error of ours ends in one line and exit code 1."""

from __future__ import annotations

import os
import shlex
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from api.card_key import card_key
from api.city import PROFILE, city_at
from api.day_plan_command import day_plan
from api.errors import ApiError, UnprocessableError
from api.explanation import lines, read_demand
from api.mobility_commands import mobility
from api.run import SIMULATED_CARDS_KEY, RunResult, optimise_scenario, run_line, verify_plan
from api.run_options import RunOptions
from api.service_commands import service
from api.terminal import print_error, print_fallen, print_kept, print_long, print_note, print_verdict, say, step_bars
from mobility.errors import MobilityError
from mobility.habits import habits_of_flows
from mobility.pipeline import build_flows
from optimiser.errors import OptimiserError
from optimiser.explain import explain
from optimiser.rule_tables import MOST_RUNS, PolishRules
from optimiser.rules import Rules, load_rules
from optimiser.safety import Rule, check_network_against, check_network_plan
from optimiser.settings import ModelSettings
from sumo_networks.errors import NetworkError
from sumo_networks.profiles import PROFILES
from sumo_networks.programs import read_plan
from sumo_networks.record import record_feeds
from sumo_networks.scenario import load_scenario
from sumo_networks.verdict import SEEDS_BELOW

REFUSED = 3
STOPPED = 130
DEMO_POLISH_RUNS = 100
DEMO_PERIOD_S = 1800.0

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fare taps, GPS and a timetable into passenger flows, signal plans proved in SUMO, served signed.",
)
app.add_typer(service)
app.add_typer(mobility, name="mobility")
app.command("day-plan", epilog="Example: jasyl day-plan city/run.sumocfg --profile week.csv --out week")(day_plan)

ScenarioPath = Annotated[Path, typer.Argument(help="Folder with scenario.toml, or any .sumocfg.", show_default=False)]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the results; made where it is not there.")]
Begin = Annotated[float | None, typer.Option(help="Start of the period, SUMO seconds.", show_default="the scenario's")]
End = Annotated[float | None, typer.Option(help="End of the period.", show_default="the scenario's, or begin + 3600")]
RulesFile = Annotated[Path | None, typer.Option("--rules", help="rules.toml, the engineer's word.", show_default=False)]
Seeds = Annotated[str, typer.Option(help="Seeds of the verdict, comma-separated; under 1000.")]
PolishRuns = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MOST_RUNS,
        help="SUMO runs the search may take; proofs may take some more.",
        show_default="the rules', else 300",
    ),
]
StartPlan = Annotated[
    Path | None, typer.Option("--start", help="An earlier plan to search from as well.", show_default=False)
]
Workers = Annotated[
    int,
    typer.Option(
        min=1,
        help="Processes at once: simulations, and the solver where there are many junctions.",
        show_default="one a core",
    ),
]

CORES = os.cpu_count() or 1


@app.command(epilog="Example: jasyl demo --out demo")
def demo(out: OutFolder = Path("demo"), workers: Workers = CORES) -> None:
    """Retime the sample city over half an hour: record its feeds, make a plan, prove it, write the report."""
    with as_file(files("sumo_networks.cities") / "esil") as city:
        options = RunOptions(
            end_s=load_scenario(city).begin_s + DEMO_PERIOD_S,
            rules=Rules(polish=PolishRules(runs=DEMO_POLISH_RUNS, seeds=2)),
            workers=workers,
            card_key=SIMULATED_CARDS_KEY,
            settings=ModelSettings(common_cycles=2),
        )
        result = _run(city, out, options)
    say(f"Go on with:  jasyl run SCENARIO --out {shlex.quote(str(out))}   (your folder, or any .sumocfg)")
    raise typer.Exit(0 if result.verdict.accepted else REFUSED)


@app.command(epilog="Example: jasyl run city/run.sumocfg --out out --seeds 1,2,3,4,5")
def run(
    scenario: ScenarioPath,
    out: OutFolder,
    seeds: Seeds = "1,2,3,4,5",
    begin: Begin = None,
    end: End = None,
    rules: RulesFile = None,
    polish_runs: PolishRuns = None,
    start: StartPlan = None,
    workers: Workers = CORES,
) -> None:
    """The main job: feeds, flows, network, plan, verdict, report. Where no plan is better, the shipped one stays."""
    options = RunOptions(
        seeds=_seeds(seeds),
        begin_s=begin,
        end_s=end,
        rules=_rules(rules, polish_runs),
        workers=workers,
        start=start,
    )
    _run(scenario, out, options)


@app.command("record-feeds", epilog="Example: jasyl record-feeds city/run.sumocfg --out feeds --seed 7")
def record_feeds_command(
    scenario: ScenarioPath,
    out: OutFolder,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Seed of the run, of who pays cash and of GPS errors.")
    ] = 1,
    cash_share: Annotated[float, typer.Option(help="Share of riders who pay cash, without a tap.")] = 0.15,
    cards_seed: Annotated[
        int | None, typer.Option(help="Days recorded with the same number share their people's cards.")
    ] = None,
    begin: Begin = None,
    end: End = None,
) -> None:
    """Run a scenario as it is and write what a city's systems would have recorded; the truth apart in truth/."""
    with step_bars() as bars:
        feeds = record_feeds(
            load_scenario(scenario, begin, end),
            out,
            seed,
            cash_share=cash_share,
            cards_seed=cards_seed,
            progress=lambda _, share: bars("record feeds", share),
        )
    say(f"{feeds.buses} buses, {feeds.rides} rides, {feeds.taps} taps, {feeds.pings} positions in {out}")


@app.command(epilog="Example: jasyl flows feeds --out flows")
def flows(
    feeds: Annotated[Path, typer.Argument(help="Feeds folder, as record-feeds writes it.", show_default=False)],
    out: OutFolder,
    card_key_file: Annotated[
        Path | None, typer.Option(help="File with the key of card pseudonyms; made where it is not there.")
    ] = None,
    history: Annotated[
        list[Path] | None, typer.Option(help="Flows folder of another day, made with the same key; may be repeated.")
    ] = None,
) -> None:
    """Taps, positions and timetable into boardings, journeys, OD and loads."""
    key = card_key(card_key_file)
    with step_bars() as bars:
        summary = build_flows(
            feeds,
            out,
            key=key,
            known=habits_of_flows(history or ()),
            progress=lambda _, share: bars("flows", share),
        )
    for warning in summary.warnings:
        print_note(warning)
    say(f"flows in {out}; what became of every row: {out / 'summary.json'}")


@app.command(epilog="Example: jasyl optimise city/run.sumocfg --out plan --rules rules.toml")
def optimise(
    scenario: ScenarioPath,
    out: OutFolder,
    feeds: Annotated[Path | None, typer.Option(help="Feeds folder with detectors.csv; recorded where absent.")] = None,
    flows: Annotated[Path | None, typer.Option(help="Flows folder; made from the feeds where absent.")] = None,
    rules: RulesFile = None,
    begin: Begin = None,
    end: End = None,
    polish_runs: PolishRuns = None,
    start: StartPlan = None,
    workers: Workers = CORES,
) -> None:
    """A plan for the scenario's signals: the MILP, then the search in SUMO. Writes plan.json and plan.add.xml."""
    options = RunOptions(begin_s=begin, end_s=end, rules=_rules(rules, polish_runs), workers=workers, start=start)
    with step_bars() as bars:
        found = optimise_scenario(scenario, out, options, feeds, flows, bars)
    polished = found.polished
    print_kept(found.kept)
    print_fallen(polished.fallen, polished.held)
    say(f"plan {polished.plan.id} in {out / 'plan.json'}: {polished.score - 1:+.1%} on the search's own seeds")
    say(f"Prove it:  jasyl verify {scenario} --plan {out / 'plan.json'} --out {out}")


@app.command(epilog="Example: jasyl verify city/run.sumocfg --plan plan.json --out verdict --seeds 11,12,13")
def verify(
    scenario: ScenarioPath,
    plan: Annotated[Path, typer.Option(help="plan.json, or an additional file with programs.", show_default=False)],
    out: OutFolder,
    seeds: Seeds = "1,2,3,4,5",
    rules: RulesFile = None,
    begin: Begin = None,
    end: End = None,
    workers: Workers = CORES,
) -> None:
    """Plan against shipped programs on common seeds. Exit code 3 where the plan is refused."""
    options = RunOptions(seeds=_seeds(seeds), begin_s=begin, end_s=end, rules=_rules(rules, None), workers=workers)
    with step_bars() as bars:
        verdict = verify_plan(scenario, plan, out, options, bars)
    print_verdict(verdict)
    raise typer.Exit(0 if verdict.accepted else REFUSED)


@app.command("check-plan", epilog="Example: jasyl check-plan plan.json --net city.net.xml")
def check_plan(
    plan: Annotated[Path, typer.Argument(help="plan.json, or an additional file with programs.", show_default=False)],
    net: Annotated[Path, typer.Option(help="The .net.xml or .sumocfg the plan is for.", show_default=False)],
    programs: Annotated[
        list[Path] | None, typer.Option(help="Additional files with the programs now in use.", show_default=False)
    ] = None,
    profile: Annotated[str, typer.Option(help=f"Rules to keep: {', '.join(sorted(PROFILES))}.")] = "shipped",
) -> None:
    """Say of a plan every safety rule it breaks. Exit code 3 where it breaks any."""
    model = city_at(net, programs or (), profile)
    read = read_plan(plan, model)
    if not read.controllers:
        raise UnprocessableError(f"{plan}: holds no controller: every junction keeps its program, nothing is checked")
    found = (*check_network_plan(read), *check_network_against(read, model.network))
    for finding in found:
        say(f"{finding.junction or 'the whole plan'}: {finding.rule.value}: {finding.message}")
    if any(finding.rule is Rule.OTHER_GROUPS for finding in found):
        say("other signal groups: were all programs in use named? --programs, or the .sumocfg in --net")
    say(f"{len(found)} findings" if found else "no findings: the plan keeps every rule")
    raise typer.Exit(REFUSED if found else 0)


@app.command("explain", epilog="Example: jasyl explain out/plan.json --net city.net.xml")
def explain_command(
    plan: Annotated[Path, typer.Argument(help="plan.json, or an additional file with programs.", show_default=False)],
    net: Annotated[Path, typer.Option(help="The .net.xml or .sumocfg the plan is for.", show_default=False)],
    programs: Annotated[
        list[Path] | None, typer.Option(help="Additional files with the programs now in use.", show_default=False)
    ] = None,
    demand: Annotated[
        Path | None, typer.Option(help="The demand it was made for.", show_default="demand.json beside the plan")
    ] = None,
    rules: RulesFile = None,
) -> None:
    """Say of each junction of a plan why it has this cycle, which limits bind, and what each costs in person-seconds.

    Lanes discharge as the net says, not as calibrated: prices may differ a little from those the plan was made with."""
    ruled = _rules(rules, None)
    model = city_at(net, programs or (), ruled.profile or PROFILE)
    read = read_plan(plan, model)
    if not read.controllers:
        raise UnprocessableError(f"{plan}: holds no controller: every junction keeps its program, nothing to explain")
    broken = check_network_plan(read)
    if broken:
        print_note(
            f"the plan breaks {len(broken)} rules, first {broken[0].message}; what follows goes by its cycles and the "
            f"order of its stages alone: jasyl check-plan {shlex.quote(str(plan))}"
        )
    made_for = read_demand(demand or plan.parent / "demand.json", model.network)
    explained = explain(model.network, made_for, read, ruled)
    for line in lines(explained):
        say(line)


def main() -> None:
    """Entry point of the `jasyl` command."""
    try:
        app()
    except (MobilityError, OptimiserError, NetworkError, ApiError) as error:
        print_error(str(error))
        raise SystemExit(1) from None
    except OSError as error:
        print_error(f"{error.filename or 'file'}: {error.strerror or error}; check the path and the rights on it")
        raise SystemExit(1) from None
    except SystemExit as end:
        if end.code == STOPPED:
            print_error("stopped; give the same command again to go on")
        raise


def _run(scenario: Path, out: Path, options: RunOptions) -> RunResult:
    period = load_scenario(scenario, options.begin_s, options.end_s)
    print_long(period.end_s - period.begin_s)
    with step_bars() as bars:
        result = run_line(scenario, out, options, bars)
    print_verdict(result.verdict)
    print_kept(result.kept)
    print_fallen(result.polished.fallen, result.polished.held)
    say(f"plan {result.folder / 'plan.json'}, in SUMO: add {result.folder / 'plan.add.xml'}")
    say(f"report {result.report}")
    return result


def _rules(path: Path | None, polish_runs: int | None) -> Rules:
    rules = load_rules(path) if path is not None else Rules()
    if polish_runs is None:
        return rules
    return rules.model_copy(update={"polish": rules.polish.model_copy(update={"runs": polish_runs})})


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(dict.fromkeys(int(part) for part in text.split(",") if part.strip()))
    except ValueError:
        raise typer.BadParameter(f"{text!r}: give whole numbers, as in 1,2,3", param_hint="--seeds") from None
    if not seeds or min(seeds) < 0 or max(seeds) >= SEEDS_BELOW:
        raise typer.BadParameter(
            f"seeds are 0 to {SEEDS_BELOW - 1}; those from {SEEDS_BELOW} up belong to the search for the plan",
            param_hint="--seeds",
        )
    return seeds
