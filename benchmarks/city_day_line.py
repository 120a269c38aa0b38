"""A city day through the whole line as an operator runs it: raw Parquet into a lake, and from there into every table of
the flows folder. Run by city_day_process.py."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from benchmarks.stopwatch import Stopwatch
from mobility.day_order import DayOrder
from mobility.intake import LakeDescription, open_lake, take_in
from mobility.month import flows_of_day
from mobility.sources.feed import form_named
from mobility.sources.manifest import read_manifest

KEY = b"cards of a synthetic city"


def run(folder: Path, out: Path, begun_s: float) -> dict[str, object]:
    """`jasyl mobility ingest` of both files and `jasyl mobility flows` of the date, as the commands call them."""
    watch = Stopwatch(since=begun_s)
    watch.lap("start")
    manifest = read_manifest(folder)
    lake, flows = out / "lake", out / "flows"
    for made in (lake, flows):
        shutil.rmtree(made, ignore_errors=True)
    open_lake(lake, LakeDescription(manifest.agency_id, manifest.zone))
    rows = {}
    for name in ("vehicle_locations", "fare_transactions"):
        # no name for what was read, which would keep it in memory to the end
        rows[name] = take_in(
            lake, *form_named("tides").read(folder / f"{name}.parquet", manifest.zone), key=KEY
        ).accepted
        watch.lap(f"ingest {name}")
    order = DayOrder(lake, folder / "gtfs.zip", flows, manifest.service_date, manifest.begin_s, manifest.end_s)
    summary = flows_of_day(replace(order, cash_share=manifest.cash_share))
    watch.lap("flows")
    tables = sorted(table.name for table in flows.iterdir() if table.is_dir() and table.name[0] != ".")
    return {**watch.read(), "rows": {**rows, "boarded": summary.boarded}, "tables": tables}
