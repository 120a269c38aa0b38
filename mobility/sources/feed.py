"""Any file an operator may bring, by the name of its form: tides, gtfs-rt, or a mapping."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Final

from mobility.sources.gtfs_realtime import read_vehicle_positions
from mobility.sources.mapped_csv import Mapping, SetApart, mapping_of, read_mapped
from mobility.sources.tides import RawTable, read_any_tides

TIDES: Final = "tides"
GTFS_REALTIME: Final = "gtfs-rt"


@dataclass(frozen=True)
class Form:
    """How files are to be read: as `name` says (TIDES, GTFS_REALTIME), or by a `mapping`."""

    name: str
    mapping: Mapping | None = None

    @property
    def zone(self) -> str | None:
        """The zone the mapping names."""
        return None if self.mapping is None else self.mapping.zone

    @property
    def service_day_start(self) -> time:
        """When the mapping lets a service day begin."""
        return time(0) if self.mapping is None else self.mapping.service_day_start

    @property
    def set_apart(self) -> tuple[SetApart, ...]:
        """The rows the mapping keeps apart."""
        return () if self.mapping is None else self.mapping.set_apart

    def read(self, path: Path, zone: str) -> tuple[str, RawTable]:
        """The TIDES table a file is of, and its rows. Times without offset: in the mapping's zone, else in `zone`."""
        if self.name == GTFS_REALTIME:
            return "vehicle_locations", read_vehicle_positions(path)
        if self.mapping is None:
            return read_any_tides(path, zone)
        return self.mapping.table, read_mapped(path, self.mapping, zone)


def form_named(name: str) -> Form:
    """The form of files: tides, gtfs-rt (VehiclePositions), a mapping that comes with jasyl, or the path of a .toml.

    Raises MappingError."""
    return Form(name) if name in (TIDES, GTFS_REALTIME) else Form(name, mapping_of(name))
