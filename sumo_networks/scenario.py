"""A scenario: one SUMO network with its demand and period, from a folder with `scenario.toml` or from any `.sumocfg`.

`scenario.toml` knows these keys (paths relative to the folder): `config` (a .sumocfg) or `net`, `routes`,
`additional`; `name`, `begin_s`, `end_s`, `car_occupancy`, `bus_load_pax`, `zone`, `service_date`, `gtfs`, `taps`,
`vehicle_locations`, and a table `options` of further SUMO options.
"""

from __future__ import annotations

import math
import tomllib
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from optimiser.zones import is_time_zone
from sumo_networks.errors import ScenarioError
from sumo_networks.sumo_xml import bare_name, check_well_formed, opened, time_s

SCENARIO_FILE: Final = "scenario.toml"
DEFAULT_PERIOD_S: Final = 3600.0
_LARGEST: Final = 1e9

# SUMO's other names of the options that are read here (`sumo --save-template`, attribute "synonymes").
_SYNONYMS: Final = {
    "n": "net-file",
    "net": "net-file",
    "r": "route-files",
    "routes": "route-files",
    "a": "additional-files",
    "additional": "additional-files",
    "w": "weight-files",
    "weights": "weight-files",
    "b": "begin",
    "e": "end",
    "l": "log",
    "log-file": "log",
    "srand": "seed",
    "abs-rand": "random",
    "g": "gui-settings-file",
    "H": "human-readable-time",
}
_INPUT_FILES: Final = frozenset(
    {
        "weight-files",
        "load-state",
        "device.fcd-replay.files",
        "device.fcd-replay.file",
        "device.ssm.filter-edges.input-file",
        "phemlight-path",
        "astar.all-distances",
        "astar.landmark-distances",
    }
)
# What a run sets itself, or must not take over: anything written, the seed, the options of the window program, a port
# on which SUMO would wait for another program, and what takes vehicles out of the way or out of the count.
_SET_BY_THE_RUN: Final = frozenset(
    {
        "net-file",
        "route-files",
        "additional-files",
        "begin",
        "end",
        "seed",
        "random",
        "scale",
        "remote-port",
        "num-clients",
        "max-depart-delay",
        "time-to-teleport",
    }
)
_TAKES_OUT: Final = ("time-to-teleport.", "device.tripinfo.")
# How SUMO writes: what a run reads back has the form that SUMO gives it by itself.
_FORMS: Final = ("output.", "precision", "human-readable-time")
_WRITES: Final = frozenset(
    {
        "netstate-dump",
        "ndump",
        "netstate",
        "summary",
        "person-fcd",
        "tripinfo",
        "personinfo",
        "vehroutes",
        "personroutes",
        "log",
        "message-log",
        "error-log",
        "device.ssm.file",
        "device.toc.file",
        "pedestrian.jupedsim.wkt",
        "pedestrian.jupedsim.py",
        "output-prefix",
        "output-suffix",
    }
)
_TOML_KEYS: Final = frozenset(
    {
        "config",
        "net",
        "routes",
        "additional",
        "name",
        "begin_s",
        "end_s",
        "car_occupancy",
        "bus_load_pax",
        "zone",
        "service_date",
        "gtfs",
        "taps",
        "vehicle_locations",
        "options",
    }
)


@dataclass(frozen=True)
class Scenario:
    """One network with its demand and period.

    SUMO time 0 is local midnight of `service_date` in `zone`. `options` are all other options that the `.sumocfg`
    sets, by their full name, with input files as absolute paths; outputs are not among them. `demand_scale` is the
    scenario's own factor on its demand."""

    name: str
    folder: Path
    config: Path | None
    net: Path
    routes: tuple[Path, ...]
    additionals: tuple[Path, ...]
    begin_s: float
    end_s: float
    options: tuple[tuple[str, str], ...] = ()
    car_occupancy: float = 1.3
    bus_load_pax: float = 20.0
    zone: str = "UTC"
    service_date: str = "2025-03-03"
    gtfs: Path | None = None
    taps: Path | None = None
    vehicle_locations: Path | None = None
    demand_scale: float = 1.0


@dataclass(frozen=True)
class _Config:
    """What a .sumocfg says."""

    net: Path | None = None
    routes: tuple[Path, ...] = ()
    additionals: tuple[Path, ...] = ()
    begin_s: float | None = None
    end_s: float | None = None
    scale: float = 1.0
    options: dict[str, str] = field(default_factory=dict)


