"""The main line as the service runs it for a job."""

from __future__ import annotations

import os
from dataclasses import replace

from api.jobs import LineOrder, Progress


def run_order(order: LineOrder, progress: Progress) -> None:
    """Do one order with the main line. Raises the errors of the rooms."""
    # Imported here: the line brings the solver and the simulator with it, which a service without jobs never needs.
    from api.run import RunOptions, run_line

    options = RunOptions(
        seeds=order.seeds, begin_s=order.begin_s, end_s=order.end_s, workers=max(1, os.cpu_count() or 1)
    )
    options = replace(options, rules=options.rules.model_copy(update={"profile": order.profile}))
    run_line(order.scenario, order.out, options, lambda step, part: progress(part, step))
