"""The whole line of mobility in order: a folder of feeds in, the flows folder out. Reads like its table of contents."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl

from mobility import flows, lake
from mobility.alightings import AlightingRules, Alightings, alightings
from mobility.boardings import BOARDS
from mobility.chaining import ChainingRules
from mobility.day_feeds import DayClock, DayFeeds, Progress, day_feeds
from mobility.expansion import control_totals
from mobility.habits import rides_told
from mobility.ingest import Ingested
from mobility.irregularities import DayRecord, counts, irregularities
from mobility.journeys import journeys
from mobility.lake_feeds import taps_of_the_day_before
from mobility.leg_weights import Weighed, weighed
from mobility.link_loads import link_loads
from mobility.memory import give_back_large_arrays
from mobility.od_matrix import od_flows
from mobility.schemas import (
    Boarding,
    FareTransaction,
    Irregularity,
    Journey,
    JourneyLeg,
    LineLoad,
    LinkLoad,
    OdFlow,
    Quarantined,
    StopVisit,
    UnmatchedLocation,
    VehicleLocation,
)
from mobility.service import Record, service_tables, write_service
from mobility.sources.depots import read_depots
from mobility.sources.gtfs import Timetable
from mobility.sources.manifest import Manifest, file_of, read_manifest
from mobility.sources.tides import read_good
from mobility.summary import (
    FARES_FILE,
    LOCATIONS_FILE,
    FileCount,
    FlowsSummary,
    file_count,
    legs_by,
    warnings,
    write_summary,
)
from mobility.threads import both


def build_flows(
    feeds: Path,
    out: Path,
    *,
    key: bytes,
    walk_limit_m: float = 750.0,
    known: pl.DataFrame | None = None,
    progress: Progress | None = None,
) -> FlowsSummary:
    """Read a feeds folder, write the flows folder `out`, and say what became of every row.

    `key` (at least 16 bytes) makes the pseudonyms of cards. `known`: what cards did on other days (mobility.habits),
    under pseudonyms of the same key. `progress(stage, share_done)` is called before each stage.
    A feed that is missing or empty gives empty tables and a warning. The same feeds and key give the same bytes; a
    crash leaves `out` as it was. Raises FeedError (a missing column, a broken file), WrongZoneError, MobilityError."""
    tell = progress or _silent
    give_back_large_arrays()
    manifest = read_manifest(feeds)
    building = out.parent / f".{out.name}.building"
    shutil.rmtree(building, ignore_errors=True)
    met = day_feeds(feeds, manifest, key, tell)
    tell("what was seen", 0.6)
    summary = _observed(building, feeds, met, manifest)
    boarded, visits, timetable, passages = [met.boarded], met.visits, met.timetable, met.driven.passages
    there = met.has_locations, met.has_taps
    del met  # positions are most of a day, and neither the service nor riders need more of them
    tell("service and alightings", 0.7)
    with ThreadPoolExecutor(1) as thread:
        # neither the service needs riders nor riders the service
        service = thread.submit(_served, building, visits, passages, timetable, manifest)
        rules = AlightingRules(chaining=ChainingRules(walk_limit_m))
        # given away, so that boardings do not stand in memory beside the legs made of them
        ended = alightings(boarded.pop(), visits, timetable.pattern_stops, timetable.stops, rules, known)
        scaled = _weighed(feeds, ended.legs, manifest)
        tell("flows", 0.85)
        summary = _flowing(building, scaled, ended, visits, manifest, summary)
        service.result()
    summary = replace(summary, warnings=warnings(summary, timetable, *there))
    write_summary(building, summary)
    lake.replace_entries(building, out)
    tell("done", 1.0)
    return summary


def card_rides(feeds: Path, *, key: bytes, walk_limit_m: float = 750.0) -> pl.DataFrame:
    """What a feeds folder's day alone tells of its cards (columns of HABIT), for the days after it. Errors as
    build_flows."""
    met = day_feeds(feeds, read_manifest(feeds), key, _silent)
    rules = AlightingRules(chaining=ChainingRules(walk_limit_m))
    return rides_told(alightings(met.boarded, met.visits, met.timetable.pattern_stops, met.timetable.stops, rules).legs)


def _observed(building: Path, feeds: Path, met: DayFeeds, manifest: Manifest) -> FlowsSummary:
    """Write what was seen of vehicles and taps; the summary as far as it is known by then."""
    day = manifest.service_date
    unplaced = _unplaced(met.taps.accepted, met.boarded)
    odd, _ = both(lambda: _irregularities(feeds, met, manifest), lambda: _write_seen(building, day, met))
    lake.write(building, "irregularities", Irregularity, odd, day)
    lake.write(building, "unplaced_taps", FareTransaction, unplaced, day)
    if manifest.lake is None:
        _write_accepted(building, day, met.locations, met.taps)
    files = (file_count(LOCATIONS_FILE, met.locations), file_count(FARES_FILE, met.taps))
    return _summary(manifest, files, met, unplaced.height, counts(odd))


def _write_seen(building: Path, day: date, met: DayFeeds) -> None:
    astray = met.driven.astray.with_columns(pl.lit(day).alias("service_date"))
    lake.write(building, "unmatched_locations", UnmatchedLocation, astray, day)
    lake.write(building, "stop_visits", StopVisit, met.visits, day)


def _served(
    building: Path, visits: pl.DataFrame, passages: pl.DataFrame, timetable: Timetable, manifest: Manifest
) -> None:
    """Write the tables of the service."""
    clock = DayClock.of(manifest)
    record = Record(manifest.service_date, clock.midnight_s, clock.midnight_s + manifest.begin_s, clock.end_s)
    write_service(building, service_tables(visits, passages, timetable, record), manifest.service_date)


def _irregularities(feeds: Path, met: DayFeeds, manifest: Manifest) -> pl.DataFrame:
    vehicles, clock = file_of(feeds, "vehicles.csv"), DayClock.of(manifest)
    record = DayRecord(
        met.locations.accepted,
        met.taps.accepted,
        met.visits,
        met.timetable,
        clock.midnight_s,
        clock.midnight_s + manifest.begin_s,
        clock.end_s,
        taps_of_the_day_before(manifest),
        None if vehicles is None else read_depots(vehicles),
    )
    return irregularities(record).with_columns(pl.lit(manifest.service_date).alias("service_date"))


def _unplaced(taps: pl.DataFrame, boarded: pl.DataFrame) -> pl.DataFrame:
    """Taps that board but have no stop."""
    boards = taps.filter(pl.col("fare_action").is_in(BOARDS))
    if boards.height == boarded.height:
        return boards.clear()
    return boards.join(boarded.select(pl.col("leg_id").alias("transaction_id")), on="transaction_id", how="anti")


def _weighed(feeds: Path, legs: pl.DataFrame, manifest: Manifest) -> Weighed:
    path = file_of(feeds, "control_totals.csv")
    totals = None if path is None else control_totals(read_good(path), path.name)
    dated = legs.with_columns(
        pl.lit(manifest.agency_id).alias("agency_id"), pl.lit(manifest.service_date).alias("service_date")
    )
    return weighed(dated, totals, manifest.cash_share, DayClock.of(manifest).midnight_s)


def _flowing(
    building: Path,
    scaled: Weighed,
    ended: Alightings,
    visits: pl.DataFrame,
    manifest: Manifest,
    summary: FlowsSummary,
) -> FlowsSummary:
    """Write the flows table by table, for each is as large as a day of taps; the summary with their counts."""
    day, midnight = manifest.service_date, manifest.midnight()
    legs = scaled.legs.select(JourneyLeg.column_names())
    lake.write(building, "journey_legs", JourneyLeg, legs, day)
    lake.write(building, "od_flows", OdFlow, od_flows(ended, legs, midnight), day)
    loads = link_loads(legs, visits, ended.options, ended.shares)
    lake.write(building, "link_loads", LinkLoad, loads, day)
    by_line = flows.line_loads(loads, midnight, manifest.begin_s, manifest.end_s)
    del loads
    lake.write(building, "line_loads", LineLoad, by_line, day)
    lake.write(building, "boardings", Boarding, flows.boardings_by_stop(legs), day)
    whole = journeys(legs)
    lake.write(building, "journeys", Journey, whole, day)
    return replace(
        summary,
        taps=legs.height + summary.unplaced,
        boarded=legs.height,
        pax=round(float(legs["pax"].sum()), flows.DIGITS),
        boarding_methods=legs_by(legs, "boarding_method"),
        alighting_methods=legs_by(legs, "method"),
        journeys=whole.height,
        expansion_change=None if scaled.change is None else round(scaled.change, flows.DIGITS),
        lines_without_taps=scaled.unscaled,
        lines_without_total=scaled.unknown,
        lines_below_taps=scaled.below,
    )


def _summary(
    manifest: Manifest, files: tuple[FileCount, ...], met: DayFeeds, unplaced: int, odd: dict[str, int]
) -> FlowsSummary:
    """What is known of a day before its riders are."""
    return FlowsSummary(
        agency_id=manifest.agency_id,
        service_date=manifest.service_date.isoformat(),
        zone=manifest.zone,
        begin_s=manifest.begin_s,
        end_s=manifest.end_s,
        files=files,
        trips=met.driven.trips,
        trips_by_pattern=met.driven.by_pattern,
        trips_unmatched=met.driven.unmatched,
        unmatched_positions=met.driven.reasons,
        stop_visits=met.visits.height,
        unplaced=unplaced,
        clocks_off=met.clocks_off,
        irregularities=odd,
        taps=0,
        boarded=0,
        pax=0.0,
        boarding_methods={},
        alighting_methods={},
        journeys=0,
        expansion_change=None,
        lines_without_taps=(),
        lines_without_total=(),
        warnings=(),
    )


def _silent(stage: str, share_done: float) -> None:
    """Progress nobody asked for."""


def _write_accepted(building: Path, day: date, locations: Ingested, taps: Ingested) -> None:
    """The rows that came in and those refused; a lake keeps both itself."""
    lake.write(building, "vehicle_locations", VehicleLocation, locations.accepted, day, part=locations.digest)
    lake.write(building, "fare_transactions", FareTransaction, taps.accepted, day, part=taps.digest)
    for name, ingested in (("vehicle_locations", locations), ("fare_transactions", taps)):
        kept = Quarantined.validate(ingested.quarantined, cast=True)
        lake.write_parquet(kept, building / "quarantine" / f"{name}.parquet")
