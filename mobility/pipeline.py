"""The whole line of mobility in order: a folder of feeds in, the flows folder out. Reads like its table of contents."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from mobility import flows, lake
from mobility.alightings import AlightingRules, Alightings, alightings
from mobility.boardings import BOARDS, boardings
from mobility.chaining import ChainingRules
from mobility.clocks import assert_same_clock
from mobility.expansion import control_totals
from mobility.geometry import Projection
from mobility.habits import rides_told
from mobility.ingest import Ingested, ingest_fares, ingest_locations, nothing_ingested
from mobility.irregularities import DayRecord, counts, irregularities
from mobility.journeys import journeys
from mobility.lake_feeds import accepted_before, lake_table, passengers_taps, taps_of_the_day_before
from mobility.leg_weights import Weighed, weighed
from mobility.link_loads import link_loads
from mobility.od_matrix import od_flows
from mobility.performed import PERFORMED, Performed, assign_trips
from mobility.positions import PlacedPositions, off_paths, place_positions, reasons
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
from mobility.service_days import ServiceDay
from mobility.sources.depots import read_depots
from mobility.sources.gtfs import Timetable, empty_timetable, read_timetable
from mobility.sources.manifest import Manifest, read_manifest
from mobility.sources.mapped_csv import read_mapped, read_mapping
from mobility.sources.tides import FARE_TRANSACTIONS, VEHICLE_LOCATIONS, RawTable, read_strings, read_tides, timestamps
from mobility.stop_lines import stop_lines_on_paths
from mobility.summary import FileCount, FlowsSummary, file_count, legs_by, warnings, write_summary
from mobility.validator_clocks import clock_offsets, set_right
from mobility.visits import stop_visits

Progress = Callable[[str, float], None]


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
    manifest = read_manifest(feeds)
    day = _Day.of(manifest)
    met = _met(feeds, manifest, key, tell)
    timetable, locations, placed = met.timetable, met.locations, met.placed
    visits, taps, boarded = met.visits, met.taps, met.boarded
    rules = AlightingRules(chaining=ChainingRules(walk_limit_m))
    ended = alightings(boarded, visits, timetable.pattern_stops, timetable.stops, rules, known)
    tell("scaling", 0.75)
    scaled = _weighed(feeds, ended.legs, day, manifest)
    legs = scaled.legs.select(JourneyLeg.column_names())
    tell("flows", 0.85)
    tables = _tables(legs, ended, visits, day, manifest)
    tell("service", 0.9)
    record = Record(manifest.service_date, day.midnight_s, day.midnight_s + manifest.begin_s, day.end_s)
    service = service_tables(visits, placed, timetable, stop_lines_on_paths(feeds, timetable), record)
    unplaced = _unplaced(taps.accepted, boarded)
    odd = _irregularities(feeds, locations.accepted, taps.accepted, visits, timetable, day, manifest)
    files = (file_count("vehicle_locations.csv", locations), file_count("fare_transactions.csv", taps))
    summary = _summary(manifest, files, placed, tables, unplaced.height, scaled, met.clocks_off)
    summary = replace(summary, irregularities=counts(odd))
    summary = replace(summary, warnings=warnings(summary, timetable, met.locations_file, met.raw_taps))
    tell("writing", 0.95)
    building = out.parent / f".{out.name}.building"
    shutil.rmtree(building, ignore_errors=True)
    _write(building, manifest, locations, taps, unplaced, tables, summary)
    lake.write(building, "irregularities", Irregularity, odd, manifest.service_date)
    astray = off_paths(placed).with_columns(pl.lit(manifest.service_date).alias("service_date"))
    lake.write(building, "unmatched_locations", UnmatchedLocation, astray, manifest.service_date)
    write_service(building, service, manifest.service_date)
    lake.replace_entries(building, out)
    tell("done", 1.0)
    return summary


def card_rides(feeds: Path, *, key: bytes, walk_limit_m: float = 750.0) -> pl.DataFrame:
    """What a feeds folder's day alone tells of its cards (columns of HABIT), for the days after it. Errors as
    build_flows."""
    met = _met(feeds, read_manifest(feeds), key, _silent)
    rules = AlightingRules(chaining=ChainingRules(walk_limit_m))
    return rides_told(alightings(met.boarded, met.visits, met.timetable.pattern_stops, met.timetable.stops, rules).legs)


@dataclass(frozen=True)
class _Met:
    """A day's feeds brought together as far as the boarding of every tap. `_file` and `raw_` are the feeds themselves,
    nothing where they are not there."""

    timetable: Timetable
    locations: Ingested
    locations_file: RawTable | None
    placed: PlacedPositions
    raw_taps: RawTable | None
    visits: pl.DataFrame
    taps: Ingested
    clocks_off: int
    boarded: pl.DataFrame


def _met(feeds: Path, manifest: Manifest, key: bytes, tell: Progress) -> _Met:
    tell("timetable", 0.0)
    timetable = _timetable(feeds, manifest)
    tell("vehicle positions", 0.1)
    locations, locations_file = _locations(feeds, manifest, timetable)
    raw_taps = _raw(feeds, "fare_transactions", FARE_TRANSACTIONS, manifest)
    tell("stop visits", 0.25)
    placed = _placed(locations.accepted, timetable)
    visits = _visits(placed, timetable, raw_taps, _Day.of(manifest), manifest)
    tell("taps", 0.45)
    taps = _taps(raw_taps, visits, locations.accepted, timetable, manifest, key)
    tell("boardings and alightings", 0.55)
    clocks = clock_offsets(taps.accepted, visits)
    boarded = boardings(set_right(taps.accepted, clocks), visits)
    return _Met(timetable, locations, locations_file, placed, raw_taps, visits, taps, clocks.height, boarded)


@dataclass(frozen=True)
class _Day:
    """The service day's clock: epoch seconds of its midnight and of the end of the record."""

    midnight_s: float
    end_s: float

    @classmethod
    def of(cls, manifest: Manifest) -> _Day:
        midnight_s = manifest.midnight().timestamp()
        return cls(midnight_s, midnight_s + manifest.end_s)


