"""What all tests share: a key of their own, so that none touches the account's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("config")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODELWRIGHT_KEY", str(folder / "key.pem"))
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        yield
