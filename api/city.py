"""A city's junctions as the line reads them: of a scenario with the engineer's rules, or of a net named by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from optimiser.rules import Rules
from sumo_networks.bindings import CityModel
from sumo_networks.errors import NetworkError
from sumo_networks.profiles import profile_named
from sumo_networks.read import read_network
from sumo_networks.scenario import Scenario, load_scenario

PROFILE: Final = "shipped"
NET_ENDINGS: Final = (".xml", ".gz")
# Options under which no run shows what a program does.
NO_SIGNALS: Final = {
    "tls.all-off": "switches all signals off, so no program runs",
    "mesosim": "runs traffic as queues, which tell little of what signals do",
}
# How SUMO's configs say yes.
SET: Final = frozenset({"true", "1", "yes", "on", "x", "t"})


def read_city(scenario: Scenario, rules: Rules) -> CityModel:
    """The scenario's network with the engineer's rules put into its junctions. Raises NetworkError, RulesError."""
    model = _read(scenario, scenario.additionals, rules.profile or PROFILE)
    return replace(model, network=rules.apply(model.network))


def city_at(path: Path, programs: Sequence[Path], profile: str = PROFILE) -> CityModel:
    """The network of a `.net.xml`, or of a scenario with the programs it puts in use, and of `programs` after these.

    Raises NetworkError where a file is missing or of another kind."""
    if path.is_file() and path.suffix in NET_ENDINGS:
        return read_network(path, tuple(programs), profile_named(profile))
    scenario = load_scenario(path)
    return _read(scenario, (*scenario.additionals, *programs), profile)


def _read(scenario: Scenario, programs: Sequence[Path], profile: str) -> CityModel:
    for option, effect in NO_SIGNALS.items():
        if dict(scenario.options).get(option, "false").lower() in SET:
            raise NetworkError(f"{scenario.config or scenario.folder}: {option} {effect}; remove it")
    return read_network(scenario.net, programs, profile_named(profile), scenario.zone, scenario.begin_s)
