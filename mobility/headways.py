"""Headways as run and as planned, bunching, and what they do to riders who wait.

Riders who come at random wait the sum of the squared headways over twice their sum (Welding 1957; Osuna & Newell 1972);
excess wait is that of the headways run less that of the headways planned.
"""

from __future__ import annotations

import polars as pl

from mobility.cells import Cells, sorted_by
from mobility.run_calls import join_calls
from mobility.service_schemas import Headway, WaitTime

STOP = ["line", "direction_id", "stop_id"]
BUNCHED_SHARE = 0.25
_OF_VISIT = ["service_date", *STOP, "vehicle_id", "trip_id_performed", "trip_stop_sequence", "departure", "confidence"]
DIGITS = 6


def headways(visits: pl.DataFrame, planned: pl.DataFrame) -> pl.DataFrame:
    """Columns of Headway, sorted by line, direction, stop and departure. `visits`: rows of StopVisit; `planned`: rows
    of `planned_headways` joined to the runs: vehicle_id, trip_id_performed, trip_stop_sequence, scheduled_headway_s.

    The last stop of a trip takes nobody aboard and has no headway."""
    boarding = visits.filter(~pl.col("is_last_stop")).select(*_OF_VISIT)
    boarding = sorted_by(boarding, [*STOP, "departure", "vehicle_id", "trip_id_performed"])
    gap_s = (pl.col("departure") - _before("departure")).dt.total_milliseconds() / 1000
    apart = boarding.with_columns(
        gap_s.alias("headway_s"),
        pl.min_horizontal("confidence", _before("confidence")).alias("confidence"),
    ).drop_nulls("headway_s")
    return (
        join_calls(apart, planned, "left")
        .with_columns((pl.col("headway_s") < BUNCHED_SHARE * pl.col("scheduled_headway_s")).alias("is_bunched"))
        .select(Headway.column_names())
    )


def planned_headways(calls: pl.DataFrame) -> pl.DataFrame:
    """`calls` (trip_id, trip_stop_sequence, line, direction_id, stop_id, is_last_stop, departure_s) with
    scheduled_headway_s, the time since the planned departure before; without last stops and calls that have no time."""
    return (
        calls.filter(~pl.col("is_last_stop"))
        .drop_nulls("departure_s")
        .pipe(sorted_by, [*STOP, "departure_s", "trip_id"])
        .with_columns((pl.col("departure_s") - _before("departure_s")).alias("scheduled_headway_s"))
    )


def wait_times(
    run: pl.DataFrame, planned: pl.DataFrame, midnight_s: float, begin_s: float, end_s: float
) -> pl.DataFrame:
    """Columns of WaitTime, sorted by line, direction, stop and hour. `run`: Headway rows; `planned`: planned_headways.

    Only what was planned between the epoch seconds `begin_s` and `end_s` is held against what was run then."""
    hour = ((pl.col("departure").dt.epoch("ms") / 1000 - midnight_s) // 3600).cast(pl.Int64).alias("hour")
    recorded = (pl.col("departure_s") + midnight_s).is_between(begin_s, end_s)
    scheduled = (
        planned.filter(recorded)
        .drop_nulls("scheduled_headway_s")
        .group_by(*STOP, (pl.col("departure_s") // 3600).cast(pl.Int64).alias("hour"))
        .agg(_wait("scheduled_headway_s").round(DIGITS).alias("scheduled_wait_s"))
    )
    key = run.select("service_date", *STOP, hour)
    cells = Cells.of(key)
    gap_s = run["headway_s"]
    mean_s, total_s = cells.means(gap_s), cells.sums(gap_s)
    return (
        cells.firsts(key)
        .with_columns(
            cells.counts().alias("headways"),
            mean_s.round(DIGITS).alias("mean_headway_s"),
            (cells.deviations(gap_s) / mean_s).fill_nan(None).round(DIGITS).alias("headway_cv"),
            cells.means(run["is_bunched"]).round(DIGITS).alias("bunched_share"),
            # where buses leave together all the time nobody waits
            (cells.sums(gap_s**2) / (2 * total_s)).fill_nan(0.0).round(DIGITS).alias("actual_wait_s"),
            cells.means(run["confidence"]).round(DIGITS).alias("confidence"),
        )
        .join(scheduled, on=[*STOP, "hour"], how="left", nulls_equal=True, maintain_order="left")
        .with_columns((pl.col("actual_wait_s") - pl.col("scheduled_wait_s")).round(DIGITS).alias("excess_wait_s"))
        .select(WaitTime.column_names())
    )


def _before(column: str) -> pl.Expr:
    """What the row before has, where it is of the same STOP; the rows of one stand together."""
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in STOP)
    # the first row has none before it, whatever its own columns lack
    return pl.when(same & (pl.int_range(pl.len()) > 0)).then(pl.col(column).shift(1))


def _wait(headway: str) -> pl.Expr:
    total = pl.col(headway).sum()
    return pl.when(total > 0).then(pl.col(headway).pow(2).sum() / (2 * total)).otherwise(0.0)
