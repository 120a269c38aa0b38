"""Typed frames: a profile of TIDES for what comes in, and the tables of passenger flows.

Times are UTC with millisecond resolution, positions WGS-84 degrees, passengers numbers that may be fractions
(expected values, scaled for cash). The service date is part of the key of every table that has one, for vehicles, trips
and an operator's ids come again on other days. TIDES: https://tides-transit.github.io; where a tap-on system lacks a
column that TIDES requires (`amount`), it is nullable here.
"""

from __future__ import annotations

from typing import Final

import dataframely as dy

UTC: Final = "UTC"


class FareTransaction(dy.Schema):
    """TIDES `fare_transactions`: one tap. `card_id` is the keyed pseudonym of TIDES' `fare_media_id`."""

    transaction_id = dy.String(primary_key=True, min_length=1)
    agency_id = dy.String()
    service_date = dy.Date(primary_key=True)
    event_timestamp = dy.Datetime(time_zone=UTC, time_unit="ms")
    vehicle_id = dy.String(min_length=1)
    device_id = dy.String(nullable=True)
    trip_id_performed = dy.String(nullable=True)
    fare_action = dy.String()
    card_id = dy.String(nullable=True)
    amount = dy.Float64(nullable=True)
    group_size = dy.Int64(min=1)
    event_precision_s = dy.Float64(min=0)


class VehicleLocation(dy.Schema):
    """TIDES `vehicle_locations`: one GPS position of a vehicle. `speed` in m/s, `heading` in degrees from north;
    `occupancy_status` is GTFS-Realtime's, where the vehicle counts or guesses it."""

    location_ping_id = dy.String(primary_key=True, min_length=1)
    agency_id = dy.String()
    service_date = dy.Date(primary_key=True)
    event_timestamp = dy.Datetime(time_zone=UTC, time_unit="ms")
    vehicle_id = dy.String(min_length=1)
    trip_id_performed = dy.String(nullable=True)
    latitude = dy.Float64(min=-90, max=90)
    longitude = dy.Float64(min=-180, max=180)
    speed = dy.Float64(nullable=True)
    heading = dy.Float64(nullable=True)
    occupancy_status = dy.String(nullable=True)


class UnmatchedLocation(dy.Schema):
    """A position that is on no trip's path, and why (mobility/positions.py)."""

    location_ping_id = dy.String(primary_key=True, min_length=1)
    service_date = dy.Date(primary_key=True)
    event_timestamp = dy.Datetime(time_zone=UTC, time_unit="ms")
    vehicle_id = dy.String(min_length=1)
    trip_id_performed = dy.String(nullable=True)
    latitude = dy.Float64(min=-90, max=90)
    longitude = dy.Float64(min=-180, max=180)
    reason = dy.String(min_length=1)


class StopVisit(dy.Schema):
    """TIDES `stop_visits`: one vehicle at one stop of its trip.

    `method` is gps (seen at the stop), gps_interpolated (passed between two positions far apart) or timetable;
    `delay_s` is the arrival against the timetable, where that gives a time."""

    service_date = dy.Date(primary_key=True)
    vehicle_id = dy.String(primary_key=True)
    trip_id_performed = dy.String(primary_key=True)
    trip_stop_sequence = dy.Int64(primary_key=True, min=1)
    line = dy.String()
    direction_id = dy.Int64(nullable=True)
    pattern_id = dy.String()
    stop_id = dy.String()
    is_last_stop = dy.Bool()
    arrival = dy.Datetime(time_zone=UTC, time_unit="ms")
    departure = dy.Datetime(time_zone=UTC, time_unit="ms")
    dwell_s = dy.Float64(min=0)
    delay_s = dy.Float64(nullable=True)
    method = dy.String(regex="^(gps|gps_interpolated|timetable)$")
    confidence = dy.Float64(min=0, max=1)


