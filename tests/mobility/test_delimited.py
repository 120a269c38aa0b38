"""Whatever is in a file, each of its lines is a row or is kept with the reason why it is none."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.errors import FeedError
from mobility.sources.delimited import read_delimited
from mobility.sources.tides import read_records


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file.csv"
    path.write_bytes(content)
    return path


def test_lines_that_are_no_rows_cost_themselves_alone(tmp_path: Path) -> None:
    lines = ['"x,y","q""z",', "", '"open,1,2', 'ab"c"d,1,2', "1,2", "1,2,3,4", "\udcff,1,2", "1\x00,2,3", "last,1,2"]
    content = "\ufeffa,b,c\r\n" + "\r\n".join(lines)
    records = read_delimited(written(tmp_path, content.encode(errors="surrogateescape")))
    assert records.rows.rows() == [("x,y", 'q"z', None), ("last", "1", "2")]
    assert records.lines.to_list() == [2, 10]
    assert [(line, reason.split(":")[0]) for line, reason in records.broken.select("line", "reason").rows()] == [
        (3, "the line is empty"),
        (4, "quoting is broken"),
        (5, "quoting is broken"),
        (6, "too few fields for the header"),
        (7, "too many fields for the header"),
        (8, "the line has bytes that are no utf-8"),
        (9, "the line has NUL bytes"),
    ]


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(st.text(alphabet='ab1,"; \r\x00é\ufffd', max_size=12), max_size=12), end=st.sampled_from(["", "\n"])
)
def test_every_line_is_a_row_or_broken(tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str) -> None:
    content = "a,b,c\n" + "".join(f"{line}\n" for line in lines) + end
    records = read_delimited(written(tmp_path_factory.mktemp("lines"), content.encode()))
    places = [*records.lines.to_list(), *records.broken["line"].to_list()]
    assert sorted(places) == list(range(2, 2 + len(lines) + len(end)))
    assert records.rows.height == records.lines.len()


cells = st.text(alphabet='ab1,"; é', max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(cells, cells, cells), max_size=8), quoting=st.sampled_from([0, 1]))
def test_well_formed_rows_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], quoting: int
) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL if quoting else csv.QUOTE_MINIMAL).writerows([("a", "b", "c"), *rows])
    records = read_delimited(written(tmp_path_factory.mktemp("rows"), out.getvalue().encode()))
    expected = [tuple(cell or None for cell in row) for row in rows]
    assert records.broken.is_empty()
    assert records.rows.rows() == expected


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "utf-16", "utf-16-le"])
def test_encodings_are_read_packed_or_not(tmp_path: Path, encoding: str) -> None:
    content = "дата;сумма\nмарт;2,5\n".encode(encoding)
    for body in (content, gzip.compress(content)):
        assert read_delimited(written(tmp_path, body), ";", encoding).rows.rows() == [("март", "2,5")]


def test_a_file_longer_than_a_block_keeps_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mobility.sources.delimited.BLOCK_CHARS", 7)
    content = "a,b\n" + "".join(f"{number},é\n" if number % 3 else "broken\n" for number in range(100))
    records = read_delimited(written(tmp_path, content.encode()))
    assert records.rows.rows() == [(str(number), "é") for number in range(100) if number % 3]
    assert records.lines.to_list() == [number + 2 for number in range(100) if number % 3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"file\.csv is empty: it needs at least a header line"),
        (b"a,b,a\n1,2,3\n", r"line 1: the column 'a' stands in the header more than once"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 500, mtime=0)[:30], r"file\.csv cannot be read: .*; is it whole\?"),
        (b"PK\x03\x04\x14\0a,b\n1,2\n", r"file\.csv is a zip archive \(or a spreadsheet\): unpack it"),
        (b"a,b\r1,2\r3,2\r", r"file\.csv: its lines end in carriage returns alone; save it with line feeds"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(FeedError, match=said):
        read_delimited(written(tmp_path, content))


def test_parquet_is_known_by_its_content(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1.5], "line": ["x"]}).write_parquet(tmp_path / "file.csv")
    records = read_records(tmp_path / "file.csv")
    assert records.rows.rows() == [(1.5, "x")]
    assert records.lines.to_list() == [2]
    (tmp_path / "file.csv").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(FeedError, match="no whole Parquet file"):
        read_records(tmp_path / "file.csv")
