"""Typed frames of the service that was run: trips, headways, waits, punctuality, run times, speeds, delay at signals.

Times are UTC with millisecond resolution; `hour` is the local hour of the service date and may pass 24. None of these
tables holds a passenger.
"""

from __future__ import annotations

import dataframely as dy

from mobility.schemas import UTC


class TripPerformed(dy.Schema):
    """TIDES `trips_performed`: one trip that a vehicle drove, or that the timetable has and nobody was seen to drive.

    `schedule_relationship`: Scheduled (in the timetable, and driven), Added (driven, not in the timetable), Canceled
    (in the timetable, not seen: not driven, or its vehicle sent nothing). `stops_seen` of `stops` were passed
    by GPS; `schedule_match` is name (the vehicle named the trip), start_time (the nearest start on the same stops) or
    null. `is_short`: it began after the first stop of its pattern or ended before the last, while the record ran."""

    service_date = dy.Date()
    trip_id_performed = dy.String()
    vehicle_id = dy.String(nullable=True)
    trip_id_scheduled = dy.String(nullable=True)
    line = dy.String()
    direction_id = dy.Int64(nullable=True)
    pattern_id = dy.String()
    schedule_trip_start = dy.Datetime(time_zone=UTC, time_unit="ms", nullable=True)
    actual_trip_start = dy.Datetime(time_zone=UTC, time_unit="ms", nullable=True)
    actual_trip_end = dy.Datetime(time_zone=UTC, time_unit="ms", nullable=True)
    stops = dy.Int64(min=0)
    stops_seen = dy.Int64(min=0)
    is_short = dy.Bool()
    schedule_match = dy.String(nullable=True, regex="^(name|start_time)$")
    schedule_relationship = dy.String(regex="^(Scheduled|Added|Canceled)$")


class Headway(dy.Schema):
    """Time between the departures of two vehicles of a line and direction from a stop, at the later one.

    `scheduled_headway_s`: the gap before the same trip in the timetable, where it is known. `is_bunched`: less than a
    quarter of the scheduled headway. `confidence`: the lower one of the two visits."""

    service_date = dy.Date(primary_key=True)
    line = dy.String()
    direction_id = dy.Int64(nullable=True)
    stop_id = dy.String()
    vehicle_id = dy.String(primary_key=True)
    trip_id_performed = dy.String(primary_key=True)
    trip_stop_sequence = dy.Int64(primary_key=True, min=1)
    departure = dy.Datetime(time_zone=UTC, time_unit="ms")
    headway_s = dy.Float64(min=0)
    scheduled_headway_s = dy.Float64(nullable=True, min=0)
    is_bunched = dy.Bool(nullable=True)
    confidence = dy.Float64(min=0, max=1)


class WaitTime(dy.Schema):
    """Wait of riders who come at random to a stop, by line, direction and hour: as run, as scheduled, and the excess.

    A wait is the sum of the squared headways over twice their sum. Null where the timetable has fewer than two
    departures there. `headway_cv`: standard deviation of the headways over their mean."""

    # the key would be service_date, line, direction_id, stop_id and hour; no part of a key may be null, as direction_id
    # may, so it is not declared
    service_date = dy.Date()
    line = dy.String()
    direction_id = dy.Int64(nullable=True)
    stop_id = dy.String()
    hour = dy.Int64()
    headways = dy.Int64(min=1)
    mean_headway_s = dy.Float64(min=0)
    headway_cv = dy.Float64(nullable=True, min=0)
    bunched_share = dy.Float64(nullable=True, min=0, max=1)
    actual_wait_s = dy.Float64(min=0)
    scheduled_wait_s = dy.Float64(nullable=True, min=0)
    excess_wait_s = dy.Float64(nullable=True)
    confidence = dy.Float64(min=0, max=1)


class Punctuality(dy.Schema):
    """Departures (at the last stop arrivals) against the timetable at a timepoint, by line, direction and hour.

    Early: more than 60 s before its time; late: more than 300 s after it; on time: neither. Of visits seen by GPS."""

    # the key would be service_date, line, direction_id, stop_id and hour; no part of a key may be null, as direction_id
    # may, so it is not declared
    service_date = dy.Date()
    line = dy.String()
    direction_id = dy.Int64(nullable=True)
    stop_id = dy.String()
    hour = dy.Int64()
    visits = dy.Int64(min=1)
    early = dy.Int64(min=0)
    on_time = dy.Int64(min=0)
    late = dy.Int64(min=0)
    on_time_share = dy.Float64(min=0, max=1)
    mean_delay_s = dy.Float64()
    median_delay_s = dy.Float64()
    p85_delay_s = dy.Float64()


