"""Hypothesis on a shared machine: no deadline that a busy core could miss, and the same examples every run."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")