@dataclass(frozen=True)
class _Tables:
    legs: pl.DataFrame
    journeys: pl.DataFrame
    od: pl.DataFrame
    boardings: pl.DataFrame
    link_loads: pl.DataFrame
    line_loads: pl.DataFrame
    visits: pl.DataFrame


def _silent(stage: str, share_done: float) -> None:
    """Progress nobody asked for."""


def _timetable(feeds: Path, manifest: Manifest) -> Timetable:
    path = feeds / "gtfs.zip" if (feeds / "gtfs.zip").exists() else feeds / "gtfs"
    if not path.exists():
        west, south, east, north = manifest.bounds or (0.0, 0.0, 0.0, 0.0)
        return empty_timetable(Projection((west + east) / 2, (south + north) / 2))
    return read_timetable(path, manifest.service_date)


def _raw(feeds: Path, table: str, required: tuple[str, ...], manifest: Manifest) -> RawTable | None:
    """`table`.csv of the feeds folder: by the mapping `table`.toml beside it, else as TIDES; nothing if not there.

    Where the feeds are a lake, its rows of the service date."""
    if manifest.lake is not None:
        return lake_table(manifest.lake, table, manifest)
    zone = manifest.zone
    path, mapping = feeds / f"{table}.csv", feeds / f"{table}.toml"
    if not path.exists():
        return None
    return read_mapped(path, read_mapping(mapping), zone) if mapping.exists() else read_tides(path, required, zone)


def _service_day(manifest: Manifest) -> ServiceDay:
    return ServiceDay(manifest.agency_id, manifest.service_date, manifest.midnight(), manifest.bounds)