def load_scenario(path: Path, begin_s: float | None = None, end_s: float | None = None) -> Scenario:
    """Scenario of a folder with `scenario.toml`, of that file itself, or of a `.sumocfg`.

    `begin_s` and `end_s` go before what the files say; the end is begin + 3,600 s where nothing says otherwise.
    Raises ScenarioError where a file is missing, truncated or contradictory."""
    path = path.absolute()
    if path.is_dir():
        if not (path / SCENARIO_FILE).is_file():
            raise ScenarioError(f"{path}: no {SCENARIO_FILE} in this folder; write one or name a .sumocfg file")
        path = path / SCENARIO_FILE
    if not path.exists():
        raise ScenarioError(f"{path}: no such scenario; name a folder with {SCENARIO_FILE} or a .sumocfg file")
    scenario = _from_toml(path) if path.suffix == ".toml" else _from_config(path)
    begin = scenario.begin_s if begin_s is None else begin_s
    if end_s is not None:
        end = end_s
    elif scenario.end_s > begin:
        end = scenario.end_s
    else:
        end = begin + DEFAULT_PERIOD_S
    if not (math.isfinite(begin) and math.isfinite(end)):
        raise ScenarioError(f"{path}: the period is {begin:g} to {end:g} s; give both in seconds")
    if end <= begin:
        raise ScenarioError(
            f"{path}: the period ends at {end:g} s and begins at {begin:g} s; set an end after the begin"
        )
    check_well_formed(scenario.net, "net")
    for file in scenario.routes + scenario.additionals:
        check_well_formed(file)
    return replace(scenario, begin_s=begin, end_s=end)


def _from_config(path: Path) -> Scenario:
    config = _read_config(path)
    if config.net is None:
        raise ScenarioError(f"{path}: names no net-file; add one under <input>")
    generic = path.stem in {"run", "osm", "sumo", "test"}
    return Scenario(
        name=path.parent.name if generic else path.stem,
        folder=path.parent,
        config=path,
        net=config.net,
        routes=config.routes,
        additionals=config.additionals,
        begin_s=config.begin_s or 0.0,
        # An end that the file does not set is told by an end not after the begin.
        end_s=-1.0 if config.end_s is None else config.end_s,
        options=tuple(sorted(config.options.items())),
        demand_scale=config.scale,
    )


def _read_config(path: Path) -> _Config:
    check_well_formed(path)
    with opened(path) as stream:
        root = ET.parse(stream).getroot()
    for element in root.iter():
        element.tag = bare_name(element.tag)
    gui = {child for section in root.iter("gui_only") for child in section}
    net: Path | None = None
    files: dict[str, tuple[Path, ...]] = {}
    numbers: dict[str, float] = {}
    options: dict[str, str] = {}
    for element in root.iter():
        value = element.get("value", element.get("v"))
        if value is None or element in gui:
            continue
        name = _SYNONYMS.get(element.tag, element.tag)
        if name == "net-file":
            net = _path(path.parent, value)
        elif name in {"route-files", "additional-files"}:
            files[name] = _paths(path.parent, value)
        elif name in {"begin", "end", "scale"}:
            numbers[name] = _number(path, name, value)
        elif name in _INPUT_FILES:
            options[name] = ",".join(str(file) for file in _paths(path.parent, value))
        elif not (_is_the_runs(name) or name == "gui-settings-file"):
            options[name] = value
    end_s = numbers.get("end")
    return _Config(
        net=net,
        routes=files.get("route-files", ()),
        additionals=files.get("additional-files", ()),
        begin_s=numbers.get("begin"),
        end_s=None if end_s is None or end_s < 0 else end_s,
        scale=numbers.get("scale", 1.0),
        options=options,
    )


def _is_the_runs(name: str) -> bool:
    """Whether a run sets this option, or leaves it alone, whatever the scenario says."""
    return name in _SET_BY_THE_RUN or name.startswith(_TAKES_OUT) or _is_output(name)


def _is_output(name: str) -> bool:
    base = name.split(".")[0]
    return (
        name in _WRITES
        or base.endswith("-output")
        or name.endswith(".output")
        or name.startswith(
            ("save-", "tripinfo-output", "vehroute-output", "vehroutes", "device.emissions.file", *_FORMS)
        )
    )


def _path(folder: Path, value: str) -> Path:
    return folder / value.strip()


