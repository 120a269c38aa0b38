"""The delay of buses at signalised approaches, from their positions on the path and the places of the stop lines.

A bus arrives where it comes within `zone_m` of the stop line (less where another stop line lies within), and has left
the signal `clear_m` behind the line: a bus that waits at the line is seen beyond it now and then, as GPS errs, but not
so far. Where the next stop line is nearer than twice that, the signal is left halfway to it. Both times are read
between the positions around them. Delay is the time between the two, less dwell at stops within, less the free-flow
time: that of a low quantile of the day's passages, as signals are green to some.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mobility.service_schemas import PathPosition, SignalDelay, SignalPassage, StopLine

TRIP = ["vehicle_id", "trip_id_performed"]
CM = 100.0


@dataclass(frozen=True)
class SignalRules:
    """`clear_m` is three times the error of a GPS of 5 m. `free_quantile` of the passages of an approach, if there are
    `least_passages`, is its free-flow time; else the zone at `free_speed_m_s`. A bus that is delayed over `stopped_s`
    counts as stopped. Times read between positions more than `seen_gap_s` apart lose confidence, and beyond
    `longest_gap_s` tell nothing."""

    zone_m: float = 150.0
    clear_m: float = 15.0
    free_quantile: float = 0.1
    least_passages: int = 20
    free_speed_m_s: float = 40 / 3.6
    stopped_s: float = 5.0
    seen_gap_s: float = 15.0
    longest_gap_s: float = 60.0


DEFAULT = SignalRules()


def signal_passages(
    positions: pl.DataFrame, stop_lines: pl.DataFrame, visits: pl.DataFrame, rules: SignalRules = DEFAULT
) -> pl.DataFrame:
    """Columns of SignalPassage, sorted by approach and crossing. `positions`: PathPosition rows; `stop_lines`: StopLine
    rows; `visits`: StopVisit rows of the same trips (dwell within the zones)."""
    tracked = positions.select(PathPosition.column_names()).sort(*TRIP, "event_timestamp")
    tracked = tracked.with_columns(
        pl.struct(TRIP).rank("dense").cast(pl.Int64).alias("track"),
        (pl.col("event_timestamp").dt.epoch("ms") / 1000).alias("at_s"),
        pl.col("path_m").cum_max().over(TRIP),
    )
    trips = tracked.select("track", *TRIP, "pattern_id").unique(maintain_order=True)
    zones = trips.join(_zones(stop_lines, rules), on="pattern_id")
    places = tracked.select("track", "path_m", "at_s").sort("track", "path_m", "at_s")
    arrived = _crossed(zones, places, "zone_start_m", "arrival")
    cleared = _crossed(zones, places, "clear_at_m", "cleared")
    on = ["track", "approach_id", "stop_line_m"]
    passages = (
        zones.join(arrived, on=on)
        .join(cleared, on=on)
        .with_columns(pl.max_horizontal("arrival_gap", "cleared_gap").alias("gap_s"))
        .filter(pl.col("gap_s") <= rules.longest_gap_s)
    )
    return _described(_with_dwell(passages, visits), visits, rules)


def signal_delays(passages: pl.DataFrame, midnight_s: float, rules: SignalRules = DEFAULT) -> pl.DataFrame:
    """Columns of SignalDelay, sorted by approach and hour. `passages`: SignalPassage rows."""
    key = ["service_date", "approach_id", "hour"]
    return (
        passages.with_columns(
            ((pl.col("crossing").dt.epoch("ms") / 1000 - midnight_s) // 3600).cast(pl.Int64).alias("hour")
        )
        .sort(*key, "crossing", *TRIP)
        .group_by(key, maintain_order=True)
        .agg(
            pl.col("line").unique().sort().str.join(",").alias("lines"),
            pl.len().cast(pl.Int64).alias("buses"),
            pl.col("delay_s").mean().round(3).alias("mean_delay_s"),
            pl.col("delay_s").median().round(3).alias("median_delay_s"),
            pl.col("delay_s").quantile(0.85, "linear").round(3).alias("p85_delay_s"),
            (pl.col("delay_s") > rules.stopped_s).mean().round(6).alias("stopped_share"),
            pl.col("confidence").mean().round(6),
        )
        .select(SignalDelay.column_names())
    )


def _zones(stop_lines: pl.DataFrame, rules: SignalRules) -> pl.DataFrame:
    """StopLine rows with zone_start_m: `zone_m` before the line, or where a bus has left the stop line before if that
    is nearer; and clear_at_m: where it has left this one, at the latest at the end of the path."""
    line_m, next_m = pl.col("stop_line_m"), pl.col("stop_line_m").shift(-1).over("pattern_id")
    clear_at_m = pl.min_horizontal(line_m + rules.clear_m, (line_m + next_m) / 2, "path_end_m")
    before_m = pl.col("clear_at_m").shift(1).over("pattern_id").fill_null(0.0)
    return (
        stop_lines.select(StopLine.column_names())
        .sort("pattern_id", "stop_line_m", "approach_id")
        .unique(["pattern_id", "stop_line_m"], keep="first", maintain_order=True)
        .with_columns(clear_at_m.alias("clear_at_m"))
        .with_columns(pl.max_horizontal(line_m - rules.zone_m, before_m).alias("zone_start_m"))
        .filter(pl.col("zone_start_m") < line_m)
    )


def _crossed(zones: pl.DataFrame, places: pl.DataFrame, line: str, name: str) -> pl.DataFrame:
    """Time `name` at which each track crossed the column `line` of zones, and `name`_gap between the positions it was
    read from: the last one before the line and the first one on or after it. Both must be there."""
    key = (pl.col("track") * (1 << 40) + (pl.col("m") * CM).round().cast(pl.Int64)).alias("key")
    seen = places.rename({"path_m": "m"}).with_columns(key)
    wanted = zones.select("track", "approach_id", "stop_line_m", pl.col(line).alias("m")).with_columns(key)
    first = seen.sort("key", "at_s").rename({"track": "t", "m": "m_after", "at_s": "s_after"})
    last = seen.sort("key", "at_s").rename({"track": "t", "m": "m_before", "at_s": "s_before"})
    joined = (
        wanted.sort("key")
        .join_asof(first, on="key", strategy="forward")
        .with_columns((pl.col("key") - 1).alias("key"))
        .rename({"t": "track_after"})
        .join_asof(last, on="key", strategy="backward")
        .filter((pl.col("t") == pl.col("track")) & (pl.col("track_after") == pl.col("track")))
    )
    span = pl.col("m_after") - pl.col("m_before")
    share = pl.when(span > 0).then((pl.col("m") - pl.col("m_before")) / span).otherwise(1.0).clip(0.0, 1.0)
    gap = pl.col("s_after") - pl.col("s_before")
    return joined.select(
        "track",
        "approach_id",
        "stop_line_m",
        (pl.col("s_before") + share * gap).alias(name),
        gap.alias(f"{name}_gap"),
    )


def _with_dwell(passages: pl.DataFrame, visits: pl.DataFrame) -> pl.DataFrame:
    """`passages` with dwell_s: the seconds in which the bus was at a stop, of those it took to leave the signal."""
    stays = visits.filter(pl.col("method") != "timetable").select(
        *TRIP,
        (pl.col("arrival").dt.epoch("ms") / 1000).alias("stop_from"),
        (pl.col("departure").dt.epoch("ms") / 1000).alias("stop_to"),
    )
    overlap = pl.min_horizontal("stop_to", "cleared") - pl.max_horizontal("stop_from", "arrival")
    on = [*TRIP, "approach_id", "stop_line_m"]
    dwell = (
        passages.select(*on, "arrival", "cleared")
        .join(stays, on=TRIP)
        .filter((pl.col("stop_to") > pl.col("arrival")) & (pl.col("stop_from") < pl.col("cleared")))
        .group_by(on)
        .agg(overlap.sum().alias("dwell_s"))
    )
    return passages.join(dwell, on=on, how="left").with_columns(pl.col("dwell_s").fill_null(0.0))


def _described(passages: pl.DataFrame, visits: pl.DataFrame, rules: SignalRules) -> pl.DataFrame:
    lines = visits.select(*TRIP, "service_date", "line").unique(TRIP, keep="first", maintain_order=True)
    zone_m = pl.col("clear_at_m") - pl.col("zone_start_m")
    # zones of one approach can differ between patterns, so free flow is learned as a pace
    pace = (pl.col("cleared") - pl.col("arrival") - pl.col("dwell_s")) / zone_m
    over_the_line_s = (pl.col("clear_at_m") - pl.col("stop_line_m")) / rules.free_speed_m_s
    learned = pl.col("pace").quantile(rules.free_quantile, "linear").over("approach_id")
    free_pace = pl.when(pl.len().over("approach_id") >= rules.least_passages).then(learned)
    fade = (pl.col("gap_s") - rules.seen_gap_s) / (rules.longest_gap_s - rules.seen_gap_s)
    return (
        passages.with_columns(
            pl.max_horizontal("arrival", pl.col("cleared") - over_the_line_s).alias("crossing"),
            pace.clip(lower_bound=0.0).alias("pace"),
            zone_m.round(1).alias("zone_m"),
        )
        .with_columns(
            (free_pace.otherwise(1 / rules.free_speed_m_s) * zone_m).round(3).alias("free_s"),
            (pl.col("pace") * zone_m).alias("net_s"),
        )
        .with_columns((pl.col("net_s") - pl.col("free_s")).clip(lower_bound=0.0).round(3).alias("delay_s"))
        .join(lines, on=TRIP)
        .with_columns(
            *(_moment(name) for name in ("arrival", "crossing")),
            pl.col("dwell_s", "gap_s").round(3),
            (1.0 - 0.6 * fade.clip(0.0, 1.0)).round(6).alias("confidence"),
        )
        .sort("approach_id", "crossing", *TRIP)
        .select(SignalPassage.column_names())
    )


def _moment(name: str) -> pl.Expr:
    return pl.from_epoch((pl.col(name) * 1000).round().cast(pl.Int64), time_unit="ms").dt.replace_time_zone("UTC")
