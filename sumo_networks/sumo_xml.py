"""Reading SUMO's XML files: plain or gzipped, as a stream, with what they include, with clear errors."""

from __future__ import annotations

import gzip
import os
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
# By element the attributes that name files it reads, relative to the file that it stands in.
_READ: Final = {
    "rerouter": "file",
    "variableSpeedSign": "file",
    "poi": "imgFile",
    "poly": "imgFile",
    "edgeData": "edgesFile",
    "laneData": "edgesFile",
}


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
    order; memory stays small. In the place of an `<include>` come the elements of that file.

    Raises ScenarioError where the file, or one that it includes, is missing or truncated."""
    yield from _elements(path, tags, ())


def _elements(path: Path, tags: tuple[str, ...], above: tuple[Path, ...]) -> Iterator[ET.Element]:
    if path in above:
        raise ScenarioError(f"{above[-1]}: includes {path}, which includes it; remove one <include>")
    for element in _direct_elements(path, tags):
        if element.tag != "include":
            yield element
            continue
        if not element.get("href"):
            raise ScenarioError(f"{path}: an <include> names no file; give it a href or remove it")
        included = Path(os.path.normpath(path.parent / element.get("href", "")))
        for found in _elements(included, tags, (*above, path)):
            resolve_inputs(found, included.parent)
            yield found


def inlined(path: Path) -> ET.Element:
    """The root of a file with the elements of included files in their place, and names of files it reads absolute.

    Raises ScenarioError where the file, or one that it includes, is missing or truncated."""
    root = ET.Element("additional")
    for element in elements(path):
        resolve_inputs(element, path.parent)
        root.append(element)
    return root


def resolve_inputs(root: ET.Element, folder: Path) -> None:
    """Make the names of files that the elements read absolute, so that a copy elsewhere still finds them."""
    for element in root.iter():
        attribute = _READ.get(element.tag)
        value = element.get(attribute) if attribute is not None else None
        if attribute is not None and value:
            element.set(attribute, str(folder / value))


def _direct_elements(path: Path, tags: tuple[str, ...]) -> Iterator[ET.Element]:
    """Elements with one of the tags, and includes, right under the root."""
    try:
        with opened(path) as stream:
            depth = 0
            root: ET.Element | None = None
            for event, element in ET.iterparse(stream, events=("start", "end")):
                if element.tag[0] == "{":
                    element.tag = bare_name(element.tag)
                if event == "start":
                    root = element if root is None else root
                    depth += 1
                    continue
                depth -= 1
                if depth == 1:
                    if not tags or element.tag in tags or element.tag == "include":
                        yield element
                    if root is not None:
                        root.clear()
    except FileNotFoundError as error:
        raise ScenarioError(f"{path}: no such file; correct the path in the scenario or put the file there") from error
    except _UNREADABLE as error:
        raise ScenarioError(
            f"{path}: not a whole XML file ({error}); it may be truncated or not in UTF-8, fetch or build it again"
        ) from error


def bare_name(tag: str) -> str:
    """The name of an element without its namespace, which SUMO does not look at."""
    return tag.rpartition("}")[2]


def time_text(seconds: float) -> str:
    """Seconds as SUMO reads them, to the millisecond, whatever their size."""
    return f"{round(seconds, 3):.3f}".rstrip("0").rstrip(".")


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
