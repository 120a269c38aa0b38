"""Small nets for the tests of signal programs, built by netconvert, and runs of SUMO that record what signals show."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sumo

from sumo_networks.net_file import NetFile, read_net

BIN = Path(sumo.SUMO_HOME) / "bin"
ARMS = {"n": (0, 200), "e": (200, 0), "s": (0, -200), "w": (-200, 0)}
MAPS = {
    "cologne1": ("cologne1/cologne1.net.xml", ()),
    "cologne3": ("cologne3/cologne3.net.xml", ()),
    "ingolstadt1": ("ingolstadt1/ingolstadt1.net.xml", ()),
    "ingolstadt7": ("ingolstadt7/ingolstadt7.net.xml", ()),
    "bologna_acosta": (
        "bologna_acosta/acosta_buslanes.net.xml",
        ("bologna_acosta/acosta_bus_stops.add.xml", "bologna_acosta/acosta_tls.add.xml"),
    ),
    "bologna_acosta_persontrips": (
        "bologna_acosta_persontrips/acosta_peds.net.xml",
        (
            "bologna_acosta_persontrips/acosta_bus_stops.add.xml",
            "bologna_acosta_persontrips/acosta_tls2.add.xml",
        ),
    ),
}


@dataclass(frozen=True)
class Shown:
    """When links show a letter: [start, end) in whole seconds of the cycle, over its end if end <= start."""

    links: Sequence[int]
    letter: str
    start_s: int
    end_s: int


def real_map(data: Path, name: str) -> tuple[Path, tuple[Path, ...]]:
    net, additionals = MAPS[name]
    return data / "signals" / net, tuple(data / "signals" / path for path in additionals)


def crossroads(folder: Path, lanes: int = 3, crossings: bool = False, speed_m_s: float = 13.89) -> Path:
    """A net with one signalled node C and four arms; edges are nc, ec, sc, wc towards it and cn, ce, cs, cw away."""
    nodes = ['<node id="C" x="0" y="0" type="traffic_light"/>']
    nodes += [f'<node id="{arm}" x="{x}" y="{y}" type="priority"/>' for arm, (x, y) in ARMS.items()]
    edges = [
        f'<edge id="{name}" from="{start}" to="{end}" numLanes="{lanes}" speed="{speed_m_s}"/>'
        for arm in ARMS
        for name, start, end in ((f"{arm}c", arm, "C"), (f"c{arm}", "C", arm))
    ]
    (folder / "plain.nod.xml").write_text(f"<nodes>{''.join(nodes)}</nodes>")
    (folder / "plain.edg.xml").write_text(f"<edges>{''.join(edges)}</edges>")
    net = folder / "crossroads.net.xml"
    command = ["netconvert", "-n", "plain.nod.xml", "-e", "plain.edg.xml", "-o", net.name, "--no-turnarounds"]
    if crossings:
        command += ["--sidewalks.guess", "--sidewalks.guess.max-speed", "20", "--crossings.guess"]
    run(command, folder)
    return net


def run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-500:]


def links_of(net: NetFile, edge: str, directions: str = "slr") -> list[int]:
    """Link indices of the connections that leave an edge (or enter a crossing) in these directions."""
    return sorted(
        connection.link
        for connection in net.connections
        if connection.tl
        and edge in (connection.from_edge, connection.to_edge)
        and (connection.direction in directions or connection.to_edge == edge)
        and (connection.from_edge == edge or connection.to_edge.startswith(":"))
    )


def crossings_of(net: NetFile) -> list[list[int]]:
    """Link indices of each crossing."""
    found: dict[str, list[int]] = {}
    for connection in net.connections:
        if connection.tl and net.edges[connection.to_edge].function == "crossing":
            found.setdefault(connection.to_edge, []).append(connection.link)
    return [sorted(found[crossing]) for crossing in sorted(found)]


def phases_of(shown: Iterable[Shown], links: int, cycle_s: int) -> list[tuple[int, str]]:
    """Phases of a program that shows these letters, and red apart from them."""
    states = [["r"] * links for _ in range(cycle_s)]
    for part in shown:
        length_s = (part.end_s - part.start_s) % cycle_s or cycle_s
        for second in range(part.start_s, part.start_s + length_s):
            for link in part.links:
                states[second % cycle_s][link] = part.letter
    phases: list[tuple[int, str]] = []
    for state in ("".join(letters) for letters in states):
        if phases and phases[-1][1] == state:
            phases[-1] = (phases[-1][0] + 1, state)
        else:
            phases.append((1, state))
    return phases


def green(links: Sequence[int], start_s: int, end_s: int, letter: str = "G", red_amber_s: int = 1) -> list[Shown]:
    """A vehicle green with red-amber before and 3 s of amber after."""
    found = [Shown(links, letter, start_s, end_s), Shown(links, "y", end_s, end_s + 3)]
    return found + ([Shown(links, "u", start_s - red_amber_s, start_s)] if red_amber_s else [])


def write_program(path: Path, tls: str, phases: Sequence[tuple[float, str]], attributes: str = "") -> Path:
    rows = "".join(f'<phase duration="{seconds}" state="{state}"/>' for seconds, state in phases)
    attributes = attributes or 'type="static" programID="shipped" offset="0"'
    path.write_text(f'<additional><tlLogic id="{tls}" {attributes}>{rows}</tlLogic></additional>')
    return path


def record(
    net: Path, additionals: Sequence[Path], controllers: Iterable[str], folder: Path, begin_s: int, end_s: int
) -> Path:
    """File of the states that SUMO shows without any traffic."""
    states = folder / "states.xml"
    events = "".join(
        f'<timedEvent type="SaveTLSStates" source="{tls}" dest="{states}"/>' for tls in sorted(controllers)
    )
    recording = folder / "recording.add.xml"
    recording.write_text(f"<additional>{events}</additional>")
    files = ",".join(str(path) for path in [*additionals, recording])
    span = ["-b", str(begin_s), "-e", str(end_s)]
    run(["sumo", "-n", str(net), "-a", files, *span, "--no-step-log", "--no-warnings"], folder)
    return states


def program_letters(phases: Sequence[tuple[float, str]], offset_s: float) -> Mapping[int, str]:
    """State in each second of a cycle of a program."""
    cycle_s = int(sum(seconds for seconds, _ in phases))
    found = {}
    clock = int(offset_s)
    for seconds, state in phases:
        for _ in range(int(seconds)):
            found[clock % cycle_s] = state
            clock += 1
    return found


def net_of(path: Path) -> NetFile:
    return read_net(path)
