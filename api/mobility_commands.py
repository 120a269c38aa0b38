"""Commands on taps alone, without a scenario: `jasyl mobility …`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import date, time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from api.card_key import card_key
from api.errors import ApiError
from api.export_commands import export
from api.forecast_commands import forecast
from api.forget_command import forget
from api.terminal import console, print_note, say, step_bars
from mobility.alighting_posterior import probable_alightings
from mobility.day_order import DayOrder, lake_dates
from mobility.intake import LakeDescription, open_lake, read_description, take_in
from mobility.lake import DESCRIPTION, write_parquet
from mobility.ledger import FileReport
from mobility.month import SUMMARIES, flows_of_days
from mobility.quarantine import reasons
from mobility.sources.feed import Form, form_named
from mobility.sources.line_files import read_line_shapes, read_modes
from mobility.sources.mapped_csv import mapping_of
from mobility.sources.zones import read_date
from mobility.tap_ons import read_tap_ons

mobility = typer.Typer(no_args_is_help=True, help="Passenger flows from taps.")
mobility.command(epilog="Example: jasyl mobility export flows --format omx --out od.omx")(export)
mobility.command(epilog="Example: jasyl mobility forecast flows/* --date 2025-03-31 --out monday.csv")(forecast)
mobility.command(epilog="Example: jasyl mobility forget --lake lake --file taps.csv --reason 'test data'")(forget)

CardKeyFile = Annotated[
    Path | None, typer.Option(help="File with the key of card pseudonyms; made where it is not there.")
]


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
    inferred with the places. Rows that cannot be read are kept beside it, with line and reason."""
    chosen = mapping_of(mapping)
    if out.exists() and taps.exists() and out.samefile(taps):
        raise ApiError(f"--out {out} is the file of the taps, which would be lost; name another")
    with step_bars() as bars:
        read = read_tap_ons(taps, chosen, read_modes(metadata, chosen))
        shapes = read_line_shapes(lines, chosen)
        bars("read taps and lines", 1.0)
        legs = probable_alightings(read.boardings, shapes, progress=lambda share: bars("infer alightings", share))
    legs.write_csv(out, float_precision=6)
    refused = out.with_suffix(".quarantine.parquet")
    write_parquet(read.quarantined, refused)
    if not read.quarantined.is_empty():
        _print_reasons(reasons(read.quarantined), f"{read.quarantined.height} of {read.read} rows, in {refused}")
    blank = legs["alighting_lat"].null_count()
    say(f"{legs.height} boardings in {out}, {blank} of them with nowhere else to go")


