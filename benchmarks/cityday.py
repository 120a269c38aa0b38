"""One synthetic city day, and thirty: seconds and memory of the core steps, beside DuckDB's on the same files.

Every engine runs in a process of its own, in turns, so that both see the same machine; the fastest of REPEATS runs
counts. `cpu_s` is what the steps cost on all cores together: on a busy machine it says more than the clock.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from benchmarks.city_day_data import DAY, write_city_day

ROOT = Path(__file__).resolve().parent.parent
POINTS, TAPS = 10_000_000, 2_000_000
REPEATS, DAYS = 3, 30
ENGINES = ("jasyl", "duckdb")
CORE = ("stop visits", "as-of", "chaining", "OD")
Run = dict[str, Any]
# what jasyl's step gives and the peer's SQL does not: a ratio near 1 is then more work in the same time
PEER_GOES_WITHOUT = {
    "stop visits": "positions that fit no consistent drive are refused; stops not seen are told by the timetable",
    "as-of": "nothing",
    "chaining": "a probability for every stop that may have been left at; shares learned from all; every leg answered",
    "OD": "journeys without a sure end are spread over all stops they may have ended at; trust in each cell",
}


def case(data: Path, scale: float = 1.0) -> Run:
    """Steps of one day of `scale` times ten million positions and two million taps; `data` is not needed."""
    with tempfile.TemporaryDirectory(prefix="jasyl-cityday-") as name:
        folder = Path(name)
        write_city_day(folder / "day", round(POINTS * scale), round(TAPS * scale))
        first = _run("jasyl", folder / "day", folder)
        runs: dict[str, list[Run]] = {engine: [] for engine in ENGINES}
        right: Run = {}
        for _ in range(REPEATS):
            for engine in ENGINES:
                runs[engine].append(_run(engine, folder / "day", folder))
                right[engine] = _against_truth(folder)
        line = _run("line", folder / "day", folder)
        best = {engine: _fastest(done) for engine, done in runs.items()}
        return {
            "case": "cityday",
            "scale": scale,
            "cores": os.cpu_count(),
            "cards_that_tap_twice": _share_tapping_twice(folder / "day"),
            # the first run ever on a machine compiles the map matching, and keeps it
            "first_run_s": round(sum(lap["wall_s"] for lap in first["laps"].values()), 2),
            "core_with_reading_s": _without_writing(best["jasyl"]),
            "whole_line": {
                "wall_s": round(sum(lap["wall_s"] for lap in line["laps"].values()), 1),
                "cpu_s": round(sum(lap["cpu_s"] for lap in line["laps"].values()), 1),
                **line,
            },
            "core_s": {e: _total(run, "wall_s") for e, run in best.items()},
            "core_cpu_s": {e: _total(run, "cpu_s") for e, run in best.items()},
            "times_as_fast": {step: _ratio(best, step, "wall_s") for step in CORE},
            "times_as_fast_by_cpu": {step: _ratio(best, step, "cpu_s") for step in CORE},
            "peer_goes_without": PEER_GOES_WITHOUT,
            "peak_gb": {e: max(run["peak_gb"] for run in done) for e, done in runs.items()},
            "rows": {e: done[-1]["rows"] for e, done in runs.items()},
            "against_truth": right,
            "laps": {e: run["laps"] for e, run in best.items()},
        }


def thirty_days(data: Path, scale: float = 1.0) -> Run:
    """The same steps on thirty days one after the other: has the time a day, as a ratio to DuckDB's, a trend?"""
    days = []
    with tempfile.TemporaryDirectory(prefix="jasyl-thirtydays-") as name:
        folder = Path(name)
        for number in range(DAYS):
            day: date = DAY + timedelta(days=number)
            write_city_day(folder / "day", round(POINTS * scale), round(TAPS * scale), day)
            if number == 0:
                _run("jasyl", folder / "day", folder)
            runs = {engine: _run(engine, folder / "day", folder) for engine in ENGINES}
            days.append(
                {
                    **{f"{e}_cpu_s": _total(run, "cpu_s") for e, run in runs.items()},
                    **{f"{e}_s": _total(run, "wall_s") for e, run in runs.items()},
                    "peak_gb": runs["jasyl"]["peak_gb"],
                }
            )
            shutil.rmtree(folder / "day")
    ratios = [day["jasyl_cpu_s"] / day["duckdb_cpu_s"] for day in days]
    return {
        "case": "thirtydays",
        "scale": scale,
        "ratio_of_cpu": {"mean": round(float(np.mean(ratios)), 3), **_trend(ratios)},
        "peak_gb": {
            "mean": round(float(np.mean([d["peak_gb"] for d in days])), 2),
            **_trend([d["peak_gb"] for d in days]),
        },
        "days": days,
    }


