"""What people write to a study: messages in its inbox, signed or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwright.ledger.chain import body_text
from modelwright.ledger.signing import sign_text, verify_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Message:
    """What a person wrote to a study's inbox. `posted_at` is in seconds since 1970.

    `signer` and `signature` (both hexadecimal, Ed25519) are empty when it was not signed.
    """

    id: int
    study: str
    body: dict[str, Any]
    posted_at: float
    signer: str = ""
    signature: str = ""

    @classmethod
    def signed(
        cls, study: str, body: dict[str, Any], posted_at: float, key: Ed25519PrivateKey
    ) -> Message:
        """A message signed away from any ledger, for `Ledger.post_signed`; its id is 0."""
        text = message_text(study, body_text(body), posted_at)
        return cls(0, study, body, posted_at, *sign_text(text, key))

    @property
    def signature_holds(self) -> bool:
        """True when the message is signed and its signer did write exactly this."""
        text = message_text(self.study, body_text(self.body), self.posted_at)
        return bool(self.signature) and verify_text(text, self.signer, self.signature)

    def entry(self, **more: Any) -> tuple[str, dict[str, Any]]:
        """What to append to take the message: its body with id, time, signature, and `more`."""
        about: dict[str, Any] = {"inbox_id": self.id, "posted_at": self.posted_at}
        if self.signature:
            about |= {"signer": self.signer, "signature": self.signature}
        return "message", self.body | about | more


def message_text(study: str, message: str, posted_at: float) -> str:
    """What the signature of a message is made over: study, body (as text) and time."""
    parts = {"what": "modelwright message", "study": study, "message": message}
    return body_text({**parts, "posted_at": posted_at})
