"""A day's feeds brought together, as far as the boarding of every tap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from mobility.boardings import boardings
from mobility.categories import distinct, in_categories
from mobility.clocks import assert_same_clock
from mobility.day_names import day_names, placed_in, timetable_in
from mobility.errors import MappingError
from mobility.geometry import Projection
from mobility.ingest import Ingested, ingest_fares, ingest_locations, nothing_ingested
from mobility.lake_feeds import accepted_before, lake_table, passengers_taps, without_ids
from mobility.performed import PERFORMED, Performed, assign_trips
from mobility.positions import PlacedPositions, off_paths, place_positions, reasons
from mobility.schemas import FareTransaction, StopVisit, VehicleLocation
from mobility.service import passages_of_signals
from mobility.service_days import ServiceDay
from mobility.sources.gtfs import Timetable, empty_timetable, read_timetable
from mobility.sources.manifest import Manifest, file_of
from mobility.sources.mapped_csv import read_mapped, read_mapping
from mobility.sources.tides import FARE_TRANSACTIONS, VEHICLE_LOCATIONS, RawTable, read_tides, repeated_text, timestamps
from mobility.stop_lines import stop_lines_on_paths
from mobility.threads import both
from mobility.validator_clocks import clock_offsets, set_right
from mobility.visits import stop_visits

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class DayClock:
    """The service day's clock: epoch seconds of its midnight and of the end of the record."""

    midnight_s: float
    end_s: float

    @classmethod
    def of(cls, manifest: Manifest) -> DayClock:
        """The clock of the day a manifest describes."""
        midnight_s = manifest.midnight().timestamp()
        return cls(midnight_s, midnight_s + manifest.end_s)


@dataclass(frozen=True)
class Driven:
    """What is kept of positions on paths beside the stop visits: `trips` that were driven, of them `by_pattern` and
    `unmatched` (Performed), the positions on no path (off_paths) with how many there are by `reasons`, and the
    passages_of_signals."""

    trips: int
    by_pattern: int
    unmatched: int
    reasons: dict[str, int]
    astray: pl.DataFrame
    passages: pl.DataFrame


@dataclass(frozen=True)
class DayFeeds:
    """`locations`, `taps`: what became of their rows; `visits`: rows of StopVisit; `boarded`: boardings();
    `clocks_off`: validators whose clock was set right. `has_`: whether a feed has any row."""

    timetable: Timetable
    locations: Ingested
    driven: Driven
    visits: pl.DataFrame
    taps: Ingested
    clocks_off: int
    boarded: pl.DataFrame
    has_locations: bool
    has_taps: bool


def day_feeds(feeds: Path, manifest: Manifest, key: bytes, tell: Progress) -> DayFeeds:
    """The feeds of the folder `feeds`. `key` makes the pseudonyms of cards; `tell(stage, share_done)` is called before
    each stage. Raises FeedError (a missing column, a broken file), WrongZoneError, MobilityError."""
    tell("timetable and vehicle positions", 0.0)
    timetable, raw = both(
        lambda: _timetable(feeds, manifest), lambda: _raw(feeds, "vehicle_locations", VEHICLE_LOCATIONS, manifest)
    )
    has_locations = raw is not None and not raw.rows.is_empty()
    locations = _locations(raw, manifest, timetable)
    del raw
    tell("stop visits", 0.25)
    placed = _placed(locations.accepted, timetable, manifest.midnight().timestamp())
    # not before: to place positions takes the most memory of all steps, and needs no tap
    raw_taps = _raw(feeds, "fare_transactions", FARE_TRANSACTIONS, manifest)
    tapped = pl.Series([], dtype=pl.String) if raw_taps is None else _distinct(repeated_text(raw_taps, "vehicle_id"))
    silent = _scheduled_only(tapped, placed.performed, timetable)
    names = day_names(timetable, placed.performed.trips, tapped)
    timetable, placed = timetable_in(names, timetable), placed_in(names, placed)
    visits = _visits(placed, timetable, in_categories(silent, names), raw_taps, DayClock.of(manifest), manifest)
    driven = _driven(feeds, placed, visits, timetable)
    del placed  # the largest there is of a day, and no later step needs it
    if manifest.lake is not None:
        locations = without_ids(locations)
    tell("taps", 0.45)
    taps = _taps(raw_taps, visits, locations.accepted, timetable, manifest, key)
    taps = replace(taps, accepted=in_categories(taps.accepted, {"vehicle_id": names["vehicle_id"]}))
    tell("boardings and alightings", 0.55)
    clocks = clock_offsets(taps.accepted, visits)
    boarded = boardings(set_right(taps.accepted, clocks), visits)
    return DayFeeds(
        timetable,
        locations,
        driven,
        visits,
        taps,
        clocks.height,
        boarded,
        has_locations,
        raw_taps is not None and not raw_taps.rows.is_empty(),
    )


