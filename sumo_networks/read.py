"""A SUMO net and the programs that run on it, read into `optimiser.signals`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optimiser.signals import Junction, Network
from sumo_networks.bindings import Binding, CityModel, ProgramNote
from sumo_networks.errors import NetworkError
from sumo_networks.junctions import Setting, read_junction
from sumo_networks.net_file import SumoProgram, read_net
from sumo_networks.network_hash import network_hash
from sumo_networks.profiles import Profile
from sumo_networks.programs_in_use import is_for_trains, loaded_programs, switched_by_clock, why_no_signal
from sumo_networks.turns import links_between

# SUMO records the names of controllers and programs as they are, so that its records of these are no XML.
_UNRECORDABLE = '"&<'


def read_network(
    net: Path, programs: Sequence[Path], profile: Profile, zone: str = "UTC", begin_s: float = 0.0
) -> CityModel:
    """The network of a `.net.xml` (or `.net.xml.gz`) with the programs that SUMO would run.

    `programs` are the scenario's additional files in their order; those without tlLogics do no harm. `profile` decides
    ambers and intergreens on top of the running ones. `zone` is the time zone in which SUMO's second 0 is midnight,
    `begin_s` the second at which runs begin.
    Raises NetworkError where a file is missing, truncated or not of its kind, and where the net has no signals."""
    content = read_net(net)
    setting = Setting(profile, network_hash(content), zone)
    clocked = switched_by_clock(programs)
    junctions: list[Junction] = []
    bindings: dict[str, Binding] = {}
    notes: list[ProgramNote] = []
    left_out: dict[str, str] = {}
    for tls, loaded in loaded_programs(content, programs, begin_s).items():
        if not content.links(tls) or is_for_trains(loaded[-1]):
            continue
        _check_names(loaded)
        reason = why_no_signal(loaded[-1])
        if reason:
            left_out[tls] = reason
            notes.append(ProgramNote(tls, "left_out", f"junction {tls} is left as it is: {reason}"))
            continue
        junction, binding, found = read_junction(content, loaded, tls in clocked, setting)
        junctions.append(junction)
        bindings[junction.id] = binding
        notes += found
    if not junctions:
        told = "".join(f"; junction {tls} is none, for {reason}" for tls, reason in left_out.items())
        raise NetworkError(f"{net}: the net has no signalled junction; give a net with traffic lights{told}")
    approaches = {approach.id: junction.id for junction in junctions for approach in junction.approaches}
    links = links_between(content, {junction.id: junction.movements for junction in junctions}, approaches)
    return CityModel(
        Network(network_hash=setting.network_hash, junctions=tuple(junctions), links=links),
        bindings,
        tuple(notes),
        left_out,
    )


def _check_names(loaded: Sequence[SumoProgram]) -> None:
    """Raise NetworkError where what SUMO records of a controller could not be read."""
    for program in loaded:
        for what, name in (("controller", program.tls), ("program", program.program_id)):
            if set(name) & set(_UNRECORDABLE):
                raise NetworkError(
                    f"{program.file}: {what} {name} has a quotation mark, & or < in its name, which SUMO cannot "
                    "record; rename it"
                )