def _share_tapping_twice(day: Path) -> float:
    taps = pl.scan_parquet(day / "fare_transactions.parquet").group_by("fare_media_id").len()
    return round(float(taps.select((pl.col("len") >= 2).mean()).collect().item()), 4)


def _run(engine: str, day: Path, out: Path) -> Run:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.city_day_process", engine, str(day), str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"the steps of {engine} failed with exit code {done.returncode}")
    read: Run = json.loads(done.stdout)
    return read


def _total(run: Run, clock: str) -> float:
    return round(sum(run["laps"][step][clock] for step in CORE), 2)


def _without_writing(run: Run) -> float:
    """From the start of the process to the last step; the answers written for the look at the truth apart."""
    return round(sum(lap["wall_s"] for step, lap in run["laps"].items() if step != "write"), 2)


def _fastest(runs: list[Run]) -> Run:
    """The least each step took in any run."""
    laps = {
        step: {clock: min(run["laps"][step][clock] for run in runs) for clock in ("wall_s", "cpu_s")}
        for step in runs[0]["laps"]
    }
    return {"laps": laps}


def _ratio(best: dict[str, Run], step: str, clock: str) -> float:
    return round(best["duckdb"]["laps"][step][clock] / best["jasyl"]["laps"][step][clock], 2)


def _trend(values: list[float]) -> Run:
    """Slope a day with its 95 % interval."""
    fit = stats.linregress(np.arange(len(values)), values)
    half = float(stats.t.ppf(0.975, len(values) - 2) * fit.stderr)
    slope = float(fit.slope)
    return {"slope_a_day": round(slope, 5), "interval": [round(slope - half, 5), round(slope + half, 5)]}


def _against_truth(folder: Path) -> Run:
    """How right the engine's last run was: arrivals within 15 s, boarding and alighting stops."""
    happened = pl.read_parquet(folder / "day" / "truth_visits.parquet")
    visits = pl.read_parquet(folder / "visits.parquet")
    joined = visits.join(
        happened, left_on=["trip_id_performed", "trip_stop_sequence"], right_on=["trip_id", "stop_sequence"]
    )
    off_s = (pl.col("arrival") - pl.col("arrival_right")).dt.total_milliseconds().abs() / 1000
    rode = pl.read_parquet(folder / "day" / "truth_legs.parquet").rename({"transaction_id": "leg_id"})
    boarded = pl.read_parquet(folder / "boardings.parquet").join(rode, on="leg_id", suffix="_true")
    left = pl.read_parquet(folder / "alightings.parquet").join(rode, on="leg_id", suffix="_true")
    at_stop = (pl.col("boarding_stop_id") == pl.col("boarding_stop_id_true")).sum()
    return {
        "stop_visits": round(joined.height / happened.height, 4),
        "arrivals_within_15_s": round(joined.select((off_s <= 15).mean()).item(), 4),
        "boarding_stop": round(boarded.select(at_stop).item() / rode.height, 4),
        "alighting_stop_of_legs_given_one": round(
            left.drop_nulls("alighting_stop_id")
            .select((pl.col("alighting_stop_id") == pl.col("alighting_stop_id_true")).mean())
            .item(),
            4,
        ),
    }