def _locations(feeds: Path, manifest: Manifest, timetable: Timetable) -> tuple[Ingested, RawTable | None]:
    raw = _raw(feeds, "vehicle_locations", VEHICLE_LOCATIONS, manifest)
    if raw is None:
        return nothing_ingested(VehicleLocation), None
    if manifest.lake is not None:
        return accepted_before(raw), raw
    day = _service_day(manifest)
    if day.bounds is None:
        day = replace(day, bounds=timetable.bounds)
    return ingest_locations(raw, day), raw


def _placed(locations: pl.DataFrame, timetable: Timetable) -> PlacedPositions:
    projected = timetable.projection.project(locations, "longitude", "latitude")
    return place_positions(assign_trips(projected, timetable), timetable.paths)


def _visits(
    placed: PlacedPositions, timetable: Timetable, raw_taps: RawTable | None, day: _Day, manifest: Manifest
) -> pl.DataFrame:
    """Stop visits, and a check that the taps tell the same time as the vehicles."""
    tapped = (
        raw_taps.rows["vehicle_id"].drop_nulls().unique().sort()
        if raw_taps is not None
        else pl.Series([], dtype=pl.String)
    )
    silent = _scheduled_only(tapped, placed.performed, timetable)
    visits = stop_visits(placed, timetable, silent, day.midnight_s, day.end_s)
    if raw_taps is not None:
        times = raw_taps.rows.select("vehicle_id", timestamps(raw_taps).alias("at"))
        assert_same_clock(times, visits, manifest.zone)
    return visits.with_columns(pl.lit(manifest.service_date).alias("service_date")).select(StopVisit.column_names())


def _scheduled_only(tapped: pl.Series, performed: Performed, timetable: Timetable) -> pl.DataFrame:
    """Vehicles with taps but without positions, where their id is that of a trip or a block (PERFORMED)."""
    silent = pl.DataFrame({"vehicle_id": tapped}).filter(
        ~pl.col("vehicle_id").is_in(performed.trips["vehicle_id"].unique().to_list())
    )
    trips = timetable.trips.with_columns(pl.col("trip_id").alias("trip_id_performed"))
    own = silent.join(trips, left_on="vehicle_id", right_on="trip_id", how="inner", coalesce=False)
    block = silent.join(trips, left_on="vehicle_id", right_on="block_id", how="inner", coalesce=False)
    return pl.concat([own.select(list(PERFORMED)), block.select(list(PERFORMED))])


def _taps(
    raw: RawTable | None,
    visits: pl.DataFrame,
    locations: pl.DataFrame,
    timetable: Timetable,
    manifest: Manifest,
    key: bytes,
) -> Ingested:
    if raw is None:
        return nothing_ingested(FareTransaction)
    if manifest.lake is not None:
        return passengers_taps(raw, manifest)
    known = pl.concat(
        [
            locations["vehicle_id"],
            visits["vehicle_id"],
            timetable.trips["trip_id"],
            timetable.trips["block_id"].drop_nulls(),
        ]
    ).unique()
    return ingest_fares(raw, _service_day(manifest), known.sort().to_list() or None, key)


def _unplaced(taps: pl.DataFrame, boarded: pl.DataFrame) -> pl.DataFrame:
    """Taps that board but have no stop."""
    placed = boarded.select(pl.col("leg_id").alias("transaction_id"))
    return taps.filter(pl.col("fare_action").is_in(BOARDS)).join(placed, on="transaction_id", how="anti")


def _weighed(feeds: Path, legs: pl.DataFrame, day: _Day, manifest: Manifest) -> Weighed:
    path = feeds / "control_totals.csv"
    totals = control_totals(read_strings(path), path.name) if path.exists() else None
    dated = legs.with_columns(
        pl.lit(manifest.agency_id).alias("agency_id"), pl.lit(manifest.service_date).alias("service_date")
    )
    return weighed(dated, totals, manifest.cash_share, day.midnight_s)


