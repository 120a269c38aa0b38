"""The main line as the service runs it for a job."""

from __future__ import annotations

import os

from api.jobs import LineOrder, Progress


def run_order(order: LineOrder, progress: Progress) -> None:
    """Do one order: the whole line, or the verdict on a plan that is given. Raises the errors of the rooms."""
    # Imported here: the line brings the solver and the simulator with it, which a service without jobs never needs.
    from api.run import run_line, verify_plan
    from api.run_options import RunOptions

    options = RunOptions(
        seeds=order.seeds, begin_s=order.begin_s, end_s=order.end_s, rules=order.rules, workers=os.cpu_count() or 1
    )

    def tell(step: str, part: float) -> None:
        progress(part, step)

    if order.plan is None:
        run_line(order.scenario, order.out, options, tell)
    else:
        verify_plan(order.scenario, order.plan, order.out, options, tell)
