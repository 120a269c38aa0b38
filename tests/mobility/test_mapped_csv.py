"""An export in the words of its system comes in by a mapping file as if it were TIDES."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest
from synthetic_city import KEY, City

from mobility import flows
from mobility.errors import FeedError, MappingError
from mobility.pipeline import build_flows
from mobility.sources.mapped_csv import mapping_named, read_mapped, read_mapping
from mobility.sources.tides import VEHICLE_LOCATIONS

HEADER = "Номер операции;Дата;Время;Гос. номер;Терминал;Номер карты;Тип операции;Сумма, тиын"
ONAY = Path(__file__).resolve().parents[2] / "mobility" / "sources" / "onay.toml"


def onay_export(city: City) -> str:
    """The city's taps as an Onay-like system would export them."""
    lines = [HEADER]
    for tap in city.taps:
        day, clock = tap["event_timestamp"].removesuffix("+05:00").split("T")
        date = ".".join(reversed(day.split("-")))
        lines.append(
            f"{tap['transaction_id']};{date};{clock};{tap['vehicle_id']};{tap['device_id']};"
            f"{tap['fare_media_id']};Проход;8000"
        )
    return "\n".join(lines) + "\n"


def test_an_onay_like_export_gives_the_flows_of_the_same_taps_in_tides(city: City, tmp_path: Path) -> None:
    feeds = city.write(tmp_path / "tides")
    build_flows(feeds, tmp_path / "one", key=KEY)
    (feeds / "fare_transactions.csv").write_text(onay_export(city))
    (feeds / "fare_transactions.toml").write_text(ONAY.read_text())
    summary = build_flows(feeds, tmp_path / "two", key=KEY)
    assert summary.files[1].quarantined == 0
    assert flows.read_journey_legs(tmp_path / "one").equals(flows.read_journey_legs(tmp_path / "two"))


def test_words_units_and_columns_are_translated(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(f"{HEADER}\n1;03.03.2025;08:00:00;123ABC02;T1;77;Пересадка;8000\n2;;;;;;Ремонт;\n")
    table = read_mapped(path, mapping_named("onay"), "UTC")
    assert table.zone == "Asia/Almaty"
    assert table.rows["event_timestamp"].to_list() == ["03.03.2025 08:00:00", None]
    assert table.rows["fare_action"].to_list() == ["Transfer entrance", "Ремонт"]
    assert table.rows["amount"].to_list() == [80.0, None]
    assert table.rows["line"].to_list() == [2, 3]


def test_a_column_the_mapping_names_and_the_file_lacks_is_told(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("a;b\n1;2\n")
    with pytest.raises(FeedError, match=r"export.csv lacks the column 'Номер операции'"):
        read_mapped(path, mapping_named("onay"), "UTC")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("table = ", "cannot be read as TOML"),
        ('table = "fare_transactions"', "columns: Field required"),
        ('table = "weather"\n[columns]\na = "b"', "'weather' must be one of"),
        ('table = "fare_transactions"\n[columns]\ntransaction_id = "b"', "maps nothing to 'event_timestamp'"),
        ('table = "fare_transactions"\ncolour = 1\n[columns]\na = "b"', "colour: Extra inputs"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(text)
    with pytest.raises(MappingError, match=word):
        read_mapping(path)


WHOLE = """
table = "fare_transactions"
{more}
[columns]
transaction_id = "a"
event_timestamp = {times}
vehicle_id = "c"
fare_media_id = "d"
{last}
"""


@pytest.mark.parametrize(
    ("more", "times", "last", "word"),
    [
        (
            'timestamp_format = "%d.%m.%Y %I:%M"',
            '"b"',
            "",
            "timestamp_format: '.*' is no format: Please either specify",
        ),
        ('service_date_format = "%d.%m.%Y %H"', '"b"', "", "service_date_format: '.*' is no format"),
        ("", "[]", "", "columns: 'event_timestamp' names no column"),
        ("", '"b"', '[constants]\nvehicle_id = "x"', r"gives 'vehicle_id' in \[columns\] and in \[constants\]"),
        ('separator = "；"', '"b"', "", "separator: '；' cannot stand between fields"),
        ("separator = '\"'", '"b"', "", "separator: '\"' cannot stand between fields"),
        ('encoding = "hex"', '"b"', "", "encoding: 'hex' is no encoding"),
        ("service_day_start = 3", '"b"', "", "service_day_start: 3 is no whole minute of a day such as 03:00"),
        ('service_day_start = "03:00:30"', '"b"', "", "service_day_start: 03:00:30 is no whole minute"),
        ('service_day_start = "3 am"', '"b"', "", "service_day_start: 3 am is no whole minute"),
        ('zone = "localtime"', '"b"', "", "zone: 'localtime' is neither"),
        ("precision_s = nan", '"b"', "", "precision_s: Input should be a finite number"),
        ("", '"b"', 'amount = "e"\n[factors]\namount = inf', "factors.amount: Input should be a finite number"),
    ],
)
def test_a_mapping_whose_values_cannot_work_is_refused(
    tmp_path: Path, more: str, times: str, last: str, word: str
) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(WHOLE.format(more="", times='"b"', last=""))
    assert read_mapping(path).table == "fare_transactions"
    path.write_text(WHOLE.format(more=more, times=times, last=last))
    with pytest.raises(MappingError, match=word):
        read_mapping(path)


@pytest.mark.parametrize("start", ['"03:00"', "03:00:00"])
def test_a_service_day_may_begin_at_a_time_of_toml_or_a_text(tmp_path: Path, start: str) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(WHOLE.format(more=f"service_day_start = {start}", times='"b"', last=""))
    assert read_mapping(path).service_day_start == time(3)


def test_a_mapping_of_another_table_than_the_file_beside_it_is_refused(city: City, tmp_path: Path) -> None:
    feeds = city.write(tmp_path / "feeds")
    columns = "".join(f'{name} = "{name}"\n' for name in VEHICLE_LOCATIONS)
    (feeds / "fare_transactions.toml").write_text(f'table = "vehicle_locations"\n[columns]\n{columns}')
    with pytest.raises(MappingError, match=r"fare_transactions\.toml: table 'vehicle_locations' must be"):
        build_flows(feeds, tmp_path / "flows", key=KEY)


def test_a_mapping_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(WHOLE.format(more="", times='"b"', last=""))
    expected = read_mapping(path)
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert read_mapping(path) == expected


def test_an_unknown_mapping_is_answered_with_the_known_ones() -> None:
    with pytest.raises(MappingError, match=r"no mapping 'oyster'; there are: cts, onay, sube"):
        mapping_named("oyster")
