"""The benchmark of the city day in small: its data are what they say, and jasyl finds the truth in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parents[2]


def test_a_small_city_day_runs_through_both_engines(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "mobility.py"),
        "cityday",
        "--scale",
        "0.005",
        "--json",
        str(out),
    ]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
    found = json.loads(out.read_text())
    assert set(found["times_as_fast"]) == {"stop visits", "as-of", "chaining", "OD"}
    right = found["against_truth"]["jasyl"]
    assert right["stop_visits"] > 0.93
    assert right["arrivals_within_15_s"] > 0.97
    assert right["boarding_stop"] > 0.99
    assert found["rows"]["jasyl"]["boardings"] > 0
    line = found["whole_line"]
    assert line["rows"]["boarded"] == line["rows"]["fare_transactions"] == found["rows"]["jasyl"]["boardings"]
    assert {"od_flows", "link_loads", "segment_speeds", "headways"} < set(line["tables"])


def test_the_same_arguments_write_the_same_day_and_most_cards_tap_twice(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "city_day_data.py")]
    size = ["--points", "40000", "--taps", "8000"]
    for name in ("one", "two"):
        subprocess.run([*command, str(tmp_path / name), *size], check=True)
    for file in ("vehicle_locations.parquet", "fare_transactions.parquet", "gtfs.zip", "truth_legs.parquet"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    taps = pl.read_parquet(tmp_path / "one" / "fare_transactions.parquet")
    twice = taps.group_by("fare_media_id").len().select((pl.col("len") >= 2).mean()).item()
    # few buses run on a day this small, and some riders wait for their way back in vain
    assert 0.5 <= twice <= 0.7
    assert 0.9 * 8000 <= taps.height <= 8000
