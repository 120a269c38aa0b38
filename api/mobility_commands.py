"""Commands on taps alone, without a scenario: `jasyl mobility …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.export_commands import export
from api.forecast_commands import forecast
from api.terminal import console, step_bars
from mobility.alighting_posterior import probable_alightings
from mobility.sources.line_files import read_line_shapes, read_modes
from mobility.sources.mapped_csv import mapping_of
from mobility.sources.tap_on import read_tap_ons

mobility = typer.Typer(no_args_is_help=True, help="Passenger flows from taps.")
mobility.command(epilog="Example: jasyl mobility export flows --format omx --out od.omx")(export)
mobility.command(epilog="Example: jasyl mobility forecast flows/* --date 2025-03-31 --out monday.csv")(forecast)


@mobility.command(
    epilog="Example: jasyl mobility alightings taps.csv --mapping sube --metadata lines.csv --lines lines.geojson "
    "--out legs.csv"
)
def alightings(
    taps: Annotated[Path, typer.Argument(help="CSV of taps that have a line and a position.", show_default=False)],
    mapping: Annotated[
        str, typer.Option(help="Name of a mapping that comes with jasyl, or a .toml.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="CSV to write.", show_default=False)],
    metadata: Annotated[Path | None, typer.Option(help="CSV with the modes of lines.", show_default=False)] = None,
    lines: Annotated[Path | None, typer.Option(help="GeoJSON with the paths of lines.", show_default=False)] = None,
) -> None:
    """Where each boarding most likely ended, and how sure that is: the chance that it was within 400 m.

    Writes transaction_id, alighting_lat, alighting_lon, confidence. Times may be to the hour only: the order of taps is
    inferred with the places."""
    chosen = mapping_of(mapping)
    with step_bars() as bars:
        boardings = read_tap_ons(taps, chosen, read_modes(metadata, chosen))
        shapes = read_line_shapes(lines, chosen)
        bars("read taps and lines", 1.0)
        legs = probable_alightings(boardings, shapes, progress=lambda share: bars("infer alightings", share))
    legs.write_csv(out, float_precision=6)
    blank = legs["alighting_lat"].null_count()
    console.print(f"{legs.height} boardings in {out}, {blank} of them with nowhere else to go", soft_wrap=True)
