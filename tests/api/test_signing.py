"""Envelopes are signed by keys that nobody else may read, and old ones stay good after a rotation."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.errors import AlteredPlanError, SettingsError
from api.signing import Signer, flattened, open_signer, rotate_signing_key

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return open_signer(tmp_path_factory.mktemp("signing") / "keys.json", NOW)


def test_the_key_file_is_made_once_and_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys.json"
    first = open_signer(path, NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_signer(path, NOW).jwks == first.jwks
    assert [name.name for name in path.parent.iterdir()] == ["keys.json"]


def test_the_public_keys_hold_nothing_private(signer: Signer) -> None:
    (key,) = json.loads(signer.jwks.model_dump_json())["keys"]
    assert sorted(key) == ["alg", "crv", "kid", "kty", "use", "x"]


def test_a_key_file_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    open_signer(path, NOW)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        open_signer(path, NOW)


@pytest.mark.parametrize("content", ["", "{", '{"keys": []}', '{"keys": [{"kty": "OKP"}]}', "[]"])
def test_a_broken_key_file_is_told_and_never_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="restore it from a backup"):
        open_signer(path, NOW)
    assert path.read_text() == content


@pytest.mark.parametrize("damaged", [lambda d: d[:-5], lambda d: "AAAA", lambda d: "!" + d[1:], lambda d: "A" * len(d)])
def test_a_damaged_private_key_signs_nothing(tmp_path: Path, damaged: Callable[[str], str]) -> None:
    path = tmp_path / "keys.json"
    open_signer(path, NOW)
    content = json.loads(path.read_text())
    content["keys"][0]["d"] = damaged(content["keys"][0]["d"])
    path.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=r"keys\.json: not a set of Ed25519 keys; restore it from a backup"):
        open_signer(path, NOW)


def test_after_a_rotation_the_new_key_signs_and_the_old_one_still_verifies(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    before = open_signer(path, NOW)
    old = before.sign(b"old")
    kid = rotate_signing_key(path, NOW)
    after = open_signer(path, NOW)
    assert after.jwks.keys[0].kid == kid
    assert path.stat().st_mode & 0o777 == 0o600
    assert after.verify(old) == b"old"
    with pytest.raises(AlteredPlanError):
        before.verify(after.sign(b"new"))


@settings(max_examples=50, deadline=None)
@given(payload=st.binary(max_size=200))
def test_the_same_payload_gives_the_same_envelope_and_comes_back(signer: Signer, payload: bytes) -> None:
    token = signer.sign(payload)
    assert token == signer.sign(payload)
    assert signer.verify(token) == payload
    parts = flattened(token)
    assert token == f"{parts['protected']}.{parts['payload']}.{parts['signature']}"


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_an_envelope_changed_anywhere_does_not_verify(signer: Signer, data: st.DataObject) -> None:
    token = signer.sign(b'{"controller": "a", "sequence": 1}')
    # The last character of a part may carry unused bits, which a lenient decoder ignores; these change no byte.
    places = [i for i in range(len(token) - 1) if token[i] != "." and token[i + 1] != "."]
    place = data.draw(st.sampled_from(places))
    letter = data.draw(st.sampled_from("ABCDEFGHabcdefgh01234567-_").filter(lambda drawn: drawn != token[place]))
    with pytest.raises(AlteredPlanError):
        signer.verify(token[:place] + letter + token[place + 1 :])


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "...."])
def test_what_is_no_envelope_does_not_verify(signer: Signer, token: str) -> None:
    with pytest.raises(AlteredPlanError):
        signer.verify(token)
