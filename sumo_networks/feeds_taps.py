"""Fare transactions: a tap when a person boards a bus, tap-on only, and who pays cash leaves none."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Final

from sumo_networks.errors import ScenarioError
from sumo_networks.feeds_format import FeedClock, write_csv
from sumo_networks.feeds_run import Bus, Ride
from sumo_networks.scenario import Scenario
from sumo_networks.sumo_xml import elements

TAP_COLUMNS: Final = (
    "transaction_id",
    "service_date",
    "event_timestamp",
    "device_id",
    "vehicle_id",
    "fare_action",
    "fare_media_id",
    "amount",
    "group_size",
)
BOARDING_ACTION: Final = "Enter vehicle"


def card_holders(scenario: Scenario) -> dict[str, str]:
    """Person id → who holds the card, for persons whose <param key="card"> names one."""
    holders: dict[str, str] = {}
    for path in scenario.routes:
        for person in elements(path, "person"):
            for param in person.iter("param"):
                if param.get("key") == "card" and param.get("value"):
                    holders[person.get("id", "")] = param.get("value", "")
    return holders


def check_cash_share(cash_share: float) -> None:
    """Raises ScenarioError for a share outside 0 to 1."""
    if not 0 <= cash_share <= 1:
        raise ScenarioError(f"cash share {cash_share:g} is no share; give a number from 0 to 1")


def cards_of_rides(rides: tuple[Ride, ...], holders: dict[str, str], cash_share: float, salt: str) -> tuple[str, ...]:
    """Card number of each ride, "" for rides paid in cash.

    A person is their own card holder, but for those in `holders`, and for "x.out" and "x.back", who are both x.
    A `cash_share` of the holders always pays cash. Who does, and the number of a card, follow from `salt` and the
    holder alone: the same in every recording made with that salt. Raises ScenarioError for a share outside 0 to 1."""
    check_cash_share(cash_share)
    who = [holders.get(ride.person, ride.person.removesuffix(".out").removesuffix(".back")) for ride in rides]
    cards = {
        holder: "" if _draw(salt, f"cash:{holder}") < cash_share * 2**64 else _card_number(salt, holder)
        for holder in set(who)
    }
    return tuple(cards[holder] for holder in who)


def _card_number(salt: str, holder: str) -> str:
    """16 digits that name the holder without telling who it is."""
    return f"{_draw(salt, holder) % 10**16:016d}"


def _draw(salt: str, what: str) -> int:
    """A number under 2**64 that follows from the salt and `what`."""
    return int.from_bytes(hashlib.sha256(f"{salt}:{what}".encode()).digest()[:8])


def write_taps(path: Path, rides: tuple[Ride, ...], cards: tuple[str, ...], clock: FeedClock) -> int:
    """Write fare_transactions.csv, one row a ride with a card, in order of time; returns the number of taps."""
    tapped = [(ride, card) for ride, card in zip(rides, cards, strict=True) if card]
    return write_csv(
        path,
        TAP_COLUMNS,
        (
            (
                f"t{number:07d}",
                clock.service_date.isoformat(),
                clock.timestamp(ride.boarded_s),
                f"reader-{ride.bus}",
                ride.bus,
                BOARDING_ACTION,
                card,
                "",
                1,
            )
            for number, (ride, card) in enumerate(tapped, start=1)
        ),
    )


def write_control_totals(path: Path, buses: dict[str, Bus], rides: tuple[Ride, ...]) -> int:
    """Write control_totals.csv: boardings of each line over the whole period, tapped and cash; returns the rows."""
    boardings = Counter(buses[ride.bus].line for ride in rides)
    lines = sorted({bus.line for bus in buses.values()})
    return write_csv(path, ("route_id", "boardings"), ((line, boardings[line]) for line in lines))
