"""Demand beyond what was served, told by queues; and reading of the detector table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sumo_networks.detector_counts import Detector, DetectorCounts, DetectorError, Series, read_detector_counts
from sumo_networks.lane_links import LaneLink
from sumo_networks.queue_growth import JAM_SPACING_M, unserved_veh_h

HEADER = (
    "detector_id,kind,tls,edge,lane,position_m,interval_begin_s,interval_end_s,count_veh,occupancy_pct,"
    "jam_length_m_mean,jam_length_m_max"
)
UPSTREAM = LaneLink("J", 0, "a", "a_0", "b", "b_0", "s", "", 13.9, 300.0, True)
TURN = LaneLink("J", 1, "a", "a_0", "c", "c_0", "r", "", 8.0, 300.0, True)
DOWNSTREAM = LaneLink("K", 0, "b", "b_0", "d", "d_0", "s", "", 13.9, 300.0, True)


def counts_with_queue(served: Series, jam_mean_m: Series, jam_max_m: Series) -> DetectorCounts:
    size = len(served)
    counts = DetectorCounts(np.arange(0.0, size * 300.0, 300.0), np.full(size, 300.0))
    flat = np.zeros(size)
    counts.entry["a_0"] = Detector("entry:a_0", "entry", "J", "a_0", served, flat, flat, flat)
    counts.queue["a_0"] = Detector("queue:a_0", "queue", "J", "a_0", served, flat, jam_mean_m, jam_max_m)
    return counts


def test_a_queue_that_comes_and_goes_is_no_unserved_demand() -> None:
    jam = np.array([50.0, 60.0, 45.0, 55.0, 60.0, 50.0, 45.0, 60.0, 50.0, 55.0, 60.0, 45.0])
    counts = counts_with_queue(np.full(12, 50.0), jam / 3.0, jam)
    assert unserved_veh_h((UPSTREAM,), {("a_0", "b_0"): 600.0}, counts) == {}


def test_a_queue_that_grows_adds_its_growth_to_demand() -> None:
    jam = np.arange(0.0, 12.0) * 2.0 * JAM_SPACING_M
    counts = counts_with_queue(np.full(12, 50.0), jam / 2, jam)
    extra = unserved_veh_h((UPSTREAM,), {("a_0", "b_0"): 600.0}, counts)
    assert extra["a_0", "b_0"] == pytest.approx(24.0)


def test_demand_before_the_queue_filled_its_detector_holds_on() -> None:
    jam = np.minimum(300.0, np.arange(1, 13) * 100.0)
    served = np.full(12, 50.0)
    counts = counts_with_queue(served, np.minimum(280.0, jam - 50.0), jam)
    extra = unserved_veh_h((UPSTREAM,), {("a_0", "b_0"): 600.0}, counts)
    arriving_veh_h = (50.0 + 100.0 / JAM_SPACING_M) * 12
    assert extra["a_0", "b_0"] == pytest.approx(arriving_veh_h - 600.0)


def test_what_is_kept_back_is_shared_over_turns_and_handed_downstream() -> None:
    jam = np.arange(0.0, 12.0) * 2.0 * JAM_SPACING_M
    counts = counts_with_queue(np.full(12, 50.0), jam / 2, jam)
    served = {("a_0", "b_0"): 450.0, ("a_0", "c_0"): 150.0, ("b_0", "d_0"): 450.0}
    extra = unserved_veh_h((UPSTREAM, TURN, DOWNSTREAM), served, counts)
    assert extra["a_0", "b_0"] == pytest.approx(18.0)
    assert extra["a_0", "c_0"] == pytest.approx(6.0)
    assert extra["b_0", "d_0"] == pytest.approx(18.0)


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "detectors.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_rows_in_any_order_become_series_and_lost_rows_become_nan(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "e,entry,J,a,a_0,90,600,900,7,3.5,,",
        "e,entry,J,a,a_0,90,0,300,5,2.5,,",
        "q,queue,J,a,a_0,0,300,600,6,9,12.5,30",
        "e,entry,J,a,a_0,90,900,1200,9,1,,",
    )
    counts = read_detector_counts(path, 0.0, 900.0)
    assert counts.begins_s.tolist() == [0.0, 300.0, 600.0]
    assert np.array_equal(counts.entry["a_0"].count_veh, [5.0, np.nan, 7.0], equal_nan=True)
    assert counts.queue["a_0"].jam_max_m[1] == 30.0
    assert counts.hours == 0.25


def test_a_count_of_minus_one_is_no_count(tmp_path: Path) -> None:
    counts = read_detector_counts(table(tmp_path, "e,entry,J,a,a_0,90,0,300,-1,2.5,,"), 0.0, 300.0)
    assert np.isnan(counts.entry["a_0"].count_veh).all()


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        ((), HEADER, "no interval within 0 to 300 s"),
        (("e,entry,J,a,a_0,90,300,600,5,2,,",), HEADER, "no interval within"),
        (("e,exits,J,a,a_0,90,0,300,5,2,,",), HEADER, "kind 'exits' is unknown"),
        (
            ("e,entry,J,a,a_0,90,0,300,5,2,,", "e,entry,J,a,a_0,90,300,600,abc,2,,"),
            HEADER,
            "count_veh in row 3 is 'abc'",
        ),
        (("e,entry,J,a,a_0,90,0,300,-5,2,,",), HEADER, "count_veh in row 2 is '-5'"),
        (("e,entry,J,a,a_0,90,0,300,5,nan,,",), HEADER, "occupancy_pct in row 2 is 'nan'"),
        (("e,entry,J,a,a_0,90,,300,5,2,,",), HEADER, "interval_begin_s in row 2 is None"),
        (("e,entry",), "detector_id,kind", "column 'tls' is missing"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_name(
    tmp_path: Path, rows: tuple[str, ...], header: str, said: str
) -> None:
    path = table(tmp_path, *rows, header=header)
    with pytest.raises(DetectorError, match=said) as refused:
        read_detector_counts(path, 0.0, 300.0)
    assert str(path) in str(refused.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="no such file"):
        read_detector_counts(tmp_path / "detectors.csv", 0.0, 300.0)
