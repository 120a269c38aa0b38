"""An outside judge, which shares no code with jasyl, measures what our verdict measures."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from api.run import run_line
from api.run_options import RunOptions

JUDGE_SEEDS = "11,12,13"
SLACK = 0.05


@pytest.mark.slow
def test_the_outside_judge_agrees_on_other_seeds(real_data: Path, small: RunOptions, tmp_path: Path) -> None:
    judge = real_data.parent / "judges" / "signals.py"
    if not judge.is_file():
        pytest.skip(f"no judge at {judge}")
    config = real_data / "signals" / "cologne1" / "cologne1.sumocfg"
    options = replace(small, begin_s=25200.0, end_s=25200.0 + 1200.0)
    result = run_line(config, tmp_path / "out", options)
    plan = result.folder / "plan.add.xml"
    said = subprocess.run(
        [sys.executable, str(judge), str(config), "--plan", str(plan), "--seeds", JUDGE_SEEDS, "--seconds", "1200"],
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(said.stdout)
    relative = result.verdict.relative.person_delay_s
    assert relative is not None and relative.low is not None and relative.high is not None
    assert relative.low - SLACK <= told["person_ratio"] - 1 <= relative.high + SLACK
    assert told["shipped"]["person_delay_s"] == pytest.approx(result.verdict.baseline.person_delay_s, rel=0.1)
    assert told["plan"]["conflicting_protected_s"] <= told["shipped"]["conflicting_protected_s"]
    assert told["intergreens_shortened"] == []
