"""Builds the sample city and records its feeds: `python -m sumo_networks.cities.esil.build --out DIR`.

Same versions of SUMO and Python, same files, byte for byte."""

from __future__ import annotations

import argparse
import gzip
import re
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Final

from sumo_networks.cities.esil import riders
from sumo_networks.cities.esil.heads import read_heads
from sumo_networks.cities.esil.plans import STAGES, write_programs
from sumo_networks.cities.esil.streets import Block, blocks, write_plain
from sumo_networks.cities.esil.traffic import BEGIN_S, END_S, cars
from sumo_networks.errors import NetworkError
from sumo_networks.record import record_feeds
from sumo_networks.scenario import load_scenario
from sumo_networks.simulate import sumo_binary, sumo_environment

SEED: Final = 42
RIDERS: Final = 1000
WALKERS: Final = 150

_NETCONVERT: Final = (
    "--no-turnarounds",
    "--walkingareas",
    "--check-lane-foes.all",
    "--junctions.corner-detail=5",
    "--tls.default-type=static",
    "--tls.discard-simple=false",
)
_TYPES: Final = """  <vType id="car" vClass="passenger" length="4.6" sigma="0.5" emissionClass="HBEFA3/PC_G_EU4"/>
  <vType id="van" vClass="delivery" length="6" sigma="0.5" emissionClass="HBEFA3/LDV_D_EU4"/>
  <vType id="truck" vClass="truck" length="8.5" accel="1.3" sigma="0.5" emissionClass="HBEFA3/HDV_D_EU4"/>
  <vType id="bus" vClass="bus" length="12" accel="1.2" sigma="0.4" personCapacity="90" boardingDuration="1.2"
    emissionClass="HBEFA3/Bus"/>
"""


def build(out: Path) -> None:
    """Write the scenario and its recorded feeds into `out`. Raises NetworkError where netconvert or SUMO fails."""
    build_scenario(out)
    record_feeds(load_scenario(out), out / "feeds", SEED)
    (out / "scenario.toml").write_text(_SCENARIO + _FEEDS, encoding="utf-8")


