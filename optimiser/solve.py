"""Pyomo to HiGHS: one matrix, fixed options, a start, and what a status means.

The model goes to HiGHS in memory as one sparse matrix (`linear_form`), single-threaded and with a fixed seed, so that
the same model gives the same answer. HiGHS ends by gap or by nodes; its clock is a last resort which `Solution.ended`
names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, thread_time

import highspy
import numpy as np
import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap
from pyomo.common.gc_manager import PauseGC

from optimiser.convex_bounds import convex_bounds, settle
from optimiser.errors import InfeasibleError, OptimiserError
from optimiser.linear_form import LinearForm, linear_form


@dataclass(frozen=True)
class SolveOptions:
    """When HiGHS ends: relative gap, nodes, and seconds as the last resort; and what is not worth its time.

    Small models are solved before their `presolve` would be through; with a start that is near the best, nothing better
    comes of the `sub_models` that HiGHS solves around it (RINS, RENS, root reduced costs)."""

    mip_gap: float = 0.01
    node_limit: int = 2000
    time_limit_s: float = 900.0
    seed: int = 1
    presolve: bool = True
    sub_models: bool = True


@dataclass(frozen=True)
class Solution:
    """What came back. `ended`: optimal, node_limit, time_limit, infeasible or cancelled; `objective` is None
    without an incumbent; `gap` is (objective - bound) / objective. Seconds are for the log alone: of the processor to
    build, on the clock to solve."""

    ended: str
    objective: float | None
    bound: float
    nodes: int
    rows: int
    columns: int
    build_s: float
    solve_s: float

    @property
    def gap(self) -> float:
        """Relative gap between objective and bound; 1 without an incumbent."""
        if self.objective is None:
            return 1.0
        return max(0.0, (self.objective - self.bound) / max(abs(self.objective), 1e-9))


def solve(
    model: pyo.ConcreteModel,
    options: SolveOptions,
    *,
    warm: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> Solution:
    """Solves `model` and loads the best solution into its variables; `warm` offers HiGHS their present values.

    Raises OptimiserError where HiGHS finds the model unbounded or fails."""
    started = thread_time()
    highs = _QuietHighs()
    _set_options(highs, options)
    with PauseGC():
        form = linear_form(model)
        _pass_model(highs, form)
    if warm:
        start = highspy.HighsSolution()
        start.col_value = np.array([0.0 if v.value is None else float(v.value) for v in form.columns])
        start.value_valid = True
        highs.setSolution(start)
    if cancelled is not None:
        _watch(highs, cancelled)
    build_s, solving = thread_time() - started, perf_counter()
    highs.run()
    status = _ended(highs, cancelled)
    info = highs.getInfo()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if status == "infeasible":
        found = False
    if found:
        for variable, whole, value in zip(form.columns, form.whole, highs.getSolution().col_value, strict=True):
            variable.set_value(round(value) if whole else value, skip_validation=True)
        settle(convex_bounds(model), form.columns)
    objective = float(info.objective_function_value) if found else None
    bound = float(info.mip_dual_bound) if any(form.whole) else (objective if objective is not None else float("inf"))
    return Solution(
        ended=status,
        objective=objective,
        bound=bound,
        nodes=max(0, int(info.mip_node_count)),
        rows=highs.getNumRow(),
        columns=len(form.columns),
        build_s=build_s,
        solve_s=perf_counter() - solving,
    )


def row_duals(model: pyo.ConcreteModel) -> ComponentMap:
    """Dual of every row of a linear model: what the objective rises by for each unit that its right side rises.

    Raises InfeasibleError where no values keep all rows, OptimiserError where there is no optimum to have duals of."""
    form = linear_form(model)
    highs = _QuietHighs()
    _set_options(highs, SolveOptions())
    _pass_model(highs, form)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
            raise InfeasibleError("no timing around the plan keeps all limits; change the plan or the rules")
        said = highs.modelStatusToString(highs.getModelStatus())
        raise OptimiserError(f"HiGHS found no prices around the plan: {said}; check that it keeps its own limits")
    # the rows of bundles come last, and are nobody's limit
    duals = highs.getSolution().row_dual[: len(form.constraints)]
    return ComponentMap((row, float(dual)) for row, dual in zip(form.constraints, duals, strict=True))


def _silence_and_enable(highs: highspy.Highs) -> None:
    """HiGHS prints its banner when its callbacks are set, which its constructor does before any option can be: so
    output is turned off there."""
    highs.silent()
    highspy.Highs.enableCallbacks(highs)


_QuietHighs = type("QuietHighs", (highspy.Highs,), {"enableCallbacks": _silence_and_enable})
"""A solver that prints nothing."""


def _set_options(highs: highspy.Highs, options: SolveOptions) -> None:
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("parallel", "off"),
        ("presolve", "choose" if options.presolve else "off"),
        # looks for a first incumbent, which these models have or find at once
        ("mip_heuristic_run_feasibility_jump", False),
        # on real junctions plans found this way are better, and found with fewer nodes, than at the default of 0.05
        ("mip_heuristic_effort", 0.3 if options.sub_models else 0.05),
        ("mip_heuristic_run_rins", options.sub_models),
        ("mip_heuristic_run_rens", options.sub_models),
        ("mip_heuristic_run_root_reduced_cost", options.sub_models),
        ("random_seed", options.seed),
        ("mip_rel_gap", options.mip_gap),
        ("mip_max_nodes", options.node_limit),
        ("time_limit", options.time_limit_s),
    ):
        if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise OptimiserError(
                f"HiGHS {highs.version()} knows no option {name} = {value}; install the pinned highspy"
            )


def _pass_model(highs: highspy.Highs, form: LinearForm) -> None:
    bounds = [column.bounds for column in form.columns]
    infinity = highspy.kHighsInf
    highs.passModel(
        len(form.columns),
        len(form.lower),
        len(form.factors),
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        form.offset,
        form.costs,
        np.array([-infinity if low is None else low for low, _ in bounds], dtype=float),
        np.array([infinity if high is None else high for _, high in bounds], dtype=float),
        form.lower,
        form.upper,
        form.starts,
        form.numbers,
        form.factors,
        # 1: whole numbers alone
        np.array(form.whole, dtype=np.int32),
    )


def _watch(highs: highspy.Highs, cancelled: Callable[[], bool]) -> None:
    def interrupt(event: highspy.HighsCallbackEvent) -> None:
        if cancelled():
            event.interrupt()

    highs.cbMipInterrupt.subscribe(interrupt)
    highs.cbSimplexInterrupt.subscribe(interrupt)


def _ended(highs: highspy.Highs, cancelled: Callable[[], bool] | None) -> str:
    status = highs.getModelStatus()
    known = {
        highspy.HighsModelStatus.kOptimal: "optimal",
        highspy.HighsModelStatus.kSolutionLimit: "node_limit",
        highspy.HighsModelStatus.kIterationLimit: "node_limit",
        highspy.HighsModelStatus.kTimeLimit: "time_limit",
        highspy.HighsModelStatus.kInfeasible: "infeasible",
        highspy.HighsModelStatus.kInterrupt: "cancelled",
    }
    if status not in known:
        raise OptimiserError(f"HiGHS could not solve the model: {highs.modelStatusToString(status)}")
    return known[status]
