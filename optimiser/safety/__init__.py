"""The independent checker: says of any plan or any record of signal states what it breaks.

It shares no code with the formulation, the coordination, the solver or the building of plans: it reads the data types
of `optimiser.signals` and knows only the rules."""

from optimiser.safety.findings import Finding, Rule
from optimiser.safety.log import Aspect, AspectChange, SignalLog, check_log
from optimiser.safety.plan import check_network_plan, check_plan
from optimiser.safety.reference import check_against, check_network_against

__all__ = [
    "Aspect",
    "AspectChange",
    "Finding",
    "Rule",
    "SignalLog",
    "check_against",
    "check_log",
    "check_network_against",
    "check_network_plan",
    "check_plan",
]
