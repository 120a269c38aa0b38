"""The table of movements: degree of saturation, delay, level of service, queue against the room there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from api.report.colours import level_of_service
from api.report.names import JunctionNames
from optimiser.result import Evaluation
from optimiser.signals import Network
from sumo_networks.verdict import Verdict


@dataclass(frozen=True)
class MovementRow:
    """One movement before and after. Degree of saturation and delay are the model's, the queue is SUMO's: mean over
    seeds of the 95th percentile on the worst of its lanes, beside the length of that lane."""

    junction: str
    movement: str
    name: str
    flow_veh_h: float
    saturation_before: float
    saturation_after: float
    delay_before_s: float
    delay_after_s: float
    queue_before_m: float | None
    queue_after_m: float | None
    room_m: float | None

    @property
    def level_before(self) -> str:
        """Level of service before."""
        return level_of_service(self.delay_before_s)

    @property
    def level_after(self) -> str:
        """Level of service after."""
        return level_of_service(self.delay_after_s)

    @property
    def full(self) -> bool:
        """Whether the queue after fills nine tenths of the lane."""
        return self.queue_after_m is not None and self.room_m is not None and self.queue_after_m > 0.9 * self.room_m


def movement_rows(
    network: Network,
    before: Evaluation,
    after: Evaluation,
    verdict: Verdict,
    names: Mapping[str, JunctionNames],
) -> dict[str, tuple[MovementRow, ...]]:
    """Rows by junction, in the order of the network, within one by name."""
    earlier = {(figure.junction, figure.movement): figure for figure in before.movements}
    later = {(figure.junction, figure.movement): figure for figure in after.movements}
    queues = {queue.lane: queue for queue in verdict.queues}
    rows: dict[str, tuple[MovementRow, ...]] = {}
    for junction in network.junctions:
        found: list[MovementRow] = []
        for movement in junction.movements:
            key = junction.id, movement.id
            if key not in earlier or key not in later:
                continue
            lanes = [queues[lane] for lane in movement.lanes if lane in queues]
            worst = max(lanes, key=lambda queue: queue.candidate_m / max(queue.length_m, 1.0), default=None)
            found.append(
                MovementRow(
                    junction=junction.id,
                    movement=movement.id,
                    name=names[junction.id].movements[movement.id],
                    flow_veh_h=later[key].flow_veh_h,
                    saturation_before=earlier[key].degree_of_saturation,
                    saturation_after=later[key].degree_of_saturation,
                    delay_before_s=earlier[key].delay_s,
                    delay_after_s=later[key].delay_s,
                    queue_before_m=worst.baseline_m if worst else None,
                    queue_after_m=worst.candidate_m if worst else None,
                    room_m=worst.length_m if worst else None,
                )
            )
        rows[junction.id] = tuple(sorted(found, key=lambda row: (row.name, row.movement)))
    return rows
