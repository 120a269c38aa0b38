"""How the network optimiser grows: `python benchmarks/scaling.py --json F` prints one JSON line a size, and the growth.

Networks are irregular and have loops; they are drawn from the seed (`generated_network`). Each size runs in a process
of its own, so that its peak memory is its own. `seconds` is wall time, `cpu_s` the processor time of all processes,
`build_share` the part of that which models take to build, `peak_gb` the memory of all processes together at most.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

SIZES = (5, 20, 60, 240)
ROOT = Path(__file__).resolve().parent.parent
for folder in (str(ROOT), str(ROOT / "benchmarks")):
    if folder not in sys.path:
        sys.path.insert(0, folder)


def measured(junctions: int, seed: int, formulation: str) -> dict[str, Any]:
    """Figures of one network; the plan must keep every safety rule."""
    from generated_network import generated_network

    from optimiser.coordination import optimise
    from optimiser.rules import Rules
    from optimiser.safety import check_network_plan

    network, demand = generated_network(junctions, seed)
    wall, cpu = time.perf_counter(), _cpu_s()
    result = optimise(network, demand, Rules(formulation=formulation), workers=os.cpu_count() or 1)
    seconds, cpu_s = time.perf_counter() - wall, _cpu_s() - cpu
    return {
        "junctions": junctions,
        "seed": seed,
        "formulation": result.formulation,
        "status": result.status,
        "cycle_s": sorted(set(result.cycles_s.values())),
        "objective": round(result.objective, 1),
        "bound": round(result.bound, 1),
        "gap": round(result.gap, 4),
        "running": round(result.running.objective, 1),
        "webster": None if result.webster is None else round(result.webster, 1),
        "candidates": {c.name: [round(c.objective, 1), round(c.gap, 4)] for c in result.candidates},
        "seconds": round(seconds, 1),
        "cpu_s": round(cpu_s, 1),
        "build_share": round(result.build_s / max(cpu_s, 1e-9), 3),
        "solves": len(result.log),
        "nodes": result.nodes,
        "peak_gb": round(_peak_gb(), 2),
        "findings": len(check_network_plan(result.plan)),
    }


def _cpu_s() -> float:
    """Processor time of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak_gb() -> float:
    """This process's peak and, for each other at once, that of the largest of them."""
    own, largest = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return float(own + (os.cpu_count() or 1) * largest) / 2**20


def growth(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Exponents b of time ~ junctions^b from each size to the next, by processor time."""
    exponents = {
        f"{a['junctions']}-{b['junctions']}": round(
            math.log(b["cpu_s"] / max(a["cpu_s"], 0.1)) / math.log(b["junctions"] / a["junctions"]), 2
        )
        for a, b in pairwise(lines)
    }
    return {"growth": exponents}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="junctions, comma-separated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--formulation", default="cyclic offsets")
    parser.add_argument("--json", type=Path, help="also write the lines to this file")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(measured(given.one, given.seed, given.formulation)))
        return
    lines: list[dict[str, Any]] = []
    for size in map(int, given.sizes.split(",")):
        command = [sys.executable, __file__, "--one", str(size), "--seed", str(given.seed)]
        done = subprocess.run([*command, "--formulation", given.formulation], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"{size} junctions failed with exit code {done.returncode}")
        print(done.stdout.strip(), flush=True)
        lines.append(json.loads(done.stdout))
    lines.append(growth(lines))
    print(json.dumps(lines[-1]))
    if given.json:
        given.json.write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
