"""The only truth of a study: append-only, hash-chained rows. See docs/ledger.md."""

from modelwright.ledger.chain import Head, Row, Verification, genesis
from modelwright.ledger.ledger import Ledger, open_ledger
from modelwright.ledger.message import Message
from modelwright.ledger.signing import (
    SignedHead,
    load_or_make_curve_key,
    load_or_make_key,
    public_key,
    sign_head,
    verify_head,
)
from modelwright.ledger.writer import Writer

__all__ = [
    "Head",
    "Ledger",
    "Message",
    "Row",
    "SignedHead",
    "Verification",
    "Writer",
    "genesis",
    "load_or_make_curve_key",
    "load_or_make_key",
    "open_ledger",
    "public_key",
    "sign_head",
    "verify_head",
]
