"""`jasyl mobility forecast`: the boardings of the next day from the flows folders of past weeks."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from api.errors import UnprocessableError
from api.terminal import say
from mobility.flows import read_boardings
from mobility.forecast import by_local_quarter
from mobility.forecast import forecast as forecast_of
from mobility.sources.day_knowledge import read_known
from mobility.sources.zones import is_iana_zone
from mobility.summary import SUMMARY, read_summary


def forecast(
    flows: Annotated[list[Path], typer.Argument(help="Flows folders of past days, any number.", show_default=False)],
    day: Annotated[datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="The day to come.", show_default=False)],
    out: Annotated[Path, typer.Option(help="CSV to write, for the operator's own use.", show_default=False)],
    weather: Annotated[
        Path | None,
        typer.Option(
            help="CSV: date, hour, temperature_c, precipitation_mm; past days and the day to come.", show_default=False
        ),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(help="CSV: date, stop_id, begin_min, end_min, attendance; likewise.", show_default=False),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="Zone of the agency.", show_default="that of the flows' summaries")
    ] = None,
    holiday: Annotated[
        list[datetime] | None,
        typer.Option(formats=["%Y-%m-%d"], help="A public holiday; give it once for each.", show_default=False),
    ] = None,
) -> None:
    """Boardings by stop and quarter-hour of one day, from at least two weeks before it, weather and events."""
    known = read_known(weather, events, (one.date() for one in holiday or ()))
    local = zone or _zone(flows)
    if not is_iana_zone(local):
        raise UnprocessableError(f"zone '{local}' is no IANA time zone; give --zone, such as --zone Asia/Almaty.")
    past = by_local_quarter(pl.concat([read_boardings(folder) for folder in flows]), local)
    made = forecast_of(past, day.date(), local, known)
    made.write_csv(out, datetime_format="%Y-%m-%dT%H:%M:%S%:z")
    say(
        f"{made['boardings_pax'].sum():.0f} boardings expected on {day.date()} at {made['stop_id'].n_unique()} stops, "
        f"from {past['date'].n_unique()} days, in {out}"
    )


def _zone(flows: list[Path]) -> str:
    for folder in flows:
        if not (folder / SUMMARY).is_file():
            raise UnprocessableError(f"{folder} has no {SUMMARY}: is it a flows folder? If it is, give --zone.")
    zones = sorted({read_summary(folder).zone for folder in flows})
    if len(zones) > 1:
        raise UnprocessableError(f"The flows are of several zones ({', '.join(zones)}); forecast each city by itself.")
    return zones[0]