def _paths(folder: Path, value: str) -> tuple[Path, ...]:
    """Comma separated, or blank separated where the whole is not the name of one file."""
    found: list[Path] = []
    for part in (part.strip() for part in value.split(",")):
        if not part:
            continue
        if (folder / part).exists() or " " not in part:
            found.append(folder / part)
        else:
            found.extend(folder / name for name in part.split())
    return tuple(found)


def _number(path: Path, name: str, value: str) -> float:
    try:
        number = time_s(value)
        if not math.isfinite(number):
            raise ValueError("not finite")
    except ValueError as error:
        raise ScenarioError(f"{path}: {name} is {value!r}; give seconds or hh:mm:ss") from error
    return number


def _from_toml(path: Path) -> Scenario:
    try:
        settings: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: not valid TOML ({error}); correct that line") from error
    unknown = sorted(settings.keys() - _TOML_KEYS)
    if unknown:
        raise ScenarioError(f"{path}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_TOML_KEYS))}")
    folder = path.parent
    configs = _files(path, settings, "config")
    config = _read_config(configs[0]) if configs else _Config()
    nets = _files(path, settings, "net")
    net = nets[0] if nets else config.net
    if net is None:
        raise ScenarioError(f"{path}: names no net; set `net` or `config`")
    begin_s = _positive(path, settings, "begin_s", config.begin_s or 0.0, least=0.0)
    end_s = _positive(path, settings, "end_s", -1.0 if config.end_s is None else config.end_s, least=None)
    return Scenario(
        name=_text(path, settings, "name", folder.name),
        folder=folder,
        config=configs[0] if configs else None,
        net=net,
        routes=_files(path, settings, "routes") or config.routes,
        additionals=_files(path, settings, "additional") or config.additionals,
        begin_s=begin_s,
        end_s=end_s,
        options=tuple(sorted({**config.options, **_options(path, settings)}.items())),
        car_occupancy=_positive(path, settings, "car_occupancy", 1.3, least=0.0),
        bus_load_pax=_positive(path, settings, "bus_load_pax", 20.0, least=0.0),
        zone=_zone(path, _text(path, settings, "zone", "UTC")),
        service_date=_date(path, settings),
        gtfs=_feed(path, settings, "gtfs"),
        taps=_feed(path, settings, "taps"),
        vehicle_locations=_feed(path, settings, "vehicle_locations"),
        demand_scale=config.scale,
    )


def _files(path: Path, settings: dict[str, object], key: str) -> tuple[Path, ...]:
    value = settings.get(key, [])
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ScenarioError(f"{path}: `{key}` must be a file name or a list of them")
    return tuple(path.parent / name for name in names)


def _feed(path: Path, settings: dict[str, object], key: str) -> Path | None:
    files = _files(path, settings, key)
    if not files:
        return None
    if not files[0].exists():
        raise ScenarioError(f"{files[0]}: no such file; correct `{key}` in {path} or put the file there")
    return files[0]


def _positive(path: Path, settings: dict[str, object], key: str, default: float, *, least: float | None) -> float:
    value = settings.get(key, default)
    lowest = -_LARGEST if least is None else least
    # Neither nan nor an infinity lies between the two.
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= _LARGEST:
        raise ScenarioError(f"{path}: `{key}` is {value!r}; give a number{'' if least is None else ' not under 0'}")
    return float(value)


def _text(path: Path, settings: dict[str, object], key: str, default: str) -> str:
    value = settings.get(key, default)
    if not isinstance(value, str) or not value:
        raise ScenarioError(f"{path}: `{key}` is {value!r}; give a text")
    return value


def _zone(path: Path, name: str) -> str:
    if not is_time_zone(name):
        raise ScenarioError(f"{path}: `zone` is {name!r}; give a name such as Asia/Almaty")
    return name


def _date(path: Path, settings: dict[str, object]) -> str:
    value = settings.get("service_date", "2025-03-03")
    try:
        return value.isoformat() if isinstance(value, date) else date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise ScenarioError(f"{path}: `service_date` is {value!r}; give YYYY-MM-DD") from error


def _options(path: Path, settings: dict[str, object]) -> dict[str, str]:
    table = settings.get("options", {})
    if not isinstance(table, dict):
        raise ScenarioError(f"{path}: `options` must be a table of SUMO options")
    options: dict[str, str] = {}
    for name, value in table.items():
        if _is_the_runs(name):
            raise ScenarioError(f"{path}: SUMO option {name!r} is set by every run itself; remove it")
        options[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return options
