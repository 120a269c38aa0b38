"""What can go wrong in mobility, as one small tree; every message is one sentence a person can act on."""

from __future__ import annotations


class MobilityError(Exception):
    """Base of all errors of this package."""


class FeedError(MobilityError):
    """A feed cannot be read at all: missing file or column, broken archive, unreadable description."""


class WrongZoneError(FeedError):
    """The times of one feed are shifted against another by a whole part of a day."""


class MappingError(MobilityError):
    """A mapping file does not describe the CSV it is used for."""


class LakeError(MobilityError):
    """A table of the lake is missing or not what its schema says."""
