"""What did not go as planned on a service day: trips added, cancelled, short-turned or diverted, buses that changed
line, validators that moved to another vehicle, lines and depots that sent no data.

One function a question. Each answers from the accepted tables, the stop visits and the timetable, and each answer has
its reason in words (Irregularity), so that an operator can tell what went wrong on the street from what is missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from mobility.categories import distinct, in_text
from mobility.schemas import Irregularity
from mobility.sources.gtfs import Timetable

# milliseconds since 2001 fit 41 bits until 2070
KEY_SHIFT: Final = 1 << 41
EPOCH_2001_MS: Final = 978_307_200_000
RUN: Final = ["vehicle_id", "trip_id_performed"]


@dataclass(frozen=True)
class IrregularityRules:
    """A run nobody named is a scheduled trip of its pattern that begins within `same_trip_s`. `missed_stops` stops in a
    row that a tracked vehicle came no nearer to than `near_stop_m` were not served; tracked means a position at least
    every `tracked_s`. A depot has at least `depot_vehicles` vehicles."""

    same_trip_s: float = 600.0
    missed_stops: int = 2
    near_stop_m: float = 100.0
    tracked_s: float = 60.0
    depot_vehicles: int = 3


DEFAULT: Final = IrregularityRules()


@dataclass(frozen=True)
class DayRecord:
    """What is known of a service day: rows of VehicleLocation, FareTransaction and StopVisit, the timetable, the epoch
    seconds of its midnight and between which was recorded, the taps of the day before (if known), and the depot of
    vehicles (vehicle_id, depot; if known)."""

    locations: pl.DataFrame
    taps: pl.DataFrame
    visits: pl.DataFrame
    timetable: Timetable
    midnight_s: float
    begin_s: float
    end_s: float
    taps_before: pl.DataFrame | None = None
    depots: pl.DataFrame | None = None

    @cached_property
    def runs(self) -> pl.DataFrame:
        """Runs that GPS saw: vehicle, trip, line, pattern_id, first_arrival."""
        seen = self.visits.filter(pl.col("method") != "timetable")
        return seen.group_by(*RUN, "line", "pattern_id").agg(pl.col("arrival").min().alias("first_arrival")).sort(RUN)

    @cached_property
    def scheduled(self) -> pl.DataFrame:
        """Trips of the timetable that begin and end within the record: trip_id, line, pattern_id, planned_start."""
        spans = self.timetable.calls.group_by("trip_id").agg(
            pl.col("departure_s").min().alias("start_s"), pl.col("arrival_s").max().alias("stop_s")
        )
        inside = spans.filter(
            (pl.col("start_s") + self.midnight_s >= self.begin_s) & (pl.col("stop_s") + self.midnight_s <= self.end_s)
        )
        start_ms = ((pl.col("start_s") + self.midnight_s) * 1000).round().cast(pl.Int64)
        return inside.join(self.timetable.trips.select("trip_id", "line", "pattern_id"), on="trip_id").select(
            "trip_id", "line", "pattern_id", start_ms.cast(pl.Datetime("ms", "UTC")).alias("planned_start")
        )

    @cached_property
    def not_run(self) -> pl.DataFrame:
        """Trips that are `scheduled` and that nobody named."""
        return self.scheduled.join(self.runs, left_on="trip_id", right_on="trip_id_performed", how="anti")


def irregularities(day: DayRecord, rules: IrregularityRules = DEFAULT) -> pl.DataFrame:
    """Every irregularity of the day (columns of Irregularity, service_date apart), in a fixed order."""
    found = [
        trips_added(day, rules),
        trips_cancelled(day, rules),
        trips_cut_or_diverted(day, rules),
        line_changes(day),
        validators_moved(day),
        silent_lines(day),
        silent_depots(day, rules),
    ]
    return pl.concat(found).sort("kind", "at", "line", "vehicle_id", "trip_id", "device_id", "detail", nulls_last=True)


def trips_added(day: DayRecord, rules: IrregularityRules = DEFAULT) -> pl.DataFrame:
    """Runs seen by GPS that are no trip of the timetable (Irregularity rows, kind trip_added)."""
    runs = day.runs
    unknown = runs.join(day.timetable.trips, left_on="trip_id_performed", right_on="trip_id", how="anti")
    extra = unknown.join(_stand_ins(day, rules), on=RUN, how="anti")
    return _rows(
        extra,
        "trip_added",
        pl.lit("a vehicle drove the stops of the line without a trip of the timetable"),
        at="first_arrival",
        trip="trip_id_performed",
    )


def trips_cancelled(day: DayRecord, rules: IrregularityRules = DEFAULT) -> pl.DataFrame:
    """Scheduled trips within the record that no vehicle was seen on (kind trip_cancelled).

    Lines of which no vehicle was seen at all are left out: of them nothing is known (`silent_lines`)."""
    missing = day.not_run.join(_stand_ins(day, rules), on="trip_id", how="anti")
    tracked = missing.join(day.runs.select("line").unique(), on="line", how="semi")
    return _rows(
        tracked,
        "trip_cancelled",
        pl.lit("scheduled, and no vehicle was seen on it"),
        at="planned_start",
        trip="trip_id",
    )


def trips_cut_or_diverted(day: DayRecord, rules: IrregularityRules = DEFAULT) -> pl.DataFrame:
    """Trips whose vehicle, though tracked, kept away from stops in a row: at an end of the trip (kind
    trip_short_turned), or between stops it served (kind trip_diverted)."""
    # most trips are seen at all of their stops
    with_gaps = day.visits.filter(pl.col("method") != "gps").select(RUN).unique()
    ordered = (
        day.visits.join(with_gaps, on=RUN, how="semi", maintain_order="left")
        .sort(*RUN, "trip_stop_sequence")
        .with_columns((pl.col("method") == "gps").alias("seen"))
    )
    unseen = ordered.with_columns(
        pl.when("seen").then("departure").forward_fill().over(RUN).alias("seen_before"),
        pl.when("seen").then("arrival").backward_fill().over(RUN).alias("seen_after"),
        pl.col("seen").any().over(RUN).alias("tracked"),
        pl.col("trip_stop_sequence").max().over(RUN).alias("stops"),
    ).filter(~pl.col("seen") & pl.col("tracked"))
    gap = [*RUN, "seen_before", "seen_after"]
    unseen = unseen.with_columns(
        pl.coalesce("seen_before", pl.col("arrival").min().over(gap)).alias("from"),
        pl.coalesce("seen_after", pl.col("departure").max().over(gap)).alias("until"),
    )
    missed = _kept_away(unseen, day, rules)
    # stops in a row: their numbers grow as their places in the list do
    row = pl.col("trip_stop_sequence").cast(pl.Int64) - pl.int_range(pl.len(), dtype=pl.Int64)
    runs = (
        missed.sort(*RUN, "trip_stop_sequence")
        .with_columns(row.alias("row"))
        .group_by(*RUN, "line", "stops", "row")
        .agg(
            pl.col("trip_stop_sequence").min().alias("first"),
            pl.col("trip_stop_sequence").max().alias("last"),
            pl.col("arrival").min().alias("from"),
        )
        .filter(pl.col("last") - pl.col("first") + 1 >= rules.missed_stops)
    )
    inner = (pl.col("first") > 1) & (pl.col("last") < pl.col("stops"))
    detail = _said("stops {first} to {last} of {stops} were not served")
    return pl.concat(
        [
            _rows(runs.filter(~inner), "trip_short_turned", detail, at="from", trip="trip_id_performed"),
            _rows(runs.filter(inner), "trip_diverted", detail, at="from", trip="trip_id_performed"),
        ]
    )


def line_changes(day: DayRecord) -> pl.DataFrame:
    """Vehicles that went over to another line within the day (kind line_changed); not where one block of the timetable
    has both trips."""
    blocks = day.timetable.trips.select(pl.col("trip_id").alias("trip_id_performed"), "block_id")
    runs = day.runs.join(blocks, on="trip_id_performed", how="left").sort("vehicle_id", "first_arrival")
    before, block_before = pl.col("line").shift(1), pl.col("block_id").shift(1)
    changed = runs.with_columns(before.alias("line_before")).filter(
        (pl.col("vehicle_id") == pl.col("vehicle_id").shift(1))
        & (pl.col("line") != before)
        & ~(pl.col("block_id") == block_before).fill_null(False)
    )
    detail = _said("from line {line_before} to line {line}")
    return _rows(changed, "line_changed", detail, at="first_arrival", trip="trip_id_performed")


def validators_moved(day: DayRecord) -> pl.DataFrame:
    """Validators read in another vehicle than the last time, today or the day before (kind validator_moved)."""
    columns = ["device_id", "vehicle_id", "event_timestamp"]
    days = [(day.taps, True)] if day.taps_before is None else [(day.taps_before, False), (day.taps, True)]
    reads = pl.concat(
        in_text(taps.select(columns).drop_nulls("device_id")).with_columns(pl.lit(today).alias("today"))
        for taps, today in days
    )
    # nearly all validators stay where they are: only those of several vehicles are worth sorting
    several = reads.group_by("device_id").agg(pl.col("vehicle_id").n_unique().alias("vehicles"))
    several = several.filter(pl.col("vehicles") > 1)
    reads = reads.join(several, on="device_id", how="semi").sort("device_id", "event_timestamp", "vehicle_id")
    same_device = pl.col("device_id") == pl.col("device_id").shift(1)
    moved = reads.with_columns(
        pl.col("vehicle_id").shift(1).alias("vehicle_before"), pl.col("today").shift(1).alias("today_before")
    ).filter(same_device & (pl.col("vehicle_id") != pl.col("vehicle_before")) & pl.col("today"))
    when = pl.when("today_before").then(pl.lit("within the day")).otherwise(pl.lit("overnight"))
    moved = moved.with_columns(when.alias("when"))
    detail = _said("from vehicle {vehicle_before} to {vehicle_id}, {when}")
    return _rows(moved, "validator_moved", detail, at="event_timestamp", device="device_id")


def silent_lines(day: DayRecord) -> pl.DataFrame:
    """Lines with scheduled trips within the record of which no vehicle was seen (kind line_silent): their trips may
    have run."""
    scheduled = day.scheduled.group_by("line").agg(pl.len().alias("trips"), pl.col("planned_start").min())
    silent = scheduled.join(day.runs.select("line").unique(), on="line", how="anti")
    detail = _said("{trips} scheduled trips, and no position of a vehicle on any")
    return _rows(silent, "line_silent", detail, at="planned_start")


def silent_depots(day: DayRecord, rules: IrregularityRules = DEFAULT) -> pl.DataFrame:
    """Depots none of whose vehicles sent positions (kind depot_without_positions) or taps (depot_without_taps) while
    others did. Empty where no depots are known."""
    if day.depots is None:
        return _rows(pl.DataFrame(schema={"line": pl.String}), "depot_without_taps", pl.lit(""))
    found = []
    for kind, rows in (("depot_without_positions", day.locations), ("depot_without_taps", day.taps)):
        sent = distinct(rows["vehicle_id"]).to_frame().with_columns(pl.lit(True).alias("sent"))
        depots = (
            day.depots.unique("vehicle_id", keep="first", maintain_order=True)
            .join(sent, on="vehicle_id", how="left")
            .group_by("depot")
            .agg(pl.len().alias("vehicles"), pl.col("sent").any().fill_null(False))
        )
        silent = depots.filter(~pl.col("sent") & (pl.col("vehicles") >= rules.depot_vehicles) & (rows.height > 0))
        found.append(_rows(silent, kind, _said("depot {depot}: none of its {vehicles} vehicles did")))
    return pl.concat(found)


def counts(found: pl.DataFrame) -> dict[str, int]:
    """How many irregularities there are of each kind."""
    counted = found.group_by("kind").len().sort("kind")
    return dict(zip(counted["kind"].to_list(), counted["len"].to_list(), strict=True))


def _stand_ins(day: DayRecord, rules: IrregularityRules) -> pl.DataFrame:
    """Runs nobody named that are a scheduled trip nobody else ran: vehicle_id, trip_id_performed, trip_id."""
    runs = day.runs.join(day.timetable.trips, left_on="trip_id_performed", right_on="trip_id", how="anti")
    apart_ms = (pl.col("first_arrival") - pl.col("planned_start")).dt.total_milliseconds().abs()
    pairs = (
        runs.join(day.not_run, on="pattern_id")
        .with_columns(apart_ms.alias("apart_ms"))
        .filter(pl.col("apart_ms") <= rules.same_trip_s * 1000)
        .sort("apart_ms", *RUN, "trip_id")
    )
    nearest_trip = pairs.unique(RUN, keep="first", maintain_order=True)
    return nearest_trip.unique("trip_id", keep="first", maintain_order=True).select(*RUN, "trip_id")


def _kept_away(unseen: pl.DataFrame, day: DayRecord, rules: IrregularityRules) -> pl.DataFrame:
    """The stops that a vehicle came nowhere near although it was tracked from `from` until `until`."""
    if unseen.is_empty():
        return unseen
    vehicles = unseen.select("vehicle_id").unique(maintain_order=True).with_row_index("vehicle")
    known = pl.Enum(vehicles["vehicle_id"].cast(pl.String))
    positions = (
        day.locations.lazy()
        .select(pl.col("vehicle_id").cast(known, strict=False).to_physical().alias("vehicle"), "event_timestamp")
        .with_row_index("row")
        .filter(pl.col("vehicle").is_not_null())
        .select(_key("event_timestamp").alias("key"), "row")
        # bit by bit: a day's positions take much room
        .collect(engine="streaming")
    )
    # both tables have the vehicles in order, so this holds for a day's positions as they come
    positions = positions if positions["key"].is_sorted() else positions.sort("key")
    calls = unseen.join(vehicles, on="vehicle_id", maintain_order="left").with_row_index("call")
    keys = calls.select(_key("from").alias("from"), _key("until").alias("until"))
    calls = calls.with_columns(
        positions["key"].search_sorted(keys["from"], side="left").cast(pl.Int64).alias("begin"),
        positions["key"].search_sorted(keys["until"], side="right").cast(pl.Int64).alias("end"),
    )
    count, seconds = pl.col("end") - pl.col("begin"), (pl.col("until") - pl.col("from")).dt.total_milliseconds() / 1000
    tracked = calls.filter((count * rules.tracked_s >= seconds) & (count > 0))
    stops = day.timetable.stops.select("stop_id", pl.col("x_m").alias("stop_x"), pl.col("y_m").alias("stop_y"))
    around = (
        tracked.join(stops, on="stop_id")
        .select("call", "stop_x", "stop_y", pl.int_ranges("begin", "end").alias("place"))
        .explode("place")
        .sort("call", "place")
    )
    at = day.locations.select("longitude", "latitude")[positions["row"].gather(around["place"])]
    nearest = (
        around.hstack(day.timetable.projection.project(at, "longitude", "latitude").select("x_m", "y_m"))
        .with_columns(
            pl.col("x_m").shift(-1).over("call").fill_null(pl.col("x_m")).alias("next_x"),
            pl.col("y_m").shift(-1).over("call").fill_null(pl.col("y_m")).alias("next_y"),
        )
        .group_by("call")
        .agg(_distance_m().min().alias("nearest_m"))
    )
    return tracked.join(nearest, on="call").filter(pl.col("nearest_m") > rules.near_stop_m)


def _key(time: str) -> pl.Expr:
    """One integer that orders by vehicle, then by time."""
    return pl.col("vehicle").cast(pl.Int64) * KEY_SHIFT + (pl.col(time).dt.epoch("ms") - EPOCH_2001_MS)


def _distance_m() -> pl.Expr:
    """From a stop to the straight line between one position and the next."""
    dx, dy = pl.col("next_x") - pl.col("x_m"), pl.col("next_y") - pl.col("y_m")
    sx, sy = pl.col("stop_x") - pl.col("x_m"), pl.col("stop_y") - pl.col("y_m")
    length = dx * dx + dy * dy
    share = pl.when(length > 0).then((sx * dx + sy * dy) / length).otherwise(0.0).clip(0.0, 1.0)
    return ((sx - share * dx) ** 2 + (sy - share * dy) ** 2).sqrt()


def _said(sentence: str) -> pl.Expr:
    """A sentence with the columns named in braces; pl.format of polars 2.1 fails on columns of strings."""
    parts = re.split(r"[{}]", sentence)
    return pl.concat_str(
        pl.col(part).cast(pl.String) if place % 2 else pl.lit(part) for place, part in enumerate(parts)
    )


def _rows(
    found: pl.DataFrame,
    kind: str,
    detail: pl.Expr,
    *,
    at: str | None = None,
    trip: str | None = None,
    device: str | None = None,
) -> pl.DataFrame:
    def column(name: str | None) -> pl.Expr:
        return pl.lit(None, dtype=pl.String) if name is None or name not in found.columns else pl.col(name)

    time = pl.lit(None) if at is None else pl.col(at)
    rows = found.select(
        pl.lit(kind).alias("kind"),
        time.cast(pl.Datetime("ms", "UTC")).alias("at"),
        column("line").cast(pl.String).alias("line"),
        column("vehicle_id").cast(pl.String).alias("vehicle_id"),
        column(trip).cast(pl.String).alias("trip_id"),
        column(device).cast(pl.String).alias("device_id"),
        detail.cast(pl.String).alias("detail"),
    )
    return rows.select(name for name in Irregularity.column_names() if name != "service_date")
