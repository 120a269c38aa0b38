"""Flows of recorded feeds against what simulated riders and buses really did, over days on which people come back.

Two cities. Esil, whose residents ride on ten days (sumo_networks/cities/esil/population.py); each day is inferred once
alone and once with the other nine as history. Bologna, whose own riders ride once: real recorded rides become tours of
synthetic cards (tours.py). Everything is pooled over a city's days; nothing here was used to choose a constant: those
were chosen on seeds from 100 on.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.tours import overlay_tours
from benchmarks.tours_ceiling import ceiling
from mobility import flows
from mobility.habits import habits_of_flows
from mobility.pipeline import build_flows
from mobility.score import FlowScore, Judged, judge, read_truth, score_flows
from mobility.sources.gtfs import read_timetable
from mobility.sources.manifest import read_manifest
from sumo_networks.cities.esil.build import RIDERS, WALKERS, persons
from sumo_networks.cities.esil.population import Resident, day_of, residents
from sumo_networks.record import record_feeds
from sumo_networks.scenario import Scenario, load_scenario

ROOT = Path(__file__).resolve().parent.parent
KEY = b"simulated cards are nobody's"
CASH_SHARE = 0.15
DAYS = 10
BOLOGNA_DAYS = 5
SPREAD_M = 60.0
FIRST_DAY = date(2025, 3, 3)


def case(data: Path, seed: int = 1) -> dict[str, Any]:
    """Scores of both cities; `seed` names the people, the days and the runs."""
    with tempfile.TemporaryDirectory(prefix="jasyl-recorded-") as name:
        folder = Path(name)
        return {
            "case": "recorded",
            "cash_share": CASH_SHARE,
            "esil": _scores(judged_days(record_esil(folder / "esil", seed, DAYS))),
            "bologna_tours": _tours(record_bologna(data, folder / "bologna", seed, BOLOGNA_DAYS, SPREAD_M), seed),
        }


def record_esil(folder: Path, seed: int, days: int) -> list[Path]:
    """Feeds folders of weekdays in Esil on which the same residents ride."""
    people = residents(seed, RIDERS, WALKERS)
    city = load_scenario(ROOT / "sumo_networks" / "cities" / "esil")
    with ProcessPoolExecutor(2) as pool:
        jobs = [pool.submit(_esil_day, city, people, folder / f"day{n}", seed, n) for n in range(days)]
        return [job.result() for job in jobs]


def record_bologna(data: Path, folder: Path, seed: int, days: int, spread_m: float) -> list[Path]:
    """Feeds folders of runs of Bologna whose rides are chained into tours."""
    scenario = load_scenario(data / "signals" / "bologna_acosta_persontrips" / "run.sumocfg")
    with ProcessPoolExecutor(2) as pool:
        jobs = [
            pool.submit(_bologna_day, scenario, folder / f"day{n}", 1000 * seed + n, _weekday(n)) for n in range(days)
        ]
        feeds = [job.result() for job in jobs]
    overlay_tours(feeds, CASH_SHARE, seed, spread_m)
    return feeds


def _weekday(number: int) -> date:
    return FIRST_DAY + timedelta(days=number + 2 * (number // 5))


def _esil_day(city: Scenario, people: Sequence[Resident], folder: Path, seed: int, number: int) -> Path:
    folder.mkdir(parents=True)
    routes = folder / "persons.rou.xml.gz"
    today = 1000 * seed + number
    routes.write_bytes(gzip.compress(persons(day_of(people, today)).encode()))
    kept = tuple(path for path in city.routes if "persons" not in path.name)
    scenario = replace(city, routes=(*kept, routes), service_date=_weekday(number).isoformat())
    record_feeds(scenario, folder / "feeds", today, cash_share=CASH_SHARE, cards_seed=seed)
    return folder / "feeds"


def _bologna_day(scenario: Scenario, folder: Path, seed: int, day: date) -> Path:
    record_feeds(replace(scenario, service_date=day.isoformat()), folder / "feeds", seed, cash_share=0.0)
    return folder / "feeds"


def _scores(judged: dict[str, list[Judged]]) -> dict[str, Any]:
    return {"days": len(judged["alone"])} | {name: _told(score_flows(days)) for name, days in judged.items()}


def _tours(feeds: Sequence[Path], seed: int) -> dict[str, Any]:
    """Scores of tours, and how often the best answer would be right."""
    judged = judged_days(feeds)
    timetable = read_timetable(feeds[0] / "gtfs.zip", read_manifest(feeds[0]).service_date)
    return _scores(judged) | {"ceiling": ceiling([day.legs for day in judged["alone"]], timetable, SPREAD_M, seed)}


def judged_days(feeds: Sequence[Path]) -> dict[str, list[Judged]]:
    """Each day inferred alone, and with what the others tell of its cards, beside its truth."""
    alone = [folder.with_name("flows") for folder in feeds]
    judged = {"alone": [_judged(folder, out) for folder, out in zip(feeds, alone, strict=True)]}
    judged["with_history"] = [
        _judged(folder, out.with_name("flows_again"), [other for other in alone if other != out])
        for folder, out in zip(feeds, alone, strict=True)
    ]
    return judged


def _judged(feeds: Path, out: Path, history: Sequence[Path] = ()) -> Judged:
    build_flows(feeds, out, key=KEY, known=habits_of_flows(history))
    return judge(
        flows.read_journey_legs(out),
        flows.read_link_loads(out),
        flows.read_stop_visits(out),
        read_truth(feeds / "truth", KEY),
        read_manifest(feeds).midnight().timestamp(),
    )


def _told(score: FlowScore) -> dict[str, Any]:
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(score).items()}
    return rounded | {"load_to_oracle": round(score.load_mae_pax / score.oracle_mae_pax, 3)}