def _timetable(feeds: Path, manifest: Manifest) -> Timetable:
    path = file_of(feeds, "gtfs.zip") or file_of(feeds, "gtfs")
    if path is None:
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
    if not mapping.exists():
        return read_tides(path, required, zone)
    chosen = read_mapping(mapping)
    if chosen.table != table:
        raise MappingError(f"{mapping}: table '{chosen.table}' must be '{table}', as the mapping of {path.name}")
    return read_mapped(path, chosen, zone)


def _service_day(manifest: Manifest) -> ServiceDay:
    return ServiceDay(manifest.agency_id, manifest.service_date, manifest.midnight(), manifest.bounds)


def _locations(raw: RawTable | None, manifest: Manifest, timetable: Timetable) -> Ingested:
    """What became of the positions."""
    if raw is None:
        return nothing_ingested(VehicleLocation)
    if manifest.lake is not None:
        return accepted_before(raw)
    day = _service_day(manifest)
    if day.bounds is None:
        day = replace(day, bounds=timetable.bounds)
    return ingest_locations(raw, day)


def _placed(locations: pl.DataFrame, timetable: Timetable, midnight_s: float) -> PlacedPositions:
    projected = timetable.projection.project(locations, "longitude", "latitude")
    return place_positions(assign_trips(projected, timetable, midnight_s), timetable.paths)


def _distinct(names: pl.Series) -> pl.Series:
    return distinct(names).sort()


def _visits(
    placed: PlacedPositions,
    timetable: Timetable,
    silent: pl.DataFrame,
    raw_taps: RawTable | None,
    day: DayClock,
    manifest: Manifest,
) -> pl.DataFrame:
    """Stop visits, and a check that the taps tell the same time as the vehicles."""
    visits = stop_visits(placed, timetable, silent, day.midnight_s, day.end_s)
    if raw_taps is not None:
        vehicle = repeated_text(raw_taps, "vehicle_id").cast(visits.schema["vehicle_id"])
        times = raw_taps.rows.select(vehicle, timestamps(raw_taps).alias("at"))
        assert_same_clock(times, visits, manifest.zone)
    return visits.with_columns(pl.lit(manifest.service_date).alias("service_date")).select(StopVisit.column_names())


def _driven(feeds: Path, placed: PlacedPositions, visits: pl.DataFrame, timetable: Timetable) -> Driven:
    performed = placed.performed
    return Driven(
        performed.trips.height,
        performed.by_pattern,
        performed.unmatched,
        reasons(placed),
        off_paths(placed),
        passages_of_signals(visits, placed, stop_lines_on_paths(feeds, timetable)),
    )


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
    named = (
        locations["vehicle_id"],
        visits["vehicle_id"],
        timetable.trips["trip_id"],
        timetable.trips["block_id"].drop_nulls(),
    )
    known = pl.concat([distinct(column) for column in named]).unique()
    return ingest_fares(raw, _service_day(manifest), known.sort().to_list() or None, key)
