"""The named formulation of one junction: which families of constraints it is made of."""

from __future__ import annotations

import pyomo.environ as pyo

from optimiser.formulation.case import JunctionCase
from optimiser.formulation.cycle import add_cycle
from optimiser.formulation.limits import add_limits
from optimiser.formulation.objective import add_person_delay
from optimiser.formulation.queues import add_lane_flows, add_queues
from optimiser.formulation.storage import add_storage


def add_junction(block: pyo.Block, case: JunctionCase) -> None:
    """Composes cycle, limits, lane flows, queues, storage and person delay of one junction on `block`."""
    add_cycle(block, case)
    add_limits(block, case)
    add_lane_flows(block, case)
    add_queues(block, case)
    add_storage(block, case)
    add_person_delay(block, case)
