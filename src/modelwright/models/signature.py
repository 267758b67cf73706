"""Who vouches for a model's files: an in-toto statement in two envelopes.

signature.json   DSSE envelope, signed with the workspace's Ed25519 key: what `verify` checks
model.sig        the same statement as a Sigstore bundle, signed with a key on P-256, for
                 `model_signing verify key` (OpenSSF Model Signing), which takes no Ed25519
model.pub        the public half of that key

The statement is that of OpenSSF Model Signing 1.0 (https://model_signing/signature/v1.0): every
file's name and SHA-256, and as subject the SHA-256 over these hashes in their order. What differs:
the predicate also names both keys, so that each signature vouches for the other's key. Envelopes
are as in https://github.com/secure-systems-lab/dsse (protocol 1.0.0).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.canonical import canonical, digest_file
from modelwright.models.bundle import MANIFEST, SIGNATURES, file_hashes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE, BUNDLE, PUBLIC = SIGNATURES
PAYLOAD = "application/vnd.in-toto+json"
STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "https://model_signing/signature/v1.0"
SIGSTORE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@dataclass(frozen=True)
class Signed:
    """What a model's signature proved.

    `problems` has a sentence for each thing wrong; `signer` is the Ed25519 public key (hexadecimal)
    whose signature holds, empty where there is none or it does not hold. `approval` is what the
    signer says of who approved these files.
    """

    signer: str = ""
    problems: tuple[str, ...] = ()
    approval: Mapping[str, Any] = field(default_factory=dict)


def sign_model(
    folder: Path,
    name: str,
    key: Ed25519PrivateKey,
    curve: EllipticCurvePrivateKey,
    approval: Mapping[str, Any] | None = None,
) -> None:
    """Writes both signatures over every other file of a sealed bundle, its manifest included.

    `name` is what the statement calls the model; `approval` who approved these files, if anyone.
    """
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = curve.public_key().public_bytes(serialization.Encoding.PEM, form)
    (folder / PUBLIC).write_bytes(pem)
    signer = key.public_key().public_bytes_raw().hex()
    keys = {"ed25519": signer, "ecdsa_p256": hashlib.sha256(pem).hexdigest()}
    statement = _statement(_signed_files(folder), name, keys)
    if approval:
        statement["predicate"]["approval"] = dict(approval)
    payload = canonical(statement).encode()
    plain = _envelope(payload, key.sign(_encoded(payload)))
    plain["signatures"][0]["keyid"] = signer
    (folder / SIGNATURE).write_text(json.dumps(plain, indent=1) + "\n", "utf-8")
    made = curve.sign(_encoded(payload), ec.ECDSA(hashes.SHA256()))
    bundle = {
        "mediaType": SIGSTORE,
        "verificationMaterial": {"publicKey": {"hint": keys["ecdsa_p256"]}, "tlogEntries": []},
        "dsseEnvelope": _envelope(payload, made),
    }
    (folder / BUNDLE).write_text(json.dumps(bundle) + "\n", "utf-8")


def check_signature(folder: Path, files: Mapping[str, str] | None = None) -> Signed:
    """Holds the files of a bundle against its Ed25519 signature; nothing of it is trusted before.

    `files` are what `file_hashes` gave, where the caller knows. A model without a signature has no
    signer and no problem: older models have none.
    """
    there = [name for name in SIGNATURES if (folder / name).exists()]
    if not there:
        return Signed()
    if len(there) < len(SIGNATURES):
        return Signed(problems=("a part of the signatures is missing",))
    found = check_envelope((folder / SIGNATURE).read_bytes(), _signed_files(folder, files))
    if found.signer and not _bundle_holds(folder):
        return Signed(problems=(f"{BUNDLE} is not a signature over the same statement",))
    return found


def check_envelope(text: bytes, files: Mapping[str, str]) -> Signed:
    """Holds files, by name and SHA-256, against the text of an Ed25519-signed envelope."""
    try:
        envelope = json.loads(text)
        payload = base64.b64decode(envelope["payload"], validate=True)
        (one,) = envelope["signatures"]
        signer, signature = str(one["keyid"]), base64.b64decode(one["sig"], validate=True)
        kind = envelope["payloadType"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Signed(problems=(f"{SIGNATURE} cannot be read as a signature",))
    if kind != PAYLOAD or not _holds(signer, signature, _encoded(payload)):
        return Signed(problems=("the signature is not one of its signer over this statement",))
    try:  # anybody can sign anything with a key of their own
        statement = json.loads(payload)
        problems = _against(statement, files)
        approval = dict(statement["predicate"].get("approval") or {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Signed(problems=("what was signed is no statement on the files of a model",))
    return Signed(problems=problems) if problems else Signed(signer, (), approval)


def _bundle_holds(folder: Path) -> bool:
    """Whether the Sigstore bundle is of the same statement, and of the key in `model.pub`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        envelope = json.loads((folder / BUNDLE).read_bytes())["dsseEnvelope"]
        same = envelope["payload"] == json.loads((folder / SIGNATURE).read_bytes())["payload"]
        key = serialization.load_pem_public_key((folder / PUBLIC).read_bytes())
        if not same or not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        message = _encoded(base64.b64decode(envelope["payload"], validate=True))
        (one,) = envelope["signatures"]
        key.verify(base64.b64decode(one["sig"], validate=True), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return True


def _holds(signer: str, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _against(statement: Mapping[str, Any], found: Mapping[str, str]) -> tuple[str, ...]:
    """What differs between a signed statement and the files that are there."""
    if statement["predicateType"] != PREDICATE:
        raise ValueError(f"the predicate is not {PREDICATE}")
    told = {one["name"]: one["digest"] for one in statement["predicate"]["resources"]}
    wrong = [name for name in sorted({*told, *found}) if told.get(name) != found.get(name)]
    return tuple(f"{name} is not the file that was signed" for name in wrong)


def _signed_files(folder: Path, files: Mapping[str, str] | None = None) -> dict[str, str]:
    more = [folder / name for name in (MANIFEST, PUBLIC)]
    known = file_hashes(folder) if files is None else dict(files)
    found = known | {path.name: digest_file(path) for path in more if path.exists()}
    return dict(sorted(found.items()))


def _statement(files: Mapping[str, str], name: str, keys: Mapping[str, str]) -> dict[str, Any]:
    whole = hashlib.sha256(b"".join(bytes.fromhex(sha) for sha in files.values())).hexdigest()
    listed = [{"name": n, "algorithm": "sha256", "digest": sha} for n, sha in files.items()]
    how = {
        "method": "files", "hash_type": "sha256", "allow_symlinks": False,
        "ignore_paths": [BUNDLE, SIGNATURE],
    }  # fmt: skip
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": whole}}],
        "predicateType": PREDICATE,
        "predicate": {"serialization": how, "resources": listed, "signers": dict(keys)},
    }


def _encoded(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: kind and length are signed with the payload."""
    return f"DSSEv1 {len(PAYLOAD)} {PAYLOAD} {len(payload)} ".encode() + payload


def _envelope(payload: bytes, signature: bytes) -> dict[str, Any]:
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
    }
