"""Tables and transactions. SQLite by default; any SQLAlchemy 2 database by its URL.

Times are UTC. Every write is one transaction; on SQLite it takes the write lock when it begins, so two of them never
both read a state and then both change it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import ConnectionPoolEntry

from api.errors import ConcurrentChangeError, SettingsError

BUSY_TIMEOUT_MS = 30_000
_IMMEDIATE = "jasyl_takes_write_lock"


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, aware and in UTC on both sides. Raises ValueError for a naive one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Into the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Out of the database; SQLite keeps no zone, and what it holds is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[type, UtcDateTime]] = {datetime: UtcDateTime()}


class ApiKeyRow(Table):
    """An API key, of which only a hash is kept. `controller` binds the key of a controller to its own junction;
    `agency` lets the key of an operator have rows of single riders of that agency."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    secret_sha256: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    controller: Mapped[str | None] = mapped_column(Text)
    agency: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class ScenarioRow(Table):
    """A SUMO network with its demand: where it lies, the engineer's rules, the network as the optimiser reads it."""

    __tablename__ = "scenarios"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    path: Mapped[str] = mapped_column(Text)
    rules: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(String(64))
    begin_s: Mapped[float]
    end_s: Mapped[float]
    network_hash: Mapped[str] = mapped_column(String(64))
    network: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))


class JobRow(Table):
    """One order to the main line, and how far it is. `step` is the last step that is finished."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    scenario_id: Mapped[str] = mapped_column(ForeignKey("scenarios.id"))
    order: Mapped[str] = mapped_column("order_json", Text)
    state: Mapped[str] = mapped_column(String(20), index=True)
    step: Mapped[str] = mapped_column(String(20), default="")
    progress: Mapped[float] = mapped_column(default=0.0)
    message: Mapped[str] = mapped_column(Text, default="")
    attempts: Mapped[int] = mapped_column(default=0)
    folder: Mapped[str] = mapped_column(Text)
    plan_id: Mapped[str | None] = mapped_column(String(32))
    verdict_id: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class PlanRow(Table):
    """A network plan: its canonical JSON, where it came from, and its state. The id is the hash of the content.

    `version` counts the changes: a writer who read an older one fails instead of overwriting."""

    __tablename__ = "plans"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    content: Mapped[str] = mapped_column(Text)
    network_hash: Mapped[str] = mapped_column(String(64))
    scenario_id: Mapped[str | None] = mapped_column(ForeignKey("scenarios.id"))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"))
    origin: Mapped[str] = mapped_column(String(20))
    provenance: Mapped[str] = mapped_column(Text, default="{}")
    state: Mapped[str] = mapped_column(String(20), index=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None] = mapped_column(String(200))
    approved_verdict_id: Mapped[str | None] = mapped_column(String(32))
    version: Mapped[int] = mapped_column()

    __mapper_args__ = MappingProxyType({"version_id_col": version})


class ControllerPlanRow(Table):
    """One publication to one controller, with the signed envelope; the current one has no `superseded_at`."""

    __tablename__ = "controller_plans"
    __table_args__ = (
        UniqueConstraint("controller", "sequence"),
        Index(
            "uq_controller_plans_current",
            "controller",
            unique=True,
            sqlite_where=text("superseded_at IS NULL"),
            postgresql_where=text("superseded_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    controller: Mapped[str] = mapped_column(Text, index=True)
    sequence: Mapped[int]
    plan_id: Mapped[str] = mapped_column(ForeignKey("plans.id"), index=True)
    verdict_id: Mapped[str] = mapped_column(ForeignKey("verdicts.id"))
    envelope: Mapped[str] = mapped_column(Text)
    published_at: Mapped[datetime]
    published_by: Mapped[str] = mapped_column(String(200))
    superseded_at: Mapped[datetime | None]


class VerdictRow(Table):
    """What the simulator said of one plan (the verdict.json), in the order the service learnt of it."""

    __tablename__ = "verdicts"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    plan_id: Mapped[str] = mapped_column(ForeignKey("plans.id"), index=True)
    network_hash: Mapped[str] = mapped_column(String(64))
    accepted: Mapped[bool]
    content: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))


class FlowsRow(Table):
    """A flows folder (Parquet) and what it belongs to."""

    __tablename__ = "flows"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    scenario_id: Mapped[str | None] = mapped_column(ForeignKey("scenarios.id"))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"))
    folder: Mapped[str] = mapped_column(Text, unique=True)
    created_at: Mapped[datetime]


class AuditRow(Table):
    """Who did what to what, and when. Rows are only ever added."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[str] = mapped_column(Text, index=True)
    from_state: Mapped[str] = mapped_column(String(40), default="")
    to_state: Mapped[str] = mapped_column(String(40), default="")
    detail: Mapped[str] = mapped_column(Text, default="")


@event.listens_for(AuditRow.__table__, "after_create")
def _keep_audit(_: object, connection: Connection, **__: object) -> None:
    """The database itself refuses to change or remove what the audit says."""
    for verb in ("UPDATE", "DELETE"):
        if connection.dialect.name == "sqlite":
            refuse = "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
            connection.execute(text(f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit {refuse}"))
        elif connection.dialect.name == "postgresql":
            connection.execute(text(f"CREATE RULE audit_no_{verb.lower()} AS ON {verb} TO audit DO INSTEAD NOTHING"))


class Store:
    """The database of one service. Raises SettingsError where it cannot be opened."""

    def __init__(self, url: str) -> None:
        try:
            self._engine = _engine(url)
            writing = self._engine.execution_options(**{_IMMEDIATE: True})
            Table.metadata.create_all(writing)
            _add_missing_columns(writing)
        except (SQLAlchemyError, OSError, ImportError, ValueError) as error:
            raise SettingsError(f"the database cannot be opened (JASYL_DATABASE_URL): {error}") from error
        self._writing = self._engine.execution_options(**{_IMMEDIATE: True})

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database and changes nothing."""
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: all that is done in it, or nothing where an exception leaves it.

        Raises ConcurrentChangeError where another writer came between."""
        try:
            with Session(self._writing, expire_on_commit=False) as session, session.begin():
                yield session
        except (DBAPIError, StaleDataError) as error:
            if isinstance(error, (IntegrityError, StaleDataError)) or _is_serialization_failure(error):
                raise ConcurrentChangeError(
                    "Somebody else changed the same at the same time; look again and repeat."
                ) from error
            raise

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()


def _add_missing_columns(engine: Engine) -> None:
    """Give the tables of a database made by an earlier version the columns they lack; only ones that may be null."""
    with engine.begin() as connection:
        inspected = inspect(connection)
        for table in Table.metadata.sorted_tables:
            known = {column["name"] for column in inspected.get_columns(table.name)}
            for column in table.columns:
                if column.name not in known and column.nullable:
                    kind = column.type.compile(engine.dialect)
                    connection.execute(text(f'ALTER TABLE {table.name} ADD COLUMN "{column.name}" {kind}'))


def _is_serialization_failure(error: DBAPIError) -> bool:
    """PostgreSQL's word that two transactions could not both have happened (SQLSTATE class 40)."""
    return str(getattr(error.orig, "sqlstate", "")).startswith("40")


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, isolation_level="REPEATABLE READ", pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Transactions are begun by us (the driver would begin them late), and a killed process loses nothing committed."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get(_IMMEDIATE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
