"""Reading SUMO's XML files: plain or gzipped, as a stream, with clear errors."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
import xml.parsers.expat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from sumo_networks.errors import ScenarioError

# What reading raises of a file that is truncated, damaged in its packing, or in an encoding that expat has not.
_UNREADABLE: Final = (
    xml.parsers.expat.ExpatError,
    ET.ParseError,
    EOFError,
    OSError,
    zlib.error,
    ValueError,
    LookupError,
)


def opened(path: Path) -> BinaryIO | gzip.GzipFile:
    """The file open for reading bytes, unpacked where its name ends in .gz."""
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def check_well_formed(path: Path, root: str | None = None) -> None:
    """Read the whole file once.

    Raises ScenarioError where it is missing, truncated, or its root element is not `root`."""
    if not path.is_file():
        raise ScenarioError(f"{path}: no such file; correct the path in the scenario or put the file there")
    roots: list[str] = []
    parser = xml.parsers.expat.ParserCreate()

    def note_root(name: str, _attributes: dict[str, str]) -> None:
        roots.append(name)
        parser.StartElementHandler = None

    parser.StartElementHandler = note_root
    try:
        with opened(path) as stream:
            parser.ParseFile(stream)
    except _UNREADABLE as error:
        raise ScenarioError(
            f"{path}: not a whole XML file ({error}); it may be truncated or not in UTF-8, fetch or build it again"
        ) from error
    if root is not None and roots != [root]:
        raise ScenarioError(f"{path}: root element is <{roots[0]}>, not <{root}>; name the right file in the scenario")


def elements(path: Path, *tags: str) -> Iterator[ET.Element]:
    """Each whole element with one of the tags (any where none is given) that stands right under the root, in file
    order; memory stays small.

    Raises ScenarioError where the file is missing or truncated."""
    try:
        with opened(path) as stream:
            depth = 0
            root: ET.Element | None = None
            for event, element in ET.iterparse(stream, events=("start", "end")):
                if event == "start":
                    root = element if root is None else root
                    depth += 1
                    continue
                depth -= 1
                if depth == 1:
                    if not tags or element.tag in tags:
                        yield element
                    if root is not None:
                        root.clear()
    except FileNotFoundError as error:
        raise ScenarioError(f"{path}: no such file; correct the path in the scenario or put the file there") from error
    except _UNREADABLE as error:
        raise ScenarioError(
            f"{path}: not a whole XML file ({error}); it may be truncated or not in UTF-8, fetch or build it again"
        ) from error


def time_s(text: str) -> float:
    """SUMO's time: seconds, or [days:]hours:minutes:seconds. Raises ValueError for anything else."""
    parts = [float(part) for part in text.split(":")]
    if len(parts) == 1:
        return parts[0]
    if len(parts) > 4 or len(parts) == 2:
        raise ValueError(f"not a SUMO time: {text}")
    days = parts[0] if len(parts) == 4 else 0.0
    hours, minutes, seconds = parts[-3:]
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
