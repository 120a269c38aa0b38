"""What can go wrong on the SUMO side. Every message is one sentence that names the file or junction and what to do."""

from __future__ import annotations


class NetworkError(Exception):
    """Base of all errors of this package."""


class ScenarioError(NetworkError):
    """A scenario's file is missing, truncated or contradictory."""


class SimulationError(NetworkError):
    """SUMO ended with an error; the message holds SUMO's own error line."""


class PlanMismatchError(NetworkError):
    """A plan was made for another network, or names a controller that the network does not have."""
