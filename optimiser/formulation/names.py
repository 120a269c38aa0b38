"""Names of the formulations that can coordinate a network; `docs/model.md` gives their maths."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

LANE_FLOW_PERSON_DELAY = "lane-flow person delay"
CYCLIC_OFFSETS = "cyclic offsets"
MAXBAND = "MAXBAND"
MULTIBAND = "MULTIBAND"

FORMULATIONS = (LANE_FLOW_PERSON_DELAY, CYCLIC_OFFSETS, MAXBAND, MULTIBAND)


def _known(name: str) -> str:
    if name not in FORMULATIONS:
        raise ValueError(f"there is no formulation {name!r}; there are {', '.join(FORMULATIONS)}")
    return name


Formulation = Annotated[str, AfterValidator(_known)]
