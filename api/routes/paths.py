"""Ids that stand in paths."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from api import examples

PlanId = Annotated[str, Path(max_length=64, description="Hash of the plan.", examples=[examples.network_plan().id])]
VerdictId = Annotated[
    str, Path(max_length=64, description="Hash of the verdict.", examples=["9d3c5b7a1e2f40618293a4b5c6d7e8f9"])
]
JobId = Annotated[str, Path(max_length=64, description="Id of the job.", examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"])]
FlowsId = Annotated[
    str, Path(max_length=64, description="Id of the flows.", examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"])
]
ScenarioId = Annotated[
    str, Path(max_length=64, description="Id of the scenario.", examples=["1f2e3d4c5b6a79880716253443526170"])
]
KeyId = Annotated[str, Path(max_length=64, description="Id of the key.", examples=["c0ffee0123456789"])]
ControllerId = Annotated[
    str, Path(max_length=200, description="Junction that the controller runs.", examples=[examples.JUNCTION])
]
