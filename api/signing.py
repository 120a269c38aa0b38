"""Ed25519 keys of the service and JWS signatures with them (RFC 7515, RFC 8037, algorithm name of RFC 9864).

The key file is a JWK Set with private keys, mode 0600: the first key signs, all of them verify, so that what an older
key signed stays good after a rotation.
"""

from __future__ import annotations

import base64
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Literal

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from api.envelope import PAYLOAD_TYPE
from api.errors import AlteredPlanError, SettingsError

ALGORITHM = "Ed25519"
_KEY_MODE = 0o600


class PrivateJwk(BaseModel):
    """One private Ed25519 key as JWK (RFC 8037, section 2)."""

    model_config = ConfigDict(extra="ignore")

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    d: str
    kid: str
    created: str = ""

    @property
    def key(self) -> OKPKey:
        """The key to sign and verify with. Raises ValueError where `d` is no private key."""
        return OKPKey.import_key({"kty": self.kty, "crv": self.crv, "x": self.x, "d": self.d, "kid": self.kid})

    @model_validator(mode="after")
    def _is_a_pair(self) -> PrivateJwk:
        # A damaged d may still be some key: what it signed, no controller could verify with x.
        public = base64.urlsafe_b64encode(self.key.public_key.public_bytes_raw()).rstrip(b"=").decode()
        if public != self.x:
            raise ValueError("d is not the private key of x")
        return self


class PublicJwk(BaseModel):
    """One public Ed25519 key as JWK."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str = "sig"
    alg: str = ALGORITHM


class Jwks(BaseModel):
    """Public keys that envelopes are verified with (RFC 7517, section 5)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "keys": [
                        {
                            "kty": "OKP",
                            "crv": "Ed25519",
                            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
                            "use": "sig",
                            "alg": "Ed25519",
                        }
                    ]
                }
            ]
        }
    )

    keys: tuple[PublicJwk, ...]


class _KeyFile(BaseModel):
    keys: tuple[PrivateJwk, ...]


class Signer:
    """Signs and verifies with the keys of one file."""

    def __init__(self, keys: tuple[PrivateJwk, ...]) -> None:
        self._jwks = Jwks(keys=tuple(PublicJwk(kty=k.kty, crv=k.crv, x=k.x, kid=k.kid) for k in keys))
        self._keys = [k.key for k in keys]

    @property
    def jwks(self) -> Jwks:
        """The public keys, the signing one first."""
        return self._jwks

    def sign(self, payload: bytes) -> str:
        """`payload` as a compact JWS; the same payload and key give the same text (Ed25519 draws no randomness)."""
        header = {"alg": ALGORITHM, "kid": self._jwks.keys[0].kid, "typ": "JOSE", "cty": PAYLOAD_TYPE}
        return jws.serialize_compact(header, payload, self._keys[0], algorithms=[ALGORITHM])

    def verify(self, token: str) -> bytes:
        """Payload of a compact JWS. Raises AlteredPlanError where none of the keys signed exactly this."""
        try:
            return jws.deserialize_compact(token, KeySet(list(self._keys)), algorithms=[ALGORITHM]).payload
        except (JoseError, ValueError) as error:
            raise AlteredPlanError(
                f"The stored envelope does not carry a signature of this service ({error}); publish the plan again."
            ) from error


def open_signer(path: Path, now: datetime) -> Signer:
    """The signer of key file `path`, which is made with a new key where there is none.

    Raises SettingsError where the file cannot be read or written, is no key set, or others may read it."""
    try:
        if not path.exists():
            _create(path, _KeyFile(keys=(_new_key(now),)))
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"{path}: others may read the signing keys; chmod 600 it.")
        return Signer(_read(path).keys)
    except OSError as error:
        raise SettingsError(f"{path}: the signing keys cannot be read or made: {error.strerror}") from error


def rotate_signing_key(path: Path, now: datetime) -> str:
    """Put a new signing key before those in `path`; returns its id. Raises SettingsError as `open_signer`."""
    open_signer(path, now)
    fresh = _new_key(now)
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    _create(aside, _KeyFile(keys=(fresh, *_read(path).keys)))
    aside.replace(path)
    return fresh.kid


def flattened(token: str) -> dict[str, str]:
    """A compact JWS in the flattened JSON serialization (RFC 7515, section 7.2.2)."""
    protected, payload, signature = token.split(".")
    return {"payload": payload, "protected": protected, "signature": signature}


def _new_key(now: datetime) -> PrivateJwk:
    made = OKPKey.generate_key("Ed25519", auto_kid=True).as_dict(private=True)
    return PrivateJwk.model_validate({**made, "created": now.isoformat()})


def _create(path: Path, keys: _KeyFile) -> None:
    """Write a file that nobody else may read at any instant, and that is whole once it has its name.

    Of two processes that make it at once the first wins: the link of the second fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _KEY_MODE), "w") as stream:
        stream.write(keys.model_dump_json(indent=1) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(partial, path)
    except FileExistsError:
        return
    finally:
        partial.unlink()


def _read(path: Path) -> _KeyFile:
    try:
        keys = TypeAdapter(_KeyFile).validate_python(json.loads(path.read_text()))
    except (ValidationError, ValueError) as error:
        raise SettingsError(f"{path}: not a set of Ed25519 keys; restore it from a backup or name another.") from error
    if not keys.keys:
        raise SettingsError(f"{path}: holds no key; restore it from a backup or remove it to make a new one.")
    return keys
