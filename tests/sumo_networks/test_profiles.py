"""Ambers and intergreens by national rules, against figures worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.signals import GroupKind
from sumo_networks.errors import NetworkError
from sumo_networks.profiles import PROFILES, Clearing, profile_named

TOWN_M_S = 50 / 3.6


@pytest.mark.parametrize(("kmh", "amber_s"), [(30, 3), (50, 3), (60, 4), (70, 5)])
def test_rilsa_amber_grows_with_the_speed_limit(kmh: float, amber_s: float) -> None:
    assert profile_named("rilsa").amber_s(kmh / 3.6) == amber_s


@pytest.mark.parametrize(("mph", "amber_s"), [(25, 3), (35, 4), (45, 5), (80, 6)])
def test_ite_yellow_is_reaction_and_braking_in_whole_seconds_from_3_to_6(mph: float, amber_s: float) -> None:
    assert profile_named("mutcd").amber_s(mph * 0.44704) == amber_s


def test_rilsa_intergreen_is_crossing_plus_clearing_less_entering_time() -> None:
    straight = Clearing(GroupKind.VEHICLE, 24.0, "through", TOWN_M_S)
    # 3 s + (24 m + 6 m) / 10 m/s - 11.1 m / 11.1 m/s = 5 s
    assert profile_named("rilsa").intergreen_s(straight, 11.1, GroupKind.VEHICLE) == 5.0
    turning = Clearing(GroupKind.VEHICLE, 22.0, "left", TOWN_M_S)
    # 2 s + 28 m / 7 m/s - 0 s = 6 s
    assert profile_named("rilsa").intergreen_s(turning, 0.0, GroupKind.VEHICLE) == 6.0


def test_ite_intergreen_is_yellow_and_red_clearance() -> None:
    straight = Clearing(GroupKind.VEHICLE, 20.0, "through", 15.0)
    # 1 s + 15 / 6.1 = 3.46 -> 4 s of yellow; 26.1 m / 15 m/s = 1.74 s of red: 5.74 -> 6 s
    assert profile_named("mutcd").intergreen_s(straight, 30.0, GroupKind.VEHICLE) == 6.0


@pytest.mark.parametrize(("profile", "seconds"), [("rilsa", 10.0), ("mutcd", 12.0), ("cis", 10.0)])
def test_pedestrians_walk_the_whole_crossing_of_12_m_before_anyone_starts(profile: str, seconds: float) -> None:
    walk = Clearing(GroupKind.PEDESTRIAN, 12.0, "through", 2.78)
    assert profile_named(profile).intergreen_s(walk, 40.0, GroupKind.VEHICLE) == seconds


def test_the_cis_profile_flashes_green_for_3_s() -> None:
    assert profile_named("cis").flashing_green_s == 3.0


def test_the_profile_shipped_asks_nothing_beyond_the_running_program() -> None:
    profile = profile_named("shipped")
    far = Clearing(GroupKind.VEHICLE, 80.0, "through", 30.0)
    assert profile.amber_s(30.0) == 0.0
    assert profile.intergreen_s(far, 0.0, GroupKind.VEHICLE) == 0.0


@given(
    st.sampled_from(sorted(set(PROFILES) - {"shipped"})),
    st.floats(0, 100),
    st.floats(0, 100),
    st.floats(0, 50),
    st.floats(5, 35),
    st.sampled_from(["through", "left", "right", "u_turn"]),
)
def test_a_longer_way_never_needs_less_time_and_amber_always_fits(
    name: str, distance_m: float, more_m: float, entering_m: float, limit_m_s: float, turn: str
) -> None:
    profile = profile_named(name)
    near = Clearing(GroupKind.VEHICLE, distance_m, turn, limit_m_s)
    far = Clearing(GroupKind.VEHICLE, distance_m + more_m, turn, limit_m_s)
    near_s = profile.intergreen_s(near, entering_m, GroupKind.VEHICLE)
    assert near_s <= profile.intergreen_s(far, entering_m, GroupKind.VEHICLE)
    assert near_s >= profile.amber_s(limit_m_s) >= 3.0
    assert near_s.is_integer()


def test_an_unknown_profile_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(NetworkError, match="no profile 'dutch'; choose one of shipped, rilsa, mutcd, cis"):
        profile_named("dutch")
