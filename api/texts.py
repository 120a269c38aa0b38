"""Texts and moments that any database can keep: text without NUL that UTF-8 can hold, names of bounded length, moments
that have a UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import unquote_to_bytes

from fastapi import Request
from pydantic import AfterValidator, AwareDatetime

from api.errors import UnprocessableError

NUL: Final = "\0"
MOST_NAME: Final = 200


def _with_utc(value: datetime) -> datetime:
    try:
        value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a moment outside the years 1 to 9999 of UTC") from error
    return value


Moment = Annotated[AwareDatetime, AfterValidator(_with_utc)]
"""A point in time with its offset, also one that UTC can tell."""


def check_name(what: str, name: str) -> None:
    """Raise UnprocessableError where a name is blank or longer than the database keeps."""
    if not name.strip() or len(name) > MOST_NAME:
        raise UnprocessableError(f"{what} is blank or over {MOST_NAME} characters long; give another.")


def refuse_nul_in_url(request: Request) -> None:
    """A dependency of every operation. Raises UnprocessableError where a path or query holds the character NUL."""
    if NUL in request.scope["path"] or b"\0" in unquote_to_bytes(request.scope["query_string"]):
        raise UnprocessableError("The address holds the character NUL (%00); leave it out.")


def of_plain_text(content: object) -> object:
    """The content of a request as it came. Raises ValueError where a text in it, at any depth, holds a NUL or half of a
    surrogate pair (JSON's \\ud800), which is no character."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            _refuse_unkept(value)
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
    return content


def _refuse_unkept(text: str) -> None:
    if NUL in text:
        raise ValueError("a text holds the character NUL; leave it out")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = f"\\u{ord(text[error.start]):04x}"
            raise ValueError(f"a text holds {half}, half of a pair and no character; leave it out") from error
