"""Which SUMO controller and link indices each signal group is. Nothing outside this package knows them."""

from __future__ import annotations

from dataclasses import dataclass, field

from optimiser.signals import Network


@dataclass(frozen=True)
class Binding:
    """One junction in SUMO's words.

    `groups` gives per group id the link indices (positions in a state); `program_ids` are all ids that the controller's
    programs have, `program_id` the one in use; `nodes` are the nodes it controls."""

    junction: str
    tls: str
    link_count: int
    groups: dict[str, tuple[int, ...]]
    program_id: str
    nodes: tuple[str, ...]
    program_ids: tuple[str, ...] = ()

    def group_of_link(self) -> dict[int, str]:
        """Group by link index."""
        return {link: group for group, links in self.groups.items() for link in links}


@dataclass(frozen=True)
class ProgramNote:
    """Something a person should know about a shipped program."""

    junction: str
    rule: str
    message: str


@dataclass(frozen=True)
class CityModel:
    """A network as the optimiser sees it, and what ties it to SUMO. `notes` tell what reading found odd or mended,
    `left_out` by controller that is no junction of it why."""

    network: Network
    bindings: dict[str, Binding]
    notes: tuple[ProgramNote, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
