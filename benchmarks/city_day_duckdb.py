"""The core steps on a city day as DuckDB SQL, each timed: run by city_day_process.py.

The peer does less, never more, than jasyl: a position takes the nearest place on its trip's path, not the place that
fits its drive; a leg takes the least far stop ahead, without probabilities; what is not seen is left out. Timetable and
paths are read by jasyl beforehand, and not timed.
"""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import polars as pl

from benchmarks.stopwatch import Stopwatch
from mobility.map_matching import GPS, PIECE_M, pattern_numbers, straight_pieces
from mobility.sources.gtfs import Timetable, read_timetable
from mobility.sources.manifest import read_manifest
from mobility.visits import DEFAULT

THREADS, MEMORY = 2, "16GB"
CELL_M = GPS.radius_m + PIECE_M / 2

CLUSTER = """
create table pings as
select p.vehicle_id, t.track, t.pattern_number, epoch_ms(p.event_timestamp) / 1000.0 as at_s,
       (p.longitude - {lon0}) * {east_m} as x, (p.latitude - {lat0}) * {north_m} as y
from read_parquet('{folder}/vehicle_locations.parquet') p
join tracks t on t.trip_id = p.trip_id_performed
order by p.vehicle_id, at_s;
create table taps as
select transaction_id, vehicle_id, fare_media_id as card, epoch_ms(event_timestamp) / 1000.0 as at_s
from read_parquet('{folder}/fare_transactions.parquet')
order by vehicle_id, at_s;
"""

VISITS = """
create table driven as
with near as (
    select track, pattern_number, at_s, x, y, cast(floor(x / {cell}) as int) as cx, cast(floor(y / {cell}) as int) as cy
    from pings
),
candidates as (
    select n.track, n.at_s, m0 + t * length_m as path_m,
           (x0 + t * dx - x) * (x0 + t * dx - x) + (y0 + t * dy - y) * (y0 + t * dy - y) as off2
    from (
        select n.*, p.*, greatest(0, least(1, ((x - x0) * dx + (y - y0) * dy) / (length_m * length_m))) as t
        from near n join pieces p using (pattern_number, cx, cy)
    ) n
)
select track, at_s, max(path_m) over (partition by track order by at_s) as path_m
from (
    select track, at_s, arg_min(path_m, off2) as path_m from candidates
    where off2 <= {radius} * {radius} group by track, at_s
);
create table lines as
select t.track, t.vehicle_id, t.trip_id, s.trip_stop_sequence, s.stop_id, s.is_last_stop, t.line, t.pattern_id,
       s.path_m - {zone} as enter_m, s.path_m + {zone} as leave_m
from tracks t join pattern_stops s using (pattern_id);
create table entered as
select l.track, l.trip_stop_sequence,
       b.at_s + (a.at_s - b.at_s) * (l.enter_m - b.path_m) / (a.path_m - b.path_m) as arrival
from lines l
asof join driven b on l.track = b.track and l.enter_m > b.path_m
asof join driven a on l.track = a.track and l.enter_m <= a.path_m;
create table departed as
select l.track, l.trip_stop_sequence,
       b.at_s + (a.at_s - b.at_s) * (l.leave_m - b.path_m) / (a.path_m - b.path_m) as departure
from lines l
asof join driven b on l.track = b.track and l.leave_m >= b.path_m
asof join driven a on l.track = a.track and l.leave_m < a.path_m;
create table visits as
select l.*, coalesce(e.arrival, d.departure) as arrival, coalesce(d.departure, e.arrival) as departure
from lines l
left join entered e using (track, trip_stop_sequence)
left join departed d using (track, trip_stop_sequence)
where coalesce(e.arrival, d.departure) is not null
order by vehicle_id, arrival;
"""

AS_OF = """
create table boarded as
with behind as (
    select t.*, v.track, v.trip_stop_sequence, v.stop_id, v.is_last_stop, v.line, v.pattern_id, v.departure, v.arrival
    from taps t asof left join visits v on t.vehicle_id = v.vehicle_id and t.at_s + 3 >= v.arrival
),
ahead as (
    select t.transaction_id, v.track, v.trip_stop_sequence, v.stop_id, v.line, v.pattern_id, v.arrival
    from taps t
    asof join (select * from visits where trip_stop_sequence = 1) v
    on t.vehicle_id = v.vehicle_id and t.at_s <= v.arrival
    where v.arrival - t.at_s <= 900
)
select b.transaction_id, b.card, b.at_s,
       case when b.is_last_stop and a.track is not null then a.track else b.track end as track,
       case when b.is_last_stop and a.track is not null then a.trip_stop_sequence else b.trip_stop_sequence end as seq,
       case when b.is_last_stop and a.track is not null then a.stop_id else b.stop_id end as stop_id,
       case when b.is_last_stop and a.track is not null then a.line else b.line end as line,
       case when b.is_last_stop and a.track is not null then a.pattern_id else b.pattern_id end as pattern_id
from behind b left join ahead a using (transaction_id)
where b.track is not null and b.at_s - b.departure <= 1800;
"""