def _tables(legs: pl.DataFrame, ended: Alightings, visits: pl.DataFrame, day: _Day, manifest: Manifest) -> _Tables:
    midnight = manifest.midnight()
    whole = journeys(legs)
    loads = link_loads(legs, visits, ended.options, ended.shares)
    return _Tables(
        legs,
        whole,
        od_flows(ended, legs, midnight),
        flows.boardings_by_stop(legs),
        loads,
        flows.line_loads(loads, midnight, manifest.begin_s, manifest.end_s),
        visits,
    )


def _irregularities(
    feeds: Path,
    locations: pl.DataFrame,
    taps: pl.DataFrame,
    visits: pl.DataFrame,
    timetable: Timetable,
    day: _Day,
    manifest: Manifest,
) -> pl.DataFrame:
    vehicles = feeds / "vehicles.csv"
    record = DayRecord(
        locations,
        taps,
        visits,
        timetable,
        day.midnight_s,
        day.midnight_s + manifest.begin_s,
        day.end_s,
        taps_of_the_day_before(manifest),
        read_depots(vehicles) if vehicles.exists() else None,
    )
    return irregularities(record).with_columns(pl.lit(manifest.service_date).alias("service_date"))


def _summary(
    manifest: Manifest,
    files: tuple[FileCount, ...],
    placed: PlacedPositions,
    tables: _Tables,
    unplaced: int,
    scaled: Weighed,
    clocks_off: int,
) -> FlowsSummary:
    return FlowsSummary(
        agency_id=manifest.agency_id,
        service_date=manifest.service_date.isoformat(),
        zone=manifest.zone,
        begin_s=manifest.begin_s,
        end_s=manifest.end_s,
        files=files,
        trips=placed.performed.trips.height,
        trips_by_pattern=placed.performed.by_pattern,
        trips_unmatched=placed.performed.unmatched,
        unmatched_positions=reasons(placed),
        stop_visits=tables.visits.height,
        taps=tables.legs.height + unplaced,
        boarded=tables.legs.height,
        unplaced=unplaced,
        pax=round(float(tables.legs["pax"].sum()), flows.DIGITS),
        boarding_methods=legs_by(tables.legs, "boarding_method"),
        alighting_methods=legs_by(tables.legs, "method"),
        journeys=tables.journeys.height,
        expansion_change=None if scaled.change is None else round(scaled.change, flows.DIGITS),
        lines_without_taps=scaled.unscaled,
        lines_without_total=scaled.unknown,
        clocks_off=clocks_off,
        warnings=(),
    )


def _write(
    building: Path,
    manifest: Manifest,
    locations: Ingested,
    taps: Ingested,
    unplaced: pl.DataFrame,
    tables: _Tables,
    summary: FlowsSummary,
) -> None:
    day = manifest.service_date
    if manifest.lake is None:
        _write_accepted(building, day, locations, taps)
    lake.write(building, "unplaced_taps", FareTransaction, unplaced, day)
    lake.write(building, "journey_legs", JourneyLeg, tables.legs, day)
    lake.write(building, "journeys", Journey, tables.journeys, day)
    lake.write(building, "od_flows", OdFlow, tables.od, day)
    lake.write(building, "boardings", Boarding, tables.boardings, day)
    lake.write(building, "link_loads", LinkLoad, tables.link_loads, day)
    lake.write(building, "line_loads", LineLoad, tables.line_loads, day)
    lake.write(building, "stop_visits", StopVisit, tables.visits, day)
    write_summary(building, summary)


def _write_accepted(building: Path, day: date, locations: Ingested, taps: Ingested) -> None:
    """The rows that came in and those refused; a lake keeps both itself."""
    lake.write(building, "vehicle_locations", VehicleLocation, locations.accepted, day, part=locations.digest)
    lake.write(building, "fare_transactions", FareTransaction, taps.accepted, day, part=taps.digest)
    for name, ingested in (("vehicle_locations", locations), ("fare_transactions", taps)):
        kept = Quarantined.validate(ingested.quarantined, cast=True)
        lake.write_parquet(kept, building / "quarantine" / f"{name}.parquet")
