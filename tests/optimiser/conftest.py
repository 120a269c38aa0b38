"""Hypothesis on a busy machine: no deadline that a loaded core could miss, and the same examples every run."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("steady")
