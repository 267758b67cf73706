"""What child processes must not inherit: passwords and tokens in the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECRET = re.compile(
    r"(PASSWORD|PASSWD|PASSPHRASE|(^|_)(PASS|SECRET|TOKEN|CREDENTIALS?|API_?KEY|ACCESS_KEY"
    r"|PRIVATE_KEY))(_|$)|^MODELWRIGHT_(KEY|WEBHOOK)$|^MYSQL_PWD$"
)
_IN_URL = re.compile(r"^\w+(\+\w+)?://[^/@\s]*:[^/@\s]+@")  # user:password@host


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without variables that hold a secret, by their name or as part of a URL.

    Trials run code that was written for them; what the supervisor may do is none of their business.

    >>> without_secrets({"PGPASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "x", "TOKENS": "5"})
    {'TOKENS': '5'}
    >>> without_secrets({"DB_PASS": "x", "DATABASE_URL": "postgresql://me:x@h/db", "HOME": "/me"})
    {'HOME': '/me'}
    """
    return {
        k: v for k, v in environment.items() if not (_SECRET.search(k.upper()) or _IN_URL.match(v))
    }
