"""Names of the formulations that can coordinate a network; `docs/model.md` gives their maths."""

LANE_FLOW_PERSON_DELAY = "lane-flow person delay"
CYCLIC_OFFSETS = "cyclic offsets"
MAXBAND = "MAXBAND"
MULTIBAND = "MULTIBAND"

FORMULATIONS = (LANE_FLOW_PERSON_DELAY, CYCLIC_OFFSETS, MAXBAND, MULTIBAND)
