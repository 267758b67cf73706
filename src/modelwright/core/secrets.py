"""What child processes must not inherit: passwords and tokens in the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECRET = re.compile(
    r"(PASSWORD|PASSWD|PASSPHRASE|(^|_)(SECRET|TOKEN|CREDENTIALS?|API_?KEY|ACCESS_KEY))(_|$)"
    r"|^MODELWRIGHT_(KEY|WEBHOOK)$"
)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without variables that by their name hold a secret.

    Trials run code that was written for them; what the supervisor may do is none of their business.

    >>> without_secrets({"PGPASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "x", "TOKENS": "5"})
    {'TOKENS': '5'}
    """
    return {k: v for k, v in environment.items() if not _SECRET.search(k.upper())}