class JourneyLeg(dy.Schema):
    """One ride of one tap: where boarded, where left, how that is known, and what it stands for.

    `boarding_method`: gps, gps_late (between stops: the stop behind), gps_early (before the first stop of a trip),
    timetable. `method` of the alighting: chained (next tap), chained_last (back to the day's first boarding), habit
    (most probable stop by the card's other days), probable (most probable stop; its probability is the confidence),
    none (no stop downstream). `weight` scales a rider who tapped to all who rode (cash). `pax` = `riders` x `weight`.
    """

    leg_id = dy.String(primary_key=True)
    agency_id = dy.String()
    service_date = dy.Date(primary_key=True)
    card_id = dy.String(nullable=True)
    vehicle_id = dy.String()
    trip_id_performed = dy.String()
    line = dy.String()
    direction_id = dy.Int64(nullable=True)
    pattern_id = dy.String()
    boarding_stop_sequence = dy.Int64(min=1)
    boarding_stop_id = dy.String()
    boarded_at = dy.Datetime(time_zone=UTC, time_unit="ms")
    boarding_method = dy.String(regex="^(gps|gps_late|gps_early|timetable)$")
    boarding_confidence = dy.Float64(min=0, max=1)
    alighting_stop_sequence = dy.Int64(nullable=True)
    alighting_stop_id = dy.String(nullable=True)
    alighted_at = dy.Datetime(time_zone=UTC, time_unit="ms", nullable=True)
    method = dy.String(regex="^(chained|chained_last|habit|probable|none)$")
    confidence = dy.Float64(min=0, max=1)
    riders = dy.Int64(min=1)
    weight = dy.Float64(min=0)
    pax = dy.Float64(min=0)
    journey_id = dy.String()
    leg_number = dy.Int64(min=1)
    ends_in = dy.String(regex="^(transfer|destination|unknown)$")


class OddCard(dy.Schema):
    """A card that is no passenger's on a service date, as one file tells, and why."""

    service_date = dy.Date(primary_key=True)
    card_id = dy.String(primary_key=True)
    reason = dy.String(min_length=1)


class CardRide(dy.Schema):
    """Rides of one card between two stops on one day, as its own taps tell; each counts by its confidence."""

    service_date = dy.Date(primary_key=True)
    card_id = dy.String(primary_key=True)
    boarding_stop_id = dy.String(primary_key=True)
    alighting_stop_id = dy.String(primary_key=True)
    rides = dy.Float64(min=0)


class Journey(dy.Schema):
    """Legs from an origin to a destination. `method` and `confidence` are those of the weakest leg."""

    journey_id = dy.String(primary_key=True)
    service_date = dy.Date(primary_key=True)
    card_id = dy.String(nullable=True)
    origin_stop_id = dy.String()
    destination_stop_id = dy.String(nullable=True)
    started_at = dy.Datetime(time_zone=UTC, time_unit="ms")
    ended_at = dy.Datetime(time_zone=UTC, time_unit="ms", nullable=True)
    legs = dy.Int64(min=1)
    pax = dy.Float64(min=0)
    method = dy.String()
    confidence = dy.Float64(min=0, max=1)


class OdFlow(dy.Schema):
    """Passengers between two stops by the local hour of the service date they set out in.

    `cards` = different cards the cell rests on (a tap without a card counts as one); below k nothing is published.
    `cards_once` counts each of them in one cell of its hour at most: sums of it count nobody twice."""

    service_date = dy.Date(primary_key=True)
    hour = dy.Int64(primary_key=True)
    origin_stop_id = dy.String(primary_key=True)
    destination_stop_id = dy.String(primary_key=True)
    pax = dy.Float64(min=0)
    cards = dy.Int64(min=0)
    cards_once = dy.Int64(min=0)
    method = dy.String()
    confidence = dy.Float64(min=0, max=1)


class Boarding(dy.Schema):
    """Passengers who board at a stop, by line and quarter-hour (`quarter_start`, UTC).

    `cards` as in OdFlow; `cards_once` counts each card in one cell of its service date alone."""

    service_date = dy.Date(primary_key=True)
    quarter_start = dy.Datetime(time_zone=UTC, time_unit="ms", primary_key=True)
    stop_id = dy.String(primary_key=True)
    line = dy.String(primary_key=True)
    taps = dy.Int64(min=0)
    boardings_pax = dy.Float64(min=0)
    cards = dy.Int64(min=0)
    cards_once = dy.Int64(min=0)
    confidence = dy.Float64(min=0, max=1)


