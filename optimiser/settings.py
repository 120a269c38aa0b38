"""What the network model takes as given beside the network and the demand: ranges, weights and constants."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelSettings:
    """Constants of the model. Sources stand in `formulation/`.

    `cycle_step_s`: grid of candidate cycles within the junctions' limits, where the rules name none,
    not under `least_cycle_s`: shorter cycles live on gaps and sneakers, which SUMO grants less of than the model.
    `common_cycles`: how many common cycles give a plan of the network.
    `orders`: stage orders per junction offered to the network model, the running one included, chosen among
    `most_generated` generated ones.
    `critical_gap_s`, `follow_up_s`, `sneakers_veh`: gap acceptance of permissive turns (HCM 2010, 18-28 and 31).
    For formulations over offsets: `starts` descents before and after each of `rounds` in which every junction is
    retimed among its neighbours, `offset_gap` to end HiGHS at, `largest_area` junctions in one solve (of more
    HiGHS betters nothing that descents found, and takes longer to a bound than over the parts).
    `delay_parameter_k`: 0.5 for fixed-time control (HCM 2010, 18-45).
    `dispersion`: alpha * beta of Robertson (1969), 0.35 * 0.8. `reserve_weight`: price of 1 % of the flow above
    `reserve_saturation` of capacity, as a share of that flow's persons, in s.
    `spillback_weight`: what a vehicle costs that stands in the junction behind, as a multiple of one that waits.
    HiGHS ends at `alone_gap` for a junction by itself and at `mip_gap` for several, at `node_limit` deterministically,
    and at `time_limit_s` as the last resort that the result names."""

    cycle_step_s: float = 10.0
    least_cycle_s: float = 40.0
    orders: int = 4
    most_generated: int = 12
    critical_gap_s: float = 6.0
    follow_up_s: float = 3.0
    sneakers_veh: float = 2.0
    delay_parameter_k: float = 0.5
    dispersion: float = 0.28
    reserve_saturation: float = 0.9
    reserve_weight: float = 1.0
    spillback_weight: float = 10.0
    common_cycles: int = 4
    starts: int = 100
    rounds: int = 2
    offset_gap: float = 0.005
    largest_area: int = 20
    mip_gap: float = 0.02
    alone_gap: float = 0.002
    node_limit: int = 400
    time_limit_s: float = 900.0
    seed: int = 1
