"""Ids that stand in paths."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from api import examples

PlanId = Annotated[str, Path(max_length=64, description="Hash of the plan.", examples=[examples.PLAN.id])]
VerdictId = Annotated[str, Path(max_length=64, description="Hash of the verdict.", examples=[examples.VERDICT_ID])]
JobId = Annotated[str, Path(max_length=64, description="Id of the job.", examples=[examples.JOB_ID])]
FlowsId = Annotated[str, Path(max_length=64, description="Id of the flows.", examples=[examples.JOB_ID])]
ScenarioId = Annotated[str, Path(max_length=64, description="Id of the scenario.", examples=[examples.SCENARIO_ID])]
KeyId = Annotated[str, Path(max_length=64, description="Id of the key.", examples=[examples.KEY_ID])]
ControllerId = Annotated[
    str, Path(max_length=2000, description="Junction that the controller runs.", examples=[examples.JUNCTION])
]
