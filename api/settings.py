"""Settings of the service: environment variables `JASYL_…`, or a file given by the caller."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.errors import SettingsError


class Settings(BaseSettings):
    """Everything about one deployment that is not data; each field is the variable `JASYL_` + its name in capitals.

    `folder` holds what the service keeps: the database, the signing keys, the output of jobs. A scenario named over
    HTTP is looked for in `scenarios_folder` alone. `database_url` is any SQLAlchemy URL (empty: SQLite in `folder`)."""

    model_config = SettingsConfigDict(env_prefix="JASYL_", extra="ignore")

    folder: Path = Path("jasyl-service")
    scenarios_folder: Path = Path("scenarios")
    database_url: str = ""
    signing_keys_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    job_workers: int = Field(default=1, ge=0, le=64)
    job_attempts: int = Field(default=3, ge=1)
    job_poll_s: float = Field(default=1.0, gt=0)
    controller_max_age_s: int = Field(default=30, ge=0)
    validity_days: int = Field(default=365, ge=1, le=36_500)
    min_cards: int = Field(default=5, ge=1)

    @property
    def database(self) -> str:
        """URL of the database in use."""
        return self.database_url or f"sqlite:///{self.folder.resolve() / 'jasyl.sqlite3'}"

    @property
    def signing_keys(self) -> Path:
        """File of the private signing keys."""
        return self.signing_keys_file or self.folder / "signing-keys.json"

    @property
    def jobs_folder(self) -> Path:
        """Where each job has a folder of its own."""
        return self.folder / "jobs"


def settings_with(**chosen: object) -> Settings:
    """The settings of the environment; what is `chosen` and not None goes before. Raises SettingsError."""
    try:
        return Settings.model_validate({name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise SettingsError(
            f"{name} is {first['input']!r}: {first['msg']}; correct JASYL_{name.upper()} or the option"
        ) from error