@mobility.command(
    epilog="Example: jasyl mobility ingest taps-*.csv.gz --mapping onay --lake lake --zone Asia/Almaty --agency almaty"
)
def ingest(
    files: Annotated[list[Path], typer.Argument(help="CSV (also .gz) or Parquet files.", show_default=False)],
    mapping: Annotated[
        str,
        typer.Option(
            help="tides, gtfs-rt, the name of a mapping that comes with jasyl, or a .toml.", show_default=False
        ),
    ],
    lake: Annotated[Path, typer.Option(help="Folder of the lake; made where it is not there.", show_default=False)],
    service_date: Annotated[
        str | None, typer.Option(help="All rows are of this service date; else each is of its own.")
    ] = None,
    zone: Annotated[str | None, typer.Option(help="The agency's zone; default: the lake's, or the mapping's.")] = None,
    agency: Annotated[str | None, typer.Option(help="agency_id of a new lake; default: agency.")] = None,
    day_start: Annotated[
        str | None,
        typer.Option(help="HH:MM at which a service day begins in a new lake; default: the mapping's, or 00:00."),
    ] = None,
    card_key_file: CardKeyFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Taps and vehicle positions into the lake, each file once; refused rows are kept with file, line and reason."""
    form = form_named(mapping)
    description = _description(lake, form, zone, agency, day_start)
    day = _option_date(service_date, "--service-date")
    open_lake(lake, description)
    if card_key_file is not None and card_key_file.resolve().is_relative_to(lake.resolve()):
        raise ApiError(f"{card_key_file} lies in the lake, and the key of card pseudonyms must not; name another file")
    key = card_key(card_key_file)
    reports = []
    with step_bars() as bars:
        for number, file in enumerate(files):
            bars("ingest", number / len(files))
            name, table = form.read(file, description.zone)
            reports.append(take_in(lake, name, table, key=key, service_date=day, set_apart=form.set_apart))
        bars("ingest", 1.0)
    if as_json:
        typer.echo(json.dumps([asdict(report) for report in reports], indent=2, ensure_ascii=False))
    else:
        _print_intake(reports)


@mobility.command(
    epilog="Example: jasyl mobility flows --lake lake --timetable gtfs.zip --out flows --dates 2025-03-01..2025-03-31"
)
def flows(
    lake: Annotated[Path, typer.Option(help="Lake, as jasyl mobility ingest makes it.", show_default=False)],
    timetable: Annotated[Path, typer.Option(help="GTFS Schedule, a zip or a folder.", exists=True, show_default=False)],
    out: Annotated[Path, typer.Option(help="Flows folder to write.", show_default=False)],
    dates: Annotated[
        str | None, typer.Option(help="FIRST..LAST, or one date; default: all the lake has.", show_default=False)
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="How many days at a time, each in a process.")] = 1,
    cash_share: Annotated[float, typer.Option(min=0.0, max=0.99, help="Share of riders who do not tap.")] = 0.0,
    control_totals: Annotated[
        Path | None, typer.Option(help="CSV of route_id, boardings of a day.", exists=True, dir_okay=False)
    ] = None,
    vehicles: Annotated[
        Path | None,
        typer.Option(help="TIDES vehicles: vehicle_id, facility_name (depot).", exists=True, dir_okay=False),
    ] = None,
    habits: Annotated[
        bool,
        typer.Option(help="Let the days of its month before it tell each day what cards do; it reads them."),
    ] = True,
) -> None:
    """Flows of many service days of a lake; each day writes its own partitions alone."""
    days = lake_dates(lake, *_span(dates))
    orders = [
        DayOrder(
            lake,
            timetable,
            out,
            day,
            cash_share=cash_share,
            control_totals=control_totals,
            vehicles=vehicles,
            habits=habits,
        )
        for day in days
    ]
    with step_bars() as bars:
        summaries = flows_of_days(orders, processes, lambda share: bars("flows", share))
    for summary in summaries:
        for warning in summary.warnings:
            print_note(f"{summary.service_date}: {warning}")
    odd: Counter[str] = Counter()
    for summary in summaries:
        odd.update(summary.irregularities)
    if odd:
        _print_counts("not as planned (table irregularities)", "kind", odd)
    say(f"flows of {len(days)} service dates in {out}; of each: {out / SUMMARIES}")


def _span(dates: str | None) -> tuple[date | None, date | None]:
    if dates is None:
        return None, None
    first, dots, last = dates.partition("..")
    if dots and not (first and last):
        raise ApiError(f"--dates {dates}: give FIRST..LAST with both dates, or one date")
    span = _option_date(first, "--dates"), _option_date(last or first, "--dates")
    if span[0] is not None and span[1] is not None and span[1] < span[0]:
        raise ApiError(f"--dates {dates}: the last date comes before the first")
    return span


def _description(
    lake: Path, form: Form, zone: str | None, agency: str | None, day_start: str | None
) -> LakeDescription:
    """What the lake is, or is to be: the options, else what it is already, else what the mapping says."""
    there = read_description(lake) if (lake / DESCRIPTION).exists() else None
    named = zone or (there.zone if there else form.zone)
    if named is None:
        raise ApiError("say the agency's zone, as in --zone Asia/Almaty: neither the lake nor the mapping does")
    start = day_start or (there.service_day_start if there else f"{form.service_day_start:%H:%M}")
    try:
        time.fromisoformat(start)
    except ValueError:
        raise ApiError(f"--day-start {start}: give a time such as 03:00") from None
    return LakeDescription(agency or (there.agency_id if there else "agency"), named, start)


def _option_date(value: str | None, option: str) -> date | None:
    try:
        return None if value is None else read_date(value)
    except ValueError:
        raise ApiError(f"{option} {value}: give a date such as 2025-03-03") from None


def _print_intake(reports: list[FileReport]) -> None:
    table = Table(title="what became of the rows")
    table.add_column("file")
    for name in ("read", "accepted", "quarantined", "service dates"):
        table.add_column(name, justify="right")
    for report in reports:
        if report.already:
            table.add_row(Text(report.file), "in the lake already", "", "", "")
            continue
        dates = report.service_dates
        span = "none" if not dates else dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        table.add_row(Text(report.file), str(report.read), str(report.accepted), str(report.quarantined), span)
    console.print(table)
    counted: Counter[str] = Counter()
    for report in reports:
        counted.update({} if report.already else report.reasons)
    if counted:
        _print_reasons(counted, f"{counted.total()} rows")


def _print_reasons(counted: dict[str, int], title: str) -> None:
    _print_counts(f"in quarantine: {title}", "reason", counted)


def _print_counts(title: str, what: str, counted: dict[str, int]) -> None:
    table = Table(title=title)
    table.add_column(what)
    table.add_column("rows", justify="right")
    for name, rows in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(Text(name), str(rows))
    console.print(table)
