"""What SUMO is asked to record in a run, and where it may write: only into the run's own folder."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from sumo_networks.sumo_xml import elements, inlined, opened, resolve_inputs, time_text

QUEUE_INTERVAL_S: Final = 60
RAIL_JUNCTIONS: Final = frozenset({"rail_signal", "rail_crossing"})

_WRITTEN: Final = {
    "e1Detector": "file",
    "inductionLoop": "file",
    "e2Detector": "file",
    "laneAreaDetector": "file",
    "e3Detector": "file",
    "entryExitDetector": "file",
    "instantInductionLoop": "file",
    "edgeData": "file",
    "laneData": "file",
    "routeProbe": "file",
    "vTypeProbe": "file",
    "calibrator": "output",
    "timedEvent": "dest",
}
# Parameters of vehicles and their types that name a file which a device of theirs writes.
_WRITTEN_BY_DEVICES: Final = frozenset({"device.ssm.file", "device.toc.file"})


@dataclass(frozen=True)
class SignalledLanes:
    """Controllers of a net and the lanes that end at their stop lines: (lane id, length in m), sorted."""

    controllers: tuple[str, ...]
    lanes: tuple[tuple[str, float], ...]


def signalled_lanes(net: Path) -> SignalledLanes:
    """Controllers of road junctions in a net and their incoming lanes. Raises ScenarioError for a truncated net."""
    status = net.stat()
    return _signalled_lanes(net, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _signalled_lanes(net: Path, _changed_ns: int, _size: int) -> SignalledLanes:
    lengths: dict[str, float] = {}
    controllers: set[str] = set()
    rail: set[str] = set()
    incoming: set[str] = set()
    for element in elements(net, "edge", "junction", "connection"):
        if element.tag == "edge" and element.get("function") != "internal":
            lengths.update((lane.get("id", ""), float(lane.get("length", "0"))) for lane in element.iter("lane"))
        elif element.tag == "junction" and element.get("type", "") in RAIL_JUNCTIONS:
            rail.add(element.get("id", ""))
        elif element.tag == "connection" and element.get("tl") is not None:
            controllers.add(element.get("tl", ""))
            lane = f"{element.get('from')}_{element.get('fromLane')}"
            if not lane.startswith(":") and element.get("tl") not in rail:
                incoming.add(lane)
    return SignalledLanes(
        tuple(sorted(controllers - rail)), tuple((lane, lengths[lane]) for lane in sorted(incoming & lengths.keys()))
    )


def write_recording(signalled: SignalledLanes, path: Path, begin_s: float, end_s: float) -> None:
    """Additional file that records, into the folder of `path`: the state of every controller each step
    (tls_states.xml), traffic and CO₂ per edge over the whole period (edge_data.xml, emissions.xml), and the queue on
    every incoming lane of a signalled junction by QUEUE_INTERVAL_S (queues.xml)."""
    folder = path.parent
    lines = ["<additional>"]
    for controller in signalled.controllers:
        lines.append(
            f'<timedEvent type="SaveTLSStates" source={quoteattr(controller)} dest={_name(folder, "tls_states.xml")}/>'
        )
    span = f'begin="{time_text(begin_s)}" end="{time_text(end_s)}" excludeEmpty="true"'
    lines.append(f'<edgeData id="jasyl_traffic" withInternal="true" file={_name(folder, "edge_data.xml")} {span}/>')
    lines.append(
        f'<edgeData id="jasyl_emissions" type="emissions" withInternal="true" '
        f"file={_name(folder, 'emissions.xml')} {span}/>"
    )
    for lane, length_m in signalled.lanes:
        lines.append(
            f"<laneAreaDetector id={quoteattr('jasyl_queue_' + lane)} lane={quoteattr(lane)} "
            f'pos="0" endPos="{length_m:.2f}" friendlyPos="true" '
            f'period="{QUEUE_INTERVAL_S}" file={_name(folder, "queues.xml")}/>'
        )
    lines.append("</additional>")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_edge_recording(path: Path, begin_s: float, end_s: float) -> None:
    """Additional file that records traffic per edge over the whole period (edge_data.xml, in the folder of `path`)."""
    path.write_text(
        f'<additional>\n<edgeData id="jasyl_traffic" withInternal="true" file={_name(path.parent, "edge_data.xml")} '
        f'begin="{time_text(begin_s)}" end="{time_text(end_s)}" excludeEmpty="true"/>\n</additional>\n',
        encoding="utf-8",
    )


def _name(folder: Path, file: str) -> str:
    return quoteattr(str(folder / file))


def redirect_outputs(additionals: tuple[Path, ...], folder: Path) -> tuple[Path, ...]:
    """The additional files, those that would write elsewhere than into `folder` as copies in it that write there.

    Raises ScenarioError where one is truncated."""
    return tuple(_redirected(path, folder, f"additional_{index}") for index, path in enumerate(additionals))


def _redirected(path: Path, folder: Path, name: str) -> Path:
    root = inlined(path)
    written = _redirect_devices(root, folder)
    for element in root.iter():
        attribute = _WRITTEN.get(element.tag)
        output = element.get(attribute) if attribute is not None else None
        if attribute is not None and output and Path(output).parent != folder:
            element.set(attribute, str(folder / f"{name}_output_{written}.xml"))
            written += 1
    if not written:
        return path
    copy = folder / f"{name}.add.xml"
    ET.ElementTree(root).write(copy, encoding="utf-8", xml_declaration=True)
    return copy


def redirect_devices(routes: tuple[Path, ...], folder: Path) -> tuple[Path, ...]:
    """The route files, those whose vehicles have devices that write files as copies in `folder` that write there.

    Raises ScenarioError where one is truncated."""
    return tuple(
        _with_devices_in(path, folder / f"routes_{index}.rou.xml") if _devices_write(path) else path
        for index, path in enumerate(routes)
    )


def _devices_write(path: Path) -> bool:
    status = path.stat()
    return _names_device_files(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _names_device_files(path: Path, _changed_ns: int, _size: int) -> bool:
    # what an included file names is not known until it is read
    keys = [b"<include", *(key.encode() for key in _WRITTEN_BY_DEVICES)]
    with opened(path) as stream:
        return any(key in line for line in stream for key in keys)


def _with_devices_in(path: Path, copy: Path) -> Path:
    with copy.open("w", encoding="utf-8") as out:
        out.write("<routes>\n")
        for element in elements(path):
            resolve_inputs(element, path.parent)
            _redirect_devices(element, copy.parent)
            out.write(ET.tostring(element, encoding="unicode").strip() + "\n")
        out.write("</routes>\n")
    return copy


def _redirect_devices(root: ET.Element, folder: Path) -> int:
    """Let devices write into `folder`; returns how many names of files that changed."""
    found = [param for param in root.iter("param") if param.get("key") in _WRITTEN_BY_DEVICES]
    for param in found:
        param.set("value", str(folder / f"{param.get('key')}.xml"))
    return len(found)
