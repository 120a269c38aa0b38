"""Scenarios the service knows: where the SUMO files lie, and the network that plans are held against."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.actors import Actor
from api.audit import record
from api.errors import ConflictError, NotFoundError, UnprocessableError
from api.store import ScenarioRow, Store
from api.texts import check_name
from optimiser.rules import Rules
from optimiser.signals import Network
from sumo_networks.scenario import load_scenario


@dataclass(frozen=True)
class ScenarioFacts:
    """What the service keeps of a scenario."""

    network: Network
    zone: str
    begin_s: float
    end_s: float


ScenarioReader = Callable[[Path, Rules], ScenarioFacts]
"""Reads a scenario folder or .sumocfg with the engineer's rules. Raises NetworkError, RulesError."""


def read_scenario(path: Path, rules: Rules) -> ScenarioFacts:
    """Facts of a scenario from its SUMO files, the network as the main line reads it.

    Raises NetworkError where the files are missing or broken, RulesError where the rules do not fit them."""
    # Imported here: the line brings the solver and the simulator with it, which a running service seldom needs.
    from api.city import read_city

    scenario = load_scenario(path)
    network = read_city(scenario, rules).network
    return ScenarioFacts(network, scenario.zone, scenario.begin_s, scenario.end_s)


def inside(folder: Path, name: str) -> Path:
    """The path that `name` has within `folder`. Raises UnprocessableError where it leads out of it or is not there."""
    root = folder.resolve()
    try:
        path = (root / name).resolve()
        found = path.is_relative_to(root) and path != root and path.exists()
    except (OSError, ValueError):
        found = False
    if not found:
        raise UnprocessableError(f"There is no scenario {name!r} in the scenarios folder of this service.")
    return path


def register_scenario(
    store: Store, name: str, path: Path, rules: Rules, *, read: ScenarioReader, actor: Actor, now: datetime
) -> ScenarioRow:
    """Read a scenario and keep it under `name`; the same scenario again gives the row there is.

    Raises UnprocessableError for a blank or overlong name, NetworkError where its files cannot be read, RulesError
    where the rules do not fit, and ConflictError where the name is another scenario's or the network has changed since
    (its plans would be held against the wrong one)."""
    check_name("The name of the scenario", name)
    facts = read(path, rules)
    stated = rules.model_dump_json()
    with store.write() as session:
        known = session.scalars(select(ScenarioRow).where(ScenarioRow.name == name)).first()
        if known is not None:
            if (known.path, known.rules, known.network_hash) == (str(path), stated, facts.network.network_hash):
                return known
            raise ConflictError(f"There is another scenario of the name {name}; register this one under a new name.")
        row = ScenarioRow(
            id=hashlib.sha256(f"scenario {name}".encode()).hexdigest()[:32],
            name=name,
            path=str(path),
            rules=stated,
            zone=facts.zone,
            begin_s=facts.begin_s,
            end_s=facts.end_s,
            network_hash=facts.network.network_hash,
            network=facts.network.model_dump_json(),
            created_at=now,
            created_by=actor.name,
        )
        session.add(row)
        record(session, now, actor, "register_scenario", ("scenario", row.id), ("", "known"), str(path))
        return row


def network_of(row: ScenarioRow) -> Network:
    """The network that plans of this scenario are held against."""
    return Network.model_validate_json(row.network)


def get_scenario(session: Session, scenario_id: str) -> ScenarioRow:
    """One scenario. Raises NotFoundError."""
    row = session.get(ScenarioRow, scenario_id)
    if row is None:
        raise NotFoundError(f"There is no scenario {scenario_id}.")
    return row


def list_scenarios(session: Session, *, limit: int, offset: int) -> list[ScenarioRow]:
    """Scenarios by name."""
    return list(session.scalars(select(ScenarioRow).order_by(ScenarioRow.name).limit(limit).offset(offset)))
