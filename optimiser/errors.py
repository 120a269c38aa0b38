"""What goes wrong in the optimiser, each told in one sentence that says what to do."""

from __future__ import annotations


class OptimiserError(Exception):
    """Base of all errors of this package; its text is for a person."""


class RulesError(OptimiserError):
    """The engineer's rules name something that is not there, or contradict themselves."""


class InfeasibleError(OptimiserError):
    """No plan keeps all limits. `conflicts` lists the junctions and limits that cannot hold together, with figures."""

    def __init__(self, message: str, conflicts: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.conflicts = conflicts


class PriorityError(OptimiserError):
    """A plan cannot run active bus priority: it names no stages, or switches on parts of seconds."""


class PlanMisfitError(OptimiserError):
    """A plan has signal groups or stages that its junction has not: it was made for other programs."""
