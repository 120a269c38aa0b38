"""Fixtures of the mobility tests."""

from __future__ import annotations

import pytest
from synthetic_city import City, build_city


@pytest.fixture
def city() -> City:
    """The synthetic city, fresh for every test."""
    return build_city()
