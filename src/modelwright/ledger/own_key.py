"""The key of the account: what a lone user signs decisions with, and what a roster lists."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.ledger.signing import load_or_make_key, public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_PATH = "MODELWRIGHT_KEY"  # names the file of the key, where it is not the usual one


def config_folder() -> Path:
    """Where the account keeps its settings: `~/.config/modelwright`, or as XDG_CONFIG_HOME says."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path("~/.config").expanduser()) / "modelwright"


def own_key_path() -> Path:
    """The file of the account's key; the environment's MODELWRIGHT_KEY names another."""
    named = os.environ.get(KEY_PATH)
    return Path(named).expanduser() if named else config_folder() / "key.pem"


def own_key() -> Ed25519PrivateKey:
    """The account's key, made when it is not there. Raises InputError when it cannot be used."""
    return load_or_make_key(own_key_path())


def account() -> str:
    """Who speaks: the name of the account, where there is one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return "local user"


def own_public_key() -> str:
    """The public half, 64 hexadecimal characters."""
    return public_key(own_key())
