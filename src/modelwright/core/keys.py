"""Random keys: every random decision names where it comes from, so it can be made again."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """A splittable source of randomness; equal keys give equal draws on every machine.

    >>> key = Key.of(0)
    >>> key.child("trial", 3) == key.child("trial", 3), key.child("trial", 4) == key
    (True, False)
    >>> key.child("a").random().random() == key.child("a").random().random()
    True
    """

    path: bytes

    @classmethod
    def of(cls, seed: int | str) -> Key:
        """The root key of a seed."""
        return cls(hashlib.sha256(f"modelwright:{seed}".encode()).digest())

    def child(self, *names: int | str) -> Key:
        """The key of a named part; different names give independent keys."""
        text = "\x1f".join(f"{type(name).__name__}:{name}" for name in names)
        return Key(hashlib.sha256(self.path + text.encode()).digest())

    def seed(self, bits: int = 32) -> int:
        """A whole number in [0, 2**bits), for libraries that want a seed. `bits` is 1 to 256."""
        return int.from_bytes(self.path, "big") >> (256 - bits)

    def random(self) -> random.Random:
        """A fresh generator of the standard library, always at its start."""
        return random.Random(self.seed(128))
