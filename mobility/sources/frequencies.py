"""GTFS `frequencies.txt`: one trip that stands for many, each a headway after the one before it.

https://gtfs.org/documentation/schedule/reference/#frequenciestxt
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mobility.sources.gtfs_tables import Tables, seconds, whole_numbers

FILE = "frequencies.txt"
REPETITION = {"repeats": pl.String, "trip_id": pl.String, "start_s": pl.Float64}


@dataclass(frozen=True)
class Repeated:
    """`trips` and `calls` with the repetitions in the place of the trips that stood for them, and which these are:
    `repetitions` has the columns of REPETITION, sorted by `repeats` (the trip of the file) and start."""

    trips: pl.DataFrame
    calls: pl.DataFrame
    repetitions: pl.DataFrame


def none_repeated() -> pl.DataFrame:
    """`repetitions` of a timetable without any."""
    return pl.DataFrame(schema=REPETITION)


def repeat_trips(tables: Tables, trips: pl.DataFrame, calls: pl.DataFrame) -> Repeated:
    """Every repetition as a trip `<trip_id>@HH:MM:SS`, named by its start. `calls`: trip_id, arrival_s, departure_s,
    is_timepoint and others. Unless `exact_times` is 1 only the headway is promised, so no call is a timepoint then.

    Raises FeedError naming the line of a time or headway that cannot be read, or of a headway that is not positive."""
    rows = tables.optional(FILE)
    if rows is None:
        return Repeated(trips, calls, none_repeated())
    rows = tables.typed(FILE, rows, ("start_time", "end_time"), seconds, "time such as 08:15:00", may_be_blank=False)
    rows = tables.typed(FILE, rows, ("headway_secs",), _headways, "number of seconds over 0", may_be_blank=False)
    exact = pl.col("exact_times") == "1" if "exact_times" in rows.columns else pl.lit(False)
    starts = (
        rows.select("trip_id", "start_time", "end_time", "headway_secs", exact.fill_null(False).alias("is_exact"))
        .join(trips.select("trip_id"), on="trip_id", how="semi")
        .with_columns(pl.int_ranges(0, _repetitions()).alias("number"))
        .explode("number")
        .drop_nulls("number")
        .with_columns((pl.col("start_time") + pl.col("number") * pl.col("headway_secs")).alias("start_s"))
        .unique(["trip_id", "start_s"], keep="first", maintain_order=True)
        .with_columns(pl.concat_str("trip_id", pl.lit("@"), _clock("start_s")).alias("repetition"))
        .select("trip_id", "repetition", "start_s", "is_exact")
        .sort("trip_id", "start_s")
    )
    named = rows["trip_id"].unique().implode()
    return Repeated(
        pl.concat([trips.filter(~pl.col("trip_id").is_in(named)), _under_their_names(trips, starts)]),
        pl.concat([calls.filter(~pl.col("trip_id").is_in(named)), _calls(calls, starts)]),
        starts.select(pl.col("trip_id").alias("repeats"), pl.col("repetition").alias("trip_id"), "start_s"),
    )


def _headways(shown: pl.Series) -> pl.Series:
    value = whole_numbers(shown)
    return pl.select(pl.when(value > 0).then(value)).to_series()


def _repetitions() -> pl.Expr:
    """How many start before the end."""
    span_s = pl.max_horizontal(pl.col("end_time") - pl.col("start_time"), pl.lit(0.0))
    return (span_s / pl.col("headway_secs")).ceil().cast(pl.Int64)


def _clock(column: str) -> pl.Expr:
    whole = pl.col(column).cast(pl.Int64)
    parts = [(whole // 3600, 2), (whole // 60 % 60, 2), (whole % 60, 2)]
    return pl.concat_str([part.cast(pl.String).str.zfill(digits) for part, digits in parts], separator=":")


def _under_their_names(rows: pl.DataFrame, starts: pl.DataFrame) -> pl.DataFrame:
    """The rows of each trip once for each of its repetitions."""
    repeated = rows.join(starts.select("trip_id", "repetition"), on="trip_id", maintain_order="right_left")
    return repeated.with_columns(pl.col("repetition").alias("trip_id")).select(rows.columns)


def _calls(calls: pl.DataFrame, starts: pl.DataFrame) -> pl.DataFrame:
    first_s = calls.group_by("trip_id").agg(pl.col("departure_s").first().alias("first_s"))
    later_s = pl.col("start_s") - pl.col("first_s").fill_null(0.0)
    return (
        calls.join(starts.join(first_s, on="trip_id"), on="trip_id", maintain_order="right_left")
        .with_columns(
            pl.col("arrival_s") + later_s,
            pl.col("departure_s") + later_s,
            pl.col("is_timepoint") & pl.col("is_exact"),
            pl.col("repetition").alias("trip_id"),
        )
        .select(calls.columns)
    )
