"""An export in the words of its system comes in by a mapping file as if it were TIDES."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_city import KEY, City

from mobility import flows
from mobility.errors import FeedError, MappingError
from mobility.pipeline import build_flows
from mobility.sources.mapped_csv import mapping_named, read_mapped, read_mapping

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


def test_an_unknown_mapping_is_answered_with_the_known_ones() -> None:
    with pytest.raises(MappingError, match=r"no mapping 'oyster'; there are: cts, onay, sube"):
        mapping_named("oyster")