CHAINING = """
create table chain as
select *, row_number() over () as leg,
       lead(stop_id) over card_day as next_stop, lead(at_s) over card_day as next_at,
       lead(line) over card_day as next_line,
       first_value(stop_id) over card_day as first_stop, count(*) over (partition by card) as taps
from boarded window card_day as (partition by card order by at_s, transaction_id);
create table chained as
with asked as (
    select c.leg, c.track, c.seq, c.at_s, c.next_at, s.x_m as toward_x, s.y_m as toward_y
    from chain c join stops s on s.stop_id = coalesce(c.next_stop, c.first_stop) where c.taps > 1
),
options as (
    select a.leg, v.stop_id, v.arrival, 0.02 * (v.arrival - a.at_s)
           + sqrt((s.x_m - toward_x) ** 2 + (s.y_m - toward_y) ** 2) * 1.3 / 1.2 as cost_s,
           sqrt((s.x_m - toward_x) ** 2 + (s.y_m - toward_y) ** 2) as distance_m, a.next_at
    from asked a
    join visits v on v.track = a.track and v.trip_stop_sequence > a.seq
    join stops s on s.stop_id = v.stop_id
)
select leg, arg_min(stop_id, cost_s) as alighting_stop, arg_min(arrival, cost_s) as alighted_at
from options
where distance_m <= 750 and (next_at is null or arrival + distance_m * 1.3 / 1.2 - 60 <= next_at)
group by leg;
"""

OD = """
create table od as
with legs as (
    select c.*, h.alighting_stop, h.alighted_at,
           coalesce(c.next_at - h.alighted_at <= 1800 and c.next_line != c.line, false) as changes
    from chain c left join chained h using (leg)
),
numbered as (
    select *, sum(case when before then 0 else 1 end) over (partition by card order by at_s, transaction_id) as journey
    from (
        select *, coalesce(lag(changes) over (partition by card order by at_s, transaction_id), false) as before
        from legs
    )
),
journeys as (
    select card, journey, first(stop_id order by at_s) as origin, last(alighting_stop order by at_s) as destination,
           min(at_s) as started
    from numbered group by card, journey
)
select cast(floor((started - {midnight}) / 3600) as int) as hour, origin, destination, count(*) as pax,
       count(distinct card) as cards
from journeys where destination is not null group by 1, 2, 3 order by 1, 2, 3;
"""

ANSWERS = {
    "visits": "select trip_id as trip_id_performed, trip_stop_sequence, "
    "make_timestamptz(cast(arrival * 1e6 as bigint)) as arrival from visits",
    "boardings": "select transaction_id as leg_id, stop_id as boarding_stop_id from boarded",
    "alightings": "select transaction_id as leg_id, alighting_stop as alighting_stop_id "
    "from chain join chained using (leg)",
}


def run(folder: Path, out: Path, _begun_s: float) -> dict[str, object]:
    """Take all steps on the feeds in `folder`; stop visits and boardings go to `out` for a look at the truth.

    What comes before the steps, imports as well, is not timed."""
    manifest = read_manifest(folder)
    timetable = read_timetable(folder / "gtfs.zip", manifest.service_date)
    db = duckdb.connect()
    db.execute(f"set threads = {THREADS}; set memory_limit = '{MEMORY}'; set preserve_insertion_order = false")
    driven = pl.read_parquet(folder / "vehicle_locations.parquet", columns=["vehicle_id", "trip_id_performed"])
    _prepare(db, timetable, driven, out)
    east_m, north_m = timetable.projection.metres_per_degree()
    place = {"lon0": timetable.projection.lon0, "lat0": timetable.projection.lat0, "east_m": east_m, "north_m": north_m}
    watch = Stopwatch(since=time.perf_counter())
    watch.lap("start")
    for name, sql in (
        ("read and cluster", CLUSTER.format(folder=folder, **place)),
        ("stop visits", VISITS.format(cell=CELL_M, radius=GPS.radius_m, zone=DEFAULT.zone_m)),
        ("as-of", AS_OF),
        ("chaining", CHAINING),
        ("OD", OD.format(midnight=manifest.midnight().timestamp())),
    ):
        db.execute(sql)
        watch.lap(name)
    read = watch.read()
    for name, sql in ANSWERS.items():
        db.execute(f"copy ({sql}) to '{out}/{name}.parquet'")
    counted = {"stop visits": "visits", "boardings": "boarded", "legs": "chained", "OD cells": "od"}
    rows = {name: db.sql(f"select count(*) from {table}").fetchall()[0][0] for name, table in counted.items()}
    return {**read, "rows": rows}


def _prepare(db: duckdb.DuckDBPyConnection, timetable: Timetable, driven: pl.DataFrame, out: Path) -> None:
    """Tables made of the timetable: tracks (a trip of a vehicle), pattern_stops, stops, pieces by cell."""
    tracks = (
        driven.drop_nulls()
        .unique()
        .sort("vehicle_id", "trip_id_performed")
        .rename({"trip_id_performed": "trip_id"})
        .join(timetable.trips, on="trip_id")
        .join(pattern_numbers(timetable.paths), on="pattern_id")
        .with_row_index("track")
    )
    last = pl.col("trip_stop_sequence") == pl.col("trip_stop_sequence").max().over("pattern_id")
    around = pl.DataFrame({"i": [-1, 0, 1]}).join(pl.DataFrame({"j": [-1, 0, 1]}), how="cross")
    middle = [((pl.col(f"{axis}0") + pl.col(f"d{axis}") / 2) / CELL_M).floor().cast(pl.Int32) for axis in "xy"]
    pieces = (
        straight_pieces(timetable.paths)
        .join(around, how="cross")
        .with_columns(
            (middle[0] + pl.col("i")).cast(pl.Int32).alias("cx"), (middle[1] + pl.col("j")).cast(pl.Int32).alias("cy")
        )
    )
    frames = {
        "tracks": tracks,
        "pattern_stops": timetable.pattern_stops.with_columns(last.alias("is_last_stop")),
        "stops": timetable.stops,
        "pieces": pieces,
    }
    for name, frame in frames.items():
        frame.write_parquet(out / f"{name}.parquet")
        db.execute(f"create table {name} as select * from read_parquet('{out}/{name}.parquet')")
