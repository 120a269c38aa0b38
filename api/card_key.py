"""The key that turns card numbers into pseudonyms: kept in a file of its own, never in the lake."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from api.errors import ApiError

KEY_BYTES = 32


def default_key_file() -> Path:
    """Where the key lies when nobody says otherwise."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "jasyl" / "card.key"


def card_key(path: Path | None = None) -> bytes:
    """The key in `path`, made there (readable by the owner alone) where it is not. Rotate it by removing the file.

    Raises ApiError for a file that is too short to be a key."""
    file = path or default_key_file()
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(KEY_BYTES) + "\n")
    key = file.read_bytes().strip()
    if len(key) < KEY_BYTES:
        raise ApiError(f"{file}: too short for a key of card pseudonyms; remove it and a new one is made")
    return key
