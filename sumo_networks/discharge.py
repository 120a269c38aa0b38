"""How queues discharge over a stop line: saturation flow, start-up loss and end gain from crossing times.

Method: HCM 7th ed., chapter 31, field measurement of saturation flow. In each green, vehicles that stood in the queue
when it began are followed; from the fourth on they cross at the saturation headway h. The start-up loss is what the
first four took beyond 4 h. In a green that ends before its queue is gone, N vehicles cross; what N h exceeds the green
less the start-up loss by is the end gain: the amber that drivers use. So s · (green − loss + gain) is what a saturated
green carries. Where drivers stop so early that the gain is negative, it counts as start-up loss: neither is under 0.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Final

LOST_VEHICLES: Final = 4
LEAST_QUEUE_VEH: Final = 8
LEAST_LEFT_VEH: Final = 3
PRIOR_HEADWAYS: Final = 30.0
PRIOR_GREENS: Final = 5.0
LONGEST_HEADWAY_S: Final = 6.0
# A driver who waits right at the line is seen within SUMO's step of the switch, which may be told as the one before.
EARLIEST_S: Final = 1.0


@dataclass(frozen=True)
class LaneGreen:
    """One protected green of a lane: [start_s, end_s), then amber; nothing crosses lawfully after `last_s`.

    `queued_veh` stood at the stop line when it began, `left_veh` when it was over. `beyond` tells that the queue filled
    the lane, so that more queued vehicles may follow from behind it."""

    start_s: float
    end_s: float
    last_s: float
    queued_veh: int
    left_veh: int = 0
    beyond: bool = False


@dataclass(frozen=True)
class Discharge:
    """Discharge of a lane. `headways` and `saturated_greens` say how much was measured; 0 where it is assumed."""

    headway_s: float
    start_up_loss_s: float
    end_gain_s: float
    headways: int = 0
    greens: int = 0
    saturated_greens: int = 0

    @property
    def saturation_veh_h(self) -> float:
        """Saturation flow, veh/h of green."""
        return 3600.0 / self.headway_s


@dataclass(frozen=True)
class _Sample:
    headway_sum_s: float
    headways: int
    fourth_s: float
    crossed: int
    green_s: float
    saturated: bool


def measure_discharge(greens: list[LaneGreen], crossings_s: list[float], prior: Discharge) -> Discharge | None:
    """Discharge of one lane from its greens and the sorted times at which vehicle fronts crossed the stop line.

    None where no green served LEAST_QUEUE_VEH queued vehicles: shorter queues have not yet reached their pace.
    Headways over LONGEST_HEADWAY_S are of vehicles that were held up behind the line and not counted. The end gain is
    `prior`'s where no green was saturated."""
    samples = [found for green in greens if (found := _sample(green, crossings_s, prior)) is not None]
    count = sum(sample.headways for sample in samples)
    if count == 0:
        return None
    headway_s = sum(sample.headway_sum_s for sample in samples) / count
    loss_s = max(0.0, sum(sample.fourth_s - LOST_VEHICLES * headway_s for sample in samples) / len(samples))
    unused = [sample.green_s - sample.crossed * headway_s for sample in samples if sample.saturated]
    unused_s = sum(unused) / len(unused) if unused else loss_s - prior.end_gain_s
    return Discharge(
        headway_s=headway_s,
        start_up_loss_s=max(loss_s, unused_s),
        end_gain_s=max(0.0, loss_s - unused_s),
        headways=count,
        greens=len(samples),
        saturated_greens=len(unused),
    )


def shrink(measured: Discharge | None, prior: Discharge) -> Discharge:
    """Empirical-Bayes mean of what a lane showed and a prior worth PRIOR_HEADWAYS and PRIOR_GREENS observations."""
    if measured is None:
        return Discharge(prior.headway_s, prior.start_up_loss_s, prior.end_gain_s)
    return replace(
        measured,
        headway_s=_weighted(measured.headway_s, measured.headways / PRIOR_HEADWAYS, prior.headway_s),
        start_up_loss_s=_weighted(measured.start_up_loss_s, measured.greens / PRIOR_GREENS, prior.start_up_loss_s),
        end_gain_s=_weighted(measured.end_gain_s, measured.saturated_greens / PRIOR_GREENS, prior.end_gain_s),
    )


def pool(measured: list[Discharge], prior: Discharge) -> Discharge:
    """What lanes of one kind show together; the prior counts as one lane more.

    A lane weighs n / (n + prior observations), at most 1: lanes differ, so many headways of one lane say little about
    the others."""
    lanes = [one.headways / (one.headways + PRIOR_HEADWAYS) for one in measured]
    greens = [one.greens / (one.greens + PRIOR_GREENS) for one in measured]
    saturated = [one.saturated_greens / (one.saturated_greens + PRIOR_GREENS) for one in measured]
    return replace(
        prior,
        headway_s=_mean([one.headway_s for one in measured], lanes, prior.headway_s),
        start_up_loss_s=_mean([one.start_up_loss_s for one in measured], greens, prior.start_up_loss_s),
        end_gain_s=_mean([one.end_gain_s for one in measured], saturated, prior.end_gain_s),
    )


def _sample(green: LaneGreen, crossings_s: list[float], prior: Discharge) -> _Sample | None:
    first = bisect_left(crossings_s, green.start_s - EARLIEST_S)
    after = bisect_left(crossings_s, green.last_s)
    times = [time_s - green.start_s for time_s in crossings_s[first:after]]
    queued = min(green.queued_veh, len(times))
    outlasted = green.left_veh >= LEAST_LEFT_VEH
    if outlasted or green.beyond:
        # Vehicles that close up to the moving queue discharge with it.
        while 0 < queued < len(times) and times[queued] - times[queued - 1] <= 2.0 * prior.headway_s:
            queued += 1
    if queued < LEAST_QUEUE_VEH:
        return None
    spans = [times[i] - (times[i - 1] if i else 0.0) for i in range(queued)]
    usable = [span for span in spans[LOST_VEHICLES:] if span <= LONGEST_HEADWAY_S]
    if not usable or max(spans[:LOST_VEHICLES]) > LONGEST_HEADWAY_S:
        return None
    green_s = green.end_s - green.start_s
    still_queued = green.queued_veh > len(times) or ((outlasted or green.beyond) and queued == len(times))
    flowing = max(spans) <= LONGEST_HEADWAY_S and green_s - times[-1] <= LONGEST_HEADWAY_S
    return _Sample(
        headway_sum_s=sum(usable),
        headways=len(usable),
        fourth_s=times[LOST_VEHICLES - 1],
        crossed=len(times),
        green_s=green_s,
        saturated=still_queued and flowing,
    )


def _weighted(value: float, weight: float, prior: float) -> float:
    return (value * weight + prior) / (weight + 1.0)


def _mean(values: list[float], weights: list[float], prior: float) -> float:
    return (sum(value * weight for value, weight in zip(values, weights, strict=True)) + prior) / (sum(weights) + 1.0)
