"""Numbers of the passenger flows: `python benchmarks/mobility.py CASE --json F` prints one JSON line.

A case is a function that takes the data folder and returns what to print; add one to CASES and it has a name.
Those in SIZED write their own data, of a size that --scale sets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import cityday, forecast, recorded, wmata

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("JASYL_DATA", ROOT.parent / "shared" / "data"))


def amba(data: Path) -> dict[str, Any]:
    """Alightings of a real SUBE day whose check-outs are hidden, as the judge beside the data scores them."""
    sube, judge = data / "mobility" / "amba_sube", data.parent / "judges" / "alightings.py"
    trx = sube / "trx_2019-11-27.csv"
    for path in (trx, judge):
        if not path.is_file():
            raise SystemExit(f"{path} is missing: set JASYL_DATA to the data folder (the judges lie beside it)")
    with tempfile.TemporaryDirectory() as folder:
        stripped, legs = Path(folder, "stripped.csv"), Path(folder, "legs.csv")
        _python(judge, "strip", trx, stripped)
        begin = time.perf_counter()
        options: list[str | Path] = ["--mapping", "sube", "--metadata", sube / "metadata_amba_2019_m1.csv"]
        options += ["--lines", sube / "recorridos_2019_linea_unica_m1.geojson", "--out", legs]
        _python("-c", "from api.cli import main; main()", "mobility", "alightings", stripped, *options)
        taken = time.perf_counter() - begin
        scored: dict[str, Any] = json.loads(_python(judge, "score", trx, legs))
    return {"case": "amba", "seconds": round(taken, 1), **scored}


CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "amba": amba,
    "forecast": forecast.case,
    "recorded": recorded.case,
    "wmata": wmata.case,
}
SIZED: dict[str, Callable[[Path, float], dict[str, Any]]] = {"cityday": cityday.case, "thirtydays": cityday.thirty_days}


def _python(*arguments: str | Path) -> str:
    """Run python with these arguments and give back what it printed; its own message where it fails."""
    known = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": known},
    )
    if done.returncode:
        raise SystemExit(f"{arguments[0]} failed with exit code {done.returncode}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=sorted({**CASES, **SIZED}))
    parser.add_argument("--json", type=Path, help="also write the line to this file")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the synthetic day (cityday, thirtydays)")
    given = parser.parse_args()
    found = SIZED[given.case](DATA, given.scale) if given.case in SIZED else CASES[given.case](DATA)
    line = json.dumps(found)
    print(line)
    if given.json:
        given.json.write_text(line + "\n")