def build_scenario(out: Path) -> None:
    """Write the scenario but for its feeds into `out`. Raises NetworkError where netconvert fails."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="jasyl-esil-") as name:
        _build_net(Path(name), out / "esil.net.xml")
    (out / "esil.add.xml").write_text(_additional(), encoding="utf-8")
    _write_packed(out / "esil.rou.xml.gz", _routes())
    _write_packed(out / "esil.persons.rou.xml.gz", persons(riders.errands(SEED, RIDERS, WALKERS)))
    (out / "esil.sumocfg").write_text(_CONFIG, encoding="utf-8")
    (out / "esil.view.xml").write_text(_VIEW, encoding="utf-8")
    (out / "scenario.toml").write_text(_SCENARIO, encoding="utf-8")


def _build_net(folder: Path, net: Path) -> None:
    write_plain(folder)
    plain = ["-n", "esil.nod.xml", "-e", "esil.edg.xml", "-x", "esil.con.xml"]
    # First without programs: which link index belongs to which way only the built net says.
    _netconvert(folder, [*plain, *_NETCONVERT, "-o", "first.net.xml"])
    write_programs(read_heads(folder / "first.net.xml", STAGES), folder / "esil.tll.xml")
    _netconvert(folder, [*plain, *_NETCONVERT, "-i", "esil.tll.xml", "-o", "esil.net.xml"])
    text = (folder / "esil.net.xml").read_text(encoding="utf-8")
    # netconvert notes the date and the paths in a comment.
    net.write_text(re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL), encoding="utf-8")


def _netconvert(folder: Path, options: list[str]) -> None:
    command = [str(sumo_binary("netconvert")), *options]
    done = subprocess.run(command, cwd=folder, env=sumo_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NetworkError(f"esil: netconvert failed: {done.stderr.strip().splitlines()[-1]}")


def _write_packed(path: Path, text: str) -> None:
    """Gzip without a name and time inside, so that the same text gives the same bytes."""
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def _additional() -> str:
    lines = ["<additional>", _TYPES.rstrip("\n")]
    for block in riders.stop_blocks():
        a, b = block.start, block.end
        lines.append(
            f'  <busStop id="{riders.stop_id(block)}" name="{a} towards {b}" lane="{block.edge}_1" '
            f'startPos="{riders.STOP_FROM_M:g}" endPos="{riders.STOP_TO_M:g}" friendlyPos="true"/>'
        )
    return "\n".join([*lines, "</additional>", ""])


def _edges(path: tuple[str, ...]) -> str:
    every = blocks()
    return " ".join(edge for pair in pairwise(path) for edge in every[pair].edges)


def _routes() -> str:
    lines = ["<routes>"]
    for course in riders.courses():
        lines.append(f'  <route id="{course.id}" edges="{_edges(course.path)}">')
        lines += [f'    <stop busStop="{riders.stop_id(stop)}" duration="{riders.DWELL_S}"/>' for stop in course.stops]
        lines.append("  </route>")
    every = cars(SEED)
    names = {path: f"r{number}" for number, path in enumerate(sorted({car.path for car in every}))}
    lines += [f'  <route id="{name}" edges="{_edges(path)}"/>' for path, name in names.items()]
    for course in sorted(riders.courses(), key=lambda course: (course.line.first_s, course.id)):
        lines.append(
            f'  <flow id="{course.id}" type="bus" route="{course.id}" line="{course.line.name}" '
            f'begin="{BEGIN_S + course.line.first_s}" end="{END_S}" period="{course.line.headway_s}" '
            'departLane="best" departSpeed="max"/>'
        )
    lines += [
        f'  <vehicle id="{car.id}" type="{car.type}" route="{names[car.path]}" depart="{car.depart_s:g}" '
        'departLane="best" departSpeed="max"/>'
        for car in every
    ]
    return "\n".join([*lines, "</routes>", ""])


def persons(errands: list[riders.Errand]) -> str:
    """Routes file of people on their errands."""
    lines = ["<routes>"]
    for errand in errands:
        lines.append(f'  <person id="{errand.id}" depart="{errand.depart_s:g}">')
        lines += _walks_and_rides(errand.home, errand.out, errand.goal, first=True)
        if errand.returns:
            lines.append(f'    <stop lane="{errand.goal.edge}_0" duration="{errand.stay_s}" actType="errand"/>')
            lines += _walks_and_rides(errand.goal, errand.back, errand.home, first=False)
        lines.append("  </person>")
    return "\n".join([*lines, "</routes>", ""])


def _walks_and_rides(home: Block, hops: tuple[riders.Hop, ...], goal: Block, *, first: bool) -> list[str]:
    start = f'from="{home.edge}" ' if first else ""
    lines: list[str] = []
    for hop in hops:
        lines.append(f'    <walk {start}busStop="{riders.stop_id(hop.board)}"/>')
        lines.append(f'    <ride busStop="{riders.stop_id(hop.alight)}" lines="{hop.line}"/>')
        start = ""
    return [*lines, f'    <walk {start}to="{goal.edge}"/>']


_CONFIG: Final = f"""<configuration>
  <input>
    <net-file value="esil.net.xml"/>
    <route-files value="esil.rou.xml.gz,esil.persons.rou.xml.gz"/>
    <additional-files value="esil.add.xml"/>
  </input>
  <time>
    <begin value="{BEGIN_S}"/>
    <end value="{END_S}"/>
  </time>
  <processing>
    <time-to-teleport value="-1"/>
  </processing>
  <gui_only>
    <gui-settings-file value="esil.view.xml"/>
  </gui_only>
</configuration>
"""
_VIEW: Final = """<viewsettings>
  <scheme name="real world"/>
  <delay value="100"/>
</viewsettings>
"""
_SCENARIO: Final = """# Esil: a synthetic city in the likeness of Astana's left bank; see README.md.
name = "esil"
config = "esil.sumocfg"
zone = "Asia/Almaty"
service_date = "2025-03-03"
car_occupancy = 1.3
bus_load_pax = 20
"""
_FEEDS: Final = """gtfs = "feeds/gtfs.zip"
taps = "feeds/fare_transactions.csv"
vehicle_locations = "feeds/vehicle_locations.csv"
"""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the scenario into")
    build(parser.parse_args().out)


if __name__ == "__main__":
    main()
