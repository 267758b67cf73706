"""Keys and signed heads."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from modelwright.core.errors import InputError
from modelwright.ledger import (
    Head,
    Message,
    SignedHead,
    load_or_make_key,
    open_ledger,
    public_key,
    sign_head,
    verify_head,
)

KEY = Ed25519PrivateKey.generate()
SIGNED = sign_head(Head(7, "ab" * 32, "s"), KEY)


def test_a_key_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "key.pem"
    made = load_or_make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_key(load_or_make_key(path)) == public_key(made)
    assert [file.name for file in path.parent.iterdir()] == ["key.pem"]


@pytest.mark.parametrize("content", [b"", b"no key", b"\xff\x00"])
def test_a_file_that_is_no_key_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InputError, match="not a private key"):
        load_or_make_key(path)
    assert path.read_bytes() == content


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = generate_private_key(SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    with pytest.raises(InputError, match="not an Ed25519 key"):
        load_or_make_key(path)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    load_or_make_key(path)
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        load_or_make_key(path)


def test_a_key_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be used"):
        load_or_make_key(tmp_path / "file" / "key")


def test_a_signed_head_travels_as_json() -> None:
    again = SignedHead.from_json(json.loads(json.dumps(SIGNED.to_json())))
    assert again == SIGNED
    assert verify_head(again)
    assert verify_head(again, public_key(KEY))


@pytest.mark.parametrize(
    "changed",
    [
        replace(SIGNED, study="t"),
        replace(SIGNED, n=8),
        replace(SIGNED, hash="cd" * 32),
        replace(SIGNED, signature=SIGNED.signature[::-1]),
        replace(SIGNED, signature="no hex"),
        replace(SIGNED, signer=public_key(Ed25519PrivateKey.generate())),
        replace(SIGNED, signer=""),
    ],
)
def test_any_change_breaks_a_signed_head(changed: SignedHead) -> None:
    assert not verify_head(changed)


def test_a_forger_has_another_key() -> None:
    forged = sign_head(Head(7, "cd" * 32, "s"), Ed25519PrivateKey.generate())
    assert verify_head(forged)
    assert not verify_head(forged, public_key(KEY))


@pytest.mark.parametrize("data", [{}, {**SIGNED.to_json(), "n": "7"}, {**SIGNED.to_json(), "x": 1}])
def test_json_that_is_no_signed_head_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(InputError, match="a signed head has the fields"):
        SignedHead.from_json(data)


def test_a_signed_message_cannot_be_changed_or_moved() -> None:
    with open_ledger(":memory:") as ledger, ledger.writer("s") as writer:
        writer.append([("first", {})])
        ledger.post("s", {"kind": "budget", "trials": 5}, KEY)
        (message,) = writer.inbox()
    assert message.signer == public_key(KEY)
    assert message.signature_holds
    for changed in (
        replace(message, body={"kind": "budget", "trials": 500}),
        replace(message, study="t"),
        replace(message, posted_at=message.posted_at + 1),
        replace(message, signer=public_key(Ed25519PrivateKey.generate())),
    ):
        assert not changed.signature_holds
    assert not Message(1, "s", {}, 0.0).signature_holds
