"""The OD matrix as Open Matrix (OMX), as demand models read it: https://github.com/osPlanning/omx.

One matrix of passengers for each hour, named pax_07 for 7:00 to 8:00 (hours after midnight go on: pax_24), and pax for
all of them; rows are origins, columns destinations. The mapping `zone` numbers the stops from 1, and the lookup
`stop_id` names them in that order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openmatrix
import polars as pl

from mobility.errors import MobilityError


def write_omx(od: pl.DataFrame, path: Path) -> int:
    """Write published OD rows (OdFlow without `cards`) of one service date; returns how many zones it has.

    Raises MobilityError for rows of several service dates, and for none."""
    days = od["service_date"].unique().to_list()
    if len(days) != 1:
        raise MobilityError(f"an OMX file holds one service date, and the OD rows are of {len(days)}; choose one")
    stops = pl.concat([od["origin_stop_id"], od["destination_stop_id"]]).unique().sort()
    number = pl.DataFrame({"stop_id": stops, "zone": np.arange(len(stops))})
    cells = od.join(number.rename({"stop_id": "origin_stop_id", "zone": "row"}), on="origin_stop_id").join(
        number.rename({"stop_id": "destination_stop_id", "zone": "column"}), on="destination_stop_id"
    )
    partial = path.with_name(path.name + ".partial")
    with openmatrix.open_file(str(partial), "w") as file:
        file["pax"] = _matrix(cells, len(stops))
        for (hour,), rows in sorted(cells.group_by("hour"), key=lambda group: str(group[0]).zfill(9)):
            file[f"pax_{hour:02d}"] = _matrix(rows, len(stops))
        file.create_mapping("zone", np.arange(1, len(stops) + 1))
        names = np.array([stop.encode("utf-8") for stop in stops], dtype=np.bytes_)
        file.create_array("/lookup", "stop_id", names)
        file.root._v_attrs["service_date"] = days[0].isoformat()
        file.root._v_attrs["unit"] = "passengers"
    partial.replace(path)
    return len(stops)


def _matrix(cells: pl.DataFrame, zones: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    matrix = np.zeros((zones, zones))
    np.add.at(matrix, (cells["row"].to_numpy(), cells["column"].to_numpy()), cells["pax"].to_numpy())
    return matrix