class LinkLoad(dy.Schema):
    """Passengers aboard one bus between one stop and the next. `to_stop` is null after the last stop.

    `cards`: at least so many different cards were aboard; each counts once a day on its line and direction."""

    service_date = dy.Date(primary_key=True)
    line = dy.String()
    vehicle_id = dy.String(primary_key=True)
    trip_id = dy.String(primary_key=True)
    direction_id = dy.Int64(nullable=True)
    pattern_id = dy.String()
    stop_sequence = dy.Int64(primary_key=True)
    from_stop = dy.String()
    to_stop = dy.String(nullable=True)
    arrived_at = dy.Datetime(time_zone=UTC, time_unit="ms")
    departed_at = dy.Datetime(time_zone=UTC, time_unit="ms")
    boardings_pax = dy.Float64()
    alightings_pax = dy.Float64()
    load_pax = dy.Float64(min=0)
    cards = dy.Int64(min=0)
    method = dy.String()
    confidence = dy.Float64(min=0, max=1)


class LineLoad(dy.Schema):
    """A line between two stops in one local hour: mean load of its buses, how many there are, and their headway.

    `cards`: at least so many different cards were aboard; below k nothing is published."""

    service_date = dy.Date(primary_key=True)
    line = dy.String(primary_key=True)
    from_stop = dy.String(primary_key=True)
    to_stop = dy.String(primary_key=True)
    hour = dy.Int64(primary_key=True)
    buses = dy.Int64(min=1)
    load_pax = dy.Float64(min=0)
    cards = dy.Int64(min=0)
    buses_h = dy.Float64(min=0)
    headway_s = dy.Float64(nullable=True, min=0)
    confidence = dy.Float64(min=0, max=1)


class Irregularity(dy.Schema):
    """Something that did not go as planned on a service day, and what is known of it (mobility/irregularities.py)."""

    service_date = dy.Date()
    kind = dy.String(
        regex="^(trip_(added|cancelled|short_turned|diverted)|line_changed|validator_moved|line_silent"
        "|depot_without_(positions|taps))$"
    )
    at = dy.Datetime(time_zone=UTC, time_unit="ms", nullable=True)
    line = dy.String(nullable=True)
    vehicle_id = dy.String(nullable=True)
    trip_id = dy.String(nullable=True)
    device_id = dy.String(nullable=True)
    detail = dy.String(min_length=1)


class TapOn(dy.Schema):
    """One boarding of a system that places its taps itself, before any vehicle or trip is known.

    `event_timestamp` is as exact as the feed gives it, perhaps only to the hour; `transfer_number` counts the boardings
    of a journey, from 0, where the fare system does. A boarding without a position has neither latitude nor
    longitude."""

    transaction_id = dy.String(primary_key=True, min_length=1)
    card_id = dy.String(nullable=True)
    event_timestamp = dy.Datetime(time_unit="ms")
    line = dy.String(min_length=1)
    mode = dy.String()
    vehicle_id = dy.String(nullable=True)
    transfer_number = dy.Int64(nullable=True, min=0)
    latitude = dy.Float64(nullable=True, min=-90, max=90)
    longitude = dy.Float64(nullable=True, min=-180, max=180)


class ProbableAlighting(dy.Schema):
    """Where the rider of one boarding most likely got off. `confidence`: probability that it was within 400 m of there.
    Blank where there is no place but the one boarded at."""

    transaction_id = dy.String(primary_key=True, min_length=1)
    alighting_lat = dy.Float64(nullable=True, min=-90, max=90)
    alighting_lon = dy.Float64(nullable=True, min=-180, max=180)
    confidence = dy.Float64(min=0, max=1)


class Quarantined(dy.Schema):
    """A row that was refused: where it stood, why, and what it was (JSON, card number replaced by its pseudonym)."""

    file = dy.String()
    line = dy.Int64(min=2)
    reason = dy.String(min_length=1)
    row = dy.String()
