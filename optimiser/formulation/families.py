"""Rows and columns of a family that are added one by one, and number themselves from 0 on.

Pyomo's own lists for that keep a set of the numbers beside the members. In models as small as that of a junction the
set takes longer to keep than the members.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyomo.environ as pyo
from pyomo.core.base.constraint import IndexedConstraint
from pyomo.core.base.var import IndexedVar


class Rows(IndexedConstraint):
    """Constraints."""

    def __init__(self) -> None:
        super().__init__(pyo.Any)

    def add(self, relation: pyo.Expression) -> pyo.Constraint:
        """The constraint that a relation makes, as the next one."""
        return self.__setitem__(len(self), relation)

    def keys(self, *_: object, **__: object) -> Iterator[int]:
        """Numbers of the constraints, in any order that is asked for."""
        return iter(range(len(self)))


class Columns(IndexedVar):
    """Variables of one domain."""

    def __init__(self, domain: pyo.Set) -> None:
        super().__init__(pyo.Any, dense=False, domain=domain)

    def add(self) -> pyo.Var:
        """The next variable."""
        return self[len(self)]

    def keys(self, *_: object, **__: object) -> Iterator[int]:
        """Numbers of the variables, in any order that is asked for."""
        return iter(range(len(self)))
