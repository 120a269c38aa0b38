"""Demand of a week by interval, from a CSV table beside the demand of one period (the base).

One row an interval, and an approach or movement where the table counts them. Columns:

day         monday to sunday, weekday, weekend or every_day; a day of its own goes before the group that holds it.
            Without the column every day is the same.
begin_s     start of the interval, seconds after midnight. It ends where the next begins, the last is as long as the
            one before, a single one 900 s. `long_intervals` tells where rows may be missing.
and one of
scale                         factor on the base: cars and people on foot
approach, count_veh           vehicles that came to the stop lines of an edge; turning shares are those of the base
junction, movement, count_veh turning counts

What a table of counts leaves out keeps its base flow times what the counted flows are of theirs in that interval. Buses
run as in the base. `detectors.csv` of a feeds folder is a profile too: its counts by quarter-hour, turning flows by
`turning_flows`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from statistics import median
from typing import Final

import polars as pl
from pydantic import ValidationError

from optimiser.day_types import WEEK, WEEKDAYS
from optimiser.demand import MOST_FLOW_H, Demand, DemandProfile, PedestrianFlow, TurningFlow
from sumo_networks.bindings import CityModel
from sumo_networks.detector_counts import read_detector_counts, refuse_other_lanes
from sumo_networks.errors import NetworkError
from sumo_networks.lane_links import lane_links
from sumo_networks.net_file import read_net
from sumo_networks.turning_flows import estimate_turning_flows

QUARTER_HOUR_S: Final = 900.0
DAY_S: Final = 86_400.0
LEAST_INTERVAL_S: Final = 60.0
LONG: Final = 4.0
"""An interval so many times as long as the usual one is told."""
LATEST_S: Final = 30 * 3600.0
DAYS_OF: Final = {"every_day": WEEK, "weekday": WEEKDAYS, "weekend": WEEK[5:], **{day: (day,) for day in WEEK}}
# A group is laid down before the days within it, so that these go before it.
_WIDEST_FIRST: Final = sorted(DAYS_OF, key=lambda name: -len(DAYS_OF[name]))
_DETECTORS: Final = "detector_id"
_ROW: Final = "row of the file"

Flows = Mapping[tuple[str, str], float]
"""veh/h by (junction, movement)."""


class DemandProfileError(NetworkError):
    """A demand profile cannot be read, or does not fit the network."""


def read_demand_profile(path: Path, base: Demand, model: CityModel, net: Path) -> dict[str, DemandProfile]:
    """The profile of each day of the week that the table tells of.

    Raises DemandProfileError with one sentence that names the file and the column or row at fault."""
    table = _read_table(path)
    if _DETECTORS in table.columns:
        return dict.fromkeys(WEEK, _of_detectors(path, table, base, model, net))
    flows_of = _reader(path, table, base, model)
    table = table.with_columns(_numbers(path, table, "begin_s"))
    if "day" not in table.columns:
        table = table.with_columns(day=pl.lit("every_day"))
    names = table["day"].unique().to_list()
    unknown = sorted(str(name) for name in names if name not in DAYS_OF)
    if unknown:
        raise DemandProfileError(f"{path}: day {unknown[0]!r} is unknown; use one of {', '.join(DAYS_OF)}")
    found: dict[str, DemandProfile] = {}
    for name in _WIDEST_FIRST:
        if name in names:
            rows = table.filter(pl.col("day") == name)
            profile = DemandProfile(day=name, intervals=_intervals(path, rows, flows_of))
            found.update(dict.fromkeys(DAYS_OF[name], profile))
    return {day: found[day] for day in WEEK if day in found}


def long_intervals(profiles: Mapping[str, DemandProfile]) -> tuple[str, ...]:
    """A sentence on each interval far longer than its day's usual one: a count of a quarter-hour whose next rows are
    missing would be taken for one of hours."""
    told: dict[str, None] = {}
    for profile in profiles.values():
        usual_s = median(demand.end_s - demand.begin_s for demand in profile.intervals)
        for demand in profile.intervals:
            if demand.end_s - demand.begin_s >= LONG * usual_s:
                told[
                    f"{profile.day}: the interval from {demand.begin_s:g} to {demand.end_s:g} s is taken as one, where "
                    f"most last {usual_s:g} s; if rows are missing, add them"
                ] = None
    return tuple(told)


def scaled(base: Demand, scale: float, begin_s: float, end_s: float) -> Demand:
    """The base with cars and people on foot times `scale`; buses as they run."""
    flows = {(f.junction, f.movement): f.flow_veh_h * scale for f in base.turning_flows}
    return _with_flows(base, flows, scale, begin_s, end_s)


def _read_table(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise DemandProfileError(f"{path}: no such file; give a CSV table with the columns day, begin_s, scale")
    try:
        table = pl.read_csv(path, infer_schema=False)
        table = table.rename({column: column.strip() for column in table.columns})
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise DemandProfileError(f"{path}: not a CSV table ({str(error).splitlines()[0]}); save it as CSV") from error
    table = table.with_columns(pl.all().str.strip_chars().replace("", None)).with_row_index(_ROW, offset=2)
    table = table.filter(~pl.all_horizontal(pl.all().exclude(_ROW).is_null()))
    if table.is_empty():
        raise DemandProfileError(f"{path}: no row in it; give one an interval")
    return table


def _reader(
    path: Path, table: pl.DataFrame, base: Demand, model: CityModel
) -> Callable[[pl.DataFrame, float, float], Demand]:
    """Makes a demand of the rows of one interval, by the columns that the table has."""
    columns = set(table.columns) - {_ROW}
    if "begin_s" not in columns:
        raise DemandProfileError(
            f"{path}: column 'begin_s' is missing (it has {', '.join(sorted(columns))}); give the start of each "
            "interval in seconds, and commas between columns"
        )
    if "scale" in columns:
        _numbers(path, table, "scale")
        return lambda rows, begin_s, end_s: scaled(base, _only(path, rows, "scale"), begin_s, end_s)
    if "count_veh" in columns and {"junction", "movement"} <= columns:
        each: dict[tuple[str, ...], list[tuple[str, str]]] = {
            (junction.id, movement.id): [(junction.id, movement.id)]
            for junction in model.network.junctions
            for movement in junction.movements
        }
        return _counted(path, table, base, each, ("junction", "movement"))
    if "count_veh" in columns and "approach" in columns:
        ways: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for junction in model.network.junctions:
            for movement in junction.movements:
                ways.setdefault((movement.approach,), []).append((junction.id, movement.id))
        return _counted(path, table, base, ways, ("approach",))
    raise DemandProfileError(
        f"{path}: no column 'scale', and no 'count_veh' with 'approach' or with 'junction' and 'movement'; add one"
    )


def _counted(
    path: Path,
    table: pl.DataFrame,
    base: Demand,
    known: Mapping[tuple[str, ...], list[tuple[str, str]]],
    keys: Sequence[str],
) -> Callable[[pl.DataFrame, float, float], Demand]:
    _numbers(path, table, "count_veh")
    for key in table.select(keys).unique().sort(keys).iter_rows():
        if key not in known:
            name = " ".join(map(str, key))
            near = get_close_matches(name, [" ".join(k) for k in known], n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else "name one of the network's"
            raise DemandProfileError(f"{path}: there is no signalled {' and '.join(keys)} {name!r}; {hint}")
    before = {(f.junction, f.movement): f.flow_veh_h for f in base.turning_flows}

    def demand_of(rows: pl.DataFrame, begin_s: float, end_s: float) -> Demand:
        hours = (end_s - begin_s) / 3600
        flows: dict[tuple[str, str], float] = {}
        twice = rows.filter(pl.struct(keys).is_duplicated())
        if not twice.is_empty():
            raise DemandProfileError(
                f"{path}: rows {twice[_ROW][0]} and {twice[_ROW][1]} both count {' '.join(twice.select(keys).row(0))} "
                f"at {begin_s:g} s; keep one"
            )
        for *key, count in rows.select(*keys, pl.col("count_veh").cast(float)).rows():
            ways = known[tuple(key)]
            total = sum(before.get(way, 0.0) for way in ways)
            for way in ways:
                share = before.get(way, 0.0) / total if total else 1 / len(ways)
                flows[way] = count / hours * share
        of_base = sum(before.get(way, 0.0) for way in flows)
        ratio = sum(flows.values()) / of_base if of_base else 1.0
        others = {way: flow * ratio for way, flow in before.items() if way not in flows}
        return _with_flows(base, {**flows, **others}, ratio, begin_s, end_s)

    return demand_of


def _intervals(
    path: Path, rows: pl.DataFrame, demand_of: Callable[[pl.DataFrame, float, float], Demand]
) -> tuple[Demand, ...]:
    begins = rows["begin_s"].unique().sort().to_list()
    last_s = begins[-1] - begins[-2] if len(begins) > 1 else QUARTER_HOUR_S
    ends = [*begins[1:], begins[-1] + last_s]
    short = next(
        (begin_s for begin_s, end_s in zip(begins, ends, strict=True) if end_s - begin_s < LEAST_INTERVAL_S), None
    )
    if short is not None:
        raise DemandProfileError(
            f"{path}: {rows['day'][0]} has an interval that begins at {short:g} s and lasts under {LEAST_INTERVAL_S:g} "
            "s; give begin_s in seconds of the day (7:00 is 25200)"
        )
    if begins[-1] > LATEST_S:
        raise DemandProfileError(
            f"{path}: {rows['day'][0]} has an interval that begins at {begins[-1]:g} s; give begin_s in seconds of the "
            "day, up to 30 hours"
        )
    if ends[-1] - begins[0] > DAY_S:
        raise DemandProfileError(
            f"{path}: {rows['day'][0]} lasts from {begins[0]:g} to {ends[-1]:g} s, over 24 hours; give one day"
        )
    found = []
    for begin_s, end_s in zip(begins, ends, strict=True):
        try:
            found.append(demand_of(rows.filter(pl.col("begin_s") == begin_s), begin_s, end_s))
        except ValidationError as error:
            raise DemandProfileError(
                f"{path}: the interval of {rows['day'][0]} that begins at {begin_s:g} s makes a flow over "
                f"{MOST_FLOW_H:g} an hour; give a smaller scale or count"
            ) from error
    return tuple(found)


def _with_flows(base: Demand, flows: Flows, walkers: float, begin_s: float, end_s: float) -> Demand:
    occupancy = {(f.junction, f.movement): f.occupancy_pax for f in base.turning_flows}
    usual = base.turning_flows[0].occupancy_pax if base.turning_flows else 1.3
    return Demand(
        begin_s=begin_s,
        end_s=end_s,
        turning_flows=tuple(
            TurningFlow(
                junction=junction,
                movement=movement,
                flow_veh_h=round(flow, 3),
                served_veh_h=round(flow, 3),
                occupancy_pax=occupancy.get((junction, movement), usual),
            )
            for (junction, movement), flow in sorted(flows.items())
        ),
        bus_flows=base.bus_flows,
        pedestrian_flows=tuple(
            PedestrianFlow(junction=walk.junction, group=walk.group, flow_pax_h=round(walk.flow_pax_h * walkers, 3))
            for walk in base.pedestrian_flows
        ),
    )


def _of_detectors(path: Path, table: pl.DataFrame, base: Demand, model: CityModel, net: Path) -> DemandProfile:
    """Quarter-hours of detector counts; what the feeds leave over at the end is left out."""
    for name in ("interval_begin_s", "interval_end_s"):
        if name not in table.columns:
            raise DemandProfileError(f"{path}: column {name!r} is missing; record the feeds again")
        table = table.with_columns(_numbers(path, table, name))
    first_s, last_s = table["interval_begin_s"].min(), table["interval_end_s"].max()
    assert isinstance(first_s, float) and isinstance(last_s, float)
    count = int((last_s - first_s + 1e-6) // QUARTER_HOUR_S)
    if count < 1:
        raise DemandProfileError(f"{path}: less than a quarter-hour of counts; record a longer period")
    content = read_net(net)
    links, occupancy = lane_links(content), base.turning_flows[0].occupancy_pax if base.turning_flows else 1.3
    intervals = []
    for number in range(count):
        begin_s = first_s + number * QUARTER_HOUR_S
        end_s = begin_s + QUARTER_HOUR_S
        counts = read_detector_counts(path, begin_s, end_s)
        refuse_other_lanes(counts, content, path)
        estimate = estimate_turning_flows(model, links, counts, occupancy)
        update = {"begin_s": begin_s, "end_s": end_s, "turning_flows": estimate.flows}
        intervals.append(base.model_copy(update=update))
    return DemandProfile(day="every_day", intervals=tuple(intervals))


def _numbers(path: Path, table: pl.DataFrame, name: str) -> pl.Series:
    """A column as numbers that are not below 0."""
    values = table[name].cast(pl.Float64, strict=False)
    wrong = (values.is_null() | values.is_nan() | values.is_infinite() | (values < 0)).arg_true()
    if len(wrong):
        row = int(wrong[0])
        raise DemandProfileError(
            f"{path}: {name} in row {table[_ROW][row]} is {table[name][row]!r}; give a number that is not below 0"
        )
    return values


def _only(path: Path, rows: pl.DataFrame, name: str) -> float:
    if rows.height != 1:
        begin_s = rows["begin_s"][0]
        raise DemandProfileError(f"{path}: {rows.height} rows of {rows['day'][0]} begin at {begin_s:g} s; keep one")
    return float(rows[name][0])