class RunTime(dy.Schema):
    """Run from the departure at a stop to the arrival at the next, and dwell at the stop before, by line and hour."""

    service_date = dy.Date(primary_key=True)
    line = dy.String(primary_key=True)
    from_stop = dy.String(primary_key=True)
    to_stop = dy.String(primary_key=True)
    hour = dy.Int64(primary_key=True)
    direction_id = dy.Int64(nullable=True)
    runs = dy.Int64(min=1)
    length_m = dy.Float64(min=0)
    median_run_s = dy.Float64(min=0)
    p85_run_s = dy.Float64(min=0)
    scheduled_run_s = dy.Float64(nullable=True)
    median_dwell_s = dy.Float64(min=0)
    p85_dwell_s = dy.Float64(min=0)
    confidence = dy.Float64(min=0, max=1)


class SegmentSpeed(dy.Schema):
    """Speed of all buses on one piece of road (RoadSegment), whatever their line, by hour; dwell at stops left out.

    `speed_m_s` is the space-mean speed: metres driven over seconds driven. `p15_speed_m_s`: one bus in seven is
    slower. `lines`: those that drove here, comma-separated."""

    service_date = dy.Date(primary_key=True)
    segment_id = dy.String(primary_key=True)
    hour = dy.Int64(primary_key=True)
    lines = dy.String()
    passages = dy.Int64(min=1)
    speed_m_s = dy.Float64(min=0)
    p15_speed_m_s = dy.Float64(min=0)
    confidence = dy.Float64(min=0, max=1)


class RoadSegment(dy.Schema):
    """A piece of road in one direction that buses drive: its line from start to end, degrees (WGS-84)."""

    service_date = dy.Date(primary_key=True)
    segment_id = dy.String(primary_key=True)
    length_m = dy.Float64(min=0)
    longitudes = dy.List(dy.Float64(nullable=False))
    latitudes = dy.List(dy.Float64(nullable=False))


class LineSegment(dy.Schema):
    """The way of a line from one stop to the next, degrees (WGS-84)."""

    service_date = dy.Date(primary_key=True)
    line = dy.String(primary_key=True)
    from_stop = dy.String(primary_key=True)
    to_stop = dy.String(primary_key=True)
    length_m = dy.Float64(min=0)
    longitudes = dy.List(dy.Float64(nullable=False))
    latitudes = dy.List(dy.Float64(nullable=False))


class PathPosition(dy.Schema):
    """A position of a vehicle on the path of its trip: `path_m` metres from the path's start, never falling."""

    vehicle_id = dy.String()
    trip_id_performed = dy.String()
    pattern_id = dy.String()
    event_timestamp = dy.Datetime(time_zone=UTC, time_unit="ms")
    path_m = dy.Float64(min=0)


class StopLine(dy.Schema):
    """Where the path of a pattern, `path_end_m` long, crosses the stop line of a signalised approach."""

    pattern_id = dy.String(primary_key=True)
    approach_id = dy.String(primary_key=True)
    stop_line_m = dy.Float64(primary_key=True, min=0)
    path_end_m = dy.Float64(min=0)


class SignalPassage(dy.Schema):
    """One bus at one signalised approach. `arrival`: it came within the zone, which begins before the stop line and
    ends where the signal is left, a little behind it; `crossing`: it crossed the line; `dwell_s`: time at stops in the
    zone. `delay_s` = time in the zone - dwell - `free_s`, the free-flow time over its `zone_m`. `gap_s`: the longest
    gap between positions the times were read in."""

    service_date = dy.Date(primary_key=True)
    approach_id = dy.String(primary_key=True)
    vehicle_id = dy.String(primary_key=True)
    trip_id_performed = dy.String(primary_key=True)
    line = dy.String()
    arrival = dy.Datetime(time_zone=UTC, time_unit="ms")
    crossing = dy.Datetime(time_zone=UTC, time_unit="ms", primary_key=True)
    zone_m = dy.Float64(min=0)
    dwell_s = dy.Float64(min=0)
    free_s = dy.Float64(min=0)
    delay_s = dy.Float64(min=0)
    gap_s = dy.Float64(min=0)
    confidence = dy.Float64(min=0, max=1)


class SignalDelay(dy.Schema):
    """Delay of buses at one signalised approach by hour. `stopped_share`: those delayed by more than 5 s."""

    service_date = dy.Date(primary_key=True)
    approach_id = dy.String(primary_key=True)
    hour = dy.Int64(primary_key=True)
    lines = dy.String()
    buses = dy.Int64(min=1)
    mean_delay_s = dy.Float64(min=0)
    median_delay_s = dy.Float64(min=0)
    p85_delay_s = dy.Float64(min=0)
    stopped_share = dy.Float64(min=0, max=1)
    confidence = dy.Float64(min=0, max=1)
