"""Signatures (Ed25519): a signed head kept elsewhere proves where a study's record ended."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.canonical import canonical
from modelwright.core.errors import InputError
from modelwright.ledger.chain import Head

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A study's head with a signature; keep it where the ledger's keeper cannot write.

    `signer` is the public key (32 bytes) and `signature` (64 bytes), both hexadecimal.
    """

    study: str
    n: int
    hash: str
    signer: str
    signature: str

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SignedHead:
        """The signed head that `to_json` wrote. Raises InputError for anything else."""
        kinds = {"study": str, "n": int, "hash": str, "signer": str, "signature": str}
        if set(data) != set(kinds) or any(type(data[k]) is not t for k, t in kinds.items()):
            raise InputError(f"a signed head has the fields {', '.join(kinds)}; got {dict(data)}.")
        return cls(**data)


def sign_head(head: Head, key: Ed25519PrivateKey) -> SignedHead:
    """The head, signed."""
    signer, signature = sign_text(_head_text(head), key)
    return SignedHead(head.study, head.n, head.hash, signer, signature)


def verify_head(signed: SignedHead, signer: str | None = None) -> bool:
    """True when the signature holds and, where `signer` is given, is that public key's.

    Anyone can sign a forgery with a key of their own: either the signed head or the public key
    must come from where the forger could not write.
    """
    if signer is not None and signed.signer != signer:
        return False
    head = Head(signed.n, signed.hash, signed.study)
    return verify_text(_head_text(head), signed.signer, signed.signature)


def load_or_make_key(path: str | Path) -> Ed25519PrivateKey:
    """The private key in a PEM file, made when it is not there, readable by its owner alone.

    Raises InputError when the file holds no such key, or others may read it.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = _key_in(path, Ed25519PrivateKey.generate)
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"the key {path} is not an Ed25519 key.")
    return key


def load_or_make_curve_key(path: str | Path) -> EllipticCurvePrivateKey:
    """The same for a key on the curve P-256, which public tools for models' signatures ask for."""
    from cryptography.hazmat.primitives.asymmetric import ec

    key = _key_in(path, lambda: ec.generate_private_key(ec.SECP256R1()))
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise InputError(f"the key {path} is not a key on the curve P-256.")
    return key


def _key_in(path: str | Path, make: Callable[[], Any]) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = Path(path).expanduser()
    try:
        if not path.exists():
            _write_new(path, make())
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InputError(f"others may read the key {path}; allow it to yourself: chmod 600.")
        return load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise InputError(f"the key {path} cannot be used: {error.strerror}.") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is not a private key in PEM without a password.") from error


def public_key(key: Ed25519PrivateKey) -> str:
    """The public half, 64 hexadecimal characters: what `signer` is in what it signs."""
    return key.public_key().public_bytes_raw().hex()


def sign_text(text: str, key: Ed25519PrivateKey) -> tuple[str, str]:
    """The signer's public key and the signature, both hexadecimal."""
    return public_key(key), key.sign(text.encode()).hex()


def verify_text(text: str, signer: str, signature: str) -> bool:
    """True when `signature` is what the public key `signer` made for this text."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer))
        public.verify(bytes.fromhex(signature), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _head_text(head: Head) -> str:
    # The name keeps a signed head from passing for any other signed text.
    return canonical({"what": "modelwright ledger head", **asdict(head)})


def _write_new(path: Path, key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> None:
    """Writes beside and links into place: whole or not at all, and never over another's key."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)
    except FileExistsError:
        pass  # another process made one at the same moment: that one counts
    finally:
        beside.unlink()
