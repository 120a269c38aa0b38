"""One small junction with a plan that is safe, for the examples in the API's description."""

from __future__ import annotations

from optimiser.signals import (
    Approach,
    Conflict,
    ControllerPlan,
    GreenInterval,
    GroupLimits,
    Intergreen,
    Interstage,
    Junction,
    Lane,
    Movement,
    Network,
    NetworkPlan,
    Offset,
    Right,
    SignalGroup,
    Stage,
    StageSequence,
    StageWindow,
)

NETWORK_HASH = "5f0c3b1e9a7d42d6b8e1f3a2c4d5e6f7"
JUNCTION = "dostyk-saraishyk"
AT = "2026-03-02T06:15:00Z"
VERDICT_ID = "9d3c5b7a1e2f40618293a4b5c6d7e8f9"
SCENARIO_ID = "1f2e3d4c5b6a79880716253443526170"
JOB_ID = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
KEY_ID = "c0ffee0123456789"
_INTERGREEN_S = 5.0


def controller_plan(
    junction: str = JUNCTION, main_green_s: float = 30.0, side_green_s: float = 20.0, network_hash: str = NETWORK_HASH
) -> ControllerPlan:
    """Two groups that exclude each other, one stage each."""
    first_end_s = main_green_s
    second_start_s = first_end_s + _INTERGREEN_S
    second_end_s = second_start_s + side_green_s
    cycle_s = second_end_s + _INTERGREEN_S
    return ControllerPlan(
        junction=junction,
        network_hash=network_hash,
        cycle_s=cycle_s,
        offset=Offset(seconds=12.0, reference_group="main", zone="Asia/Almaty"),
        groups=(SignalGroup(id="main"), SignalGroup(id="side")),
        greens={
            "main": (GreenInterval(start_s=0.0, end_s=first_end_s),),
            "side": (GreenInterval(start_s=second_start_s, end_s=second_end_s),),
        },
        stages=_stages(),
        windows=(
            StageWindow(stage="main_road", start_s=0.0, end_s=first_end_s),
            StageWindow(stage="side_road", start_s=second_start_s, end_s=second_end_s),
        ),
        interstages=_interstages(),
        conflicts=(Conflict(first="main", second="side"),),
        intergreens=_intergreens(),
        limits={"main": GroupLimits(max_red_s=120.0), "side": GroupLimits(max_red_s=120.0)},
    )


def junction(name: str = JUNCTION, network_hash: str = NETWORK_HASH) -> Junction:
    """The junction that `controller_plan` is for."""
    running = controller_plan(name, network_hash=network_hash)
    arms = ("main", "side")
    return Junction(
        id=name,
        groups=running.groups,
        conflicts=running.conflicts,
        intergreens=running.intergreens,
        stages=running.stages,
        sequences=(StageSequence(id="running", stages=("main_road", "side_road"), interstages=running.interstages),),
        approaches=tuple(
            Approach(id=arm, length_m=200.0, speed_m_s=13.9, storage_veh=26.0, lanes=(f"{arm}_0",)) for arm in arms
        ),
        lanes=tuple(
            Lane(id=f"{arm}_0", approach=arm, length_m=200.0, saturation_veh_h=1800.0, movements=(f"{arm}_through",))
            for arm in arms
        ),
        movements=tuple(
            Movement(
                id=f"{arm}_through", approach=arm, exit=f"{arm}_out", group=arm, turn="through", lanes=(f"{arm}_0",)
            )
            for arm in arms
        ),
        running=running,
        limits=running.limits,
    )


def network(names: tuple[str, ...] = (JUNCTION,), network_hash: str = NETWORK_HASH) -> Network:
    """A network of such junctions without links."""
    return Network(network_hash=network_hash, junctions=tuple(junction(n, network_hash) for n in names), links=())


def network_plan(
    names: tuple[str, ...] = (JUNCTION,), main_green_s: float = 30.0, network_hash: str = NETWORK_HASH
) -> NetworkPlan:
    """A plan for such junctions."""
    controllers = tuple(controller_plan(name, main_green_s, network_hash=network_hash) for name in names)
    return NetworkPlan(network_hash=network_hash, profile="rilsa", controllers=controllers)


def _stages() -> tuple[Stage, ...]:
    return (
        Stage(id="main_road", greens={"main": Right.PROTECTED}, min_s=5.0),
        Stage(id="side_road", greens={"side": Right.PROTECTED}, min_s=5.0),
    )


def _interstages() -> tuple[Interstage, ...]:
    def change(before: str, after: str, off: str, on: str) -> Interstage:
        return Interstage(
            from_stage=before,
            to_stage=after,
            duration_s=_INTERGREEN_S,
            off_s={off: 0.0},
            on_s={on: _INTERGREEN_S},
        )

    return (change("main_road", "side_road", "main", "side"), change("side_road", "main_road", "side", "main"))


def _intergreens() -> tuple[Intergreen, ...]:
    return (
        Intergreen(clearing="main", entering="side", seconds=_INTERGREEN_S),
        Intergreen(clearing="side", entering="main", seconds=_INTERGREEN_S),
    )


PLAN = network_plan()
"""The plan of the examples."""
