"""The words of `decide` by name: `approve(run, request, reason="...")`, and so on."""

from __future__ import annotations

from functools import partial

from modelwright.recipes.deciding import decide

approve = partial(decide, "approve")
reject = partial(decide, "reject")
change = partial(decide, "change")
ask = partial(decide, "ask")
answer = partial(decide, "answer")
pin = partial(decide, "pin")
ban = partial(decide, "ban")
prefer = partial(decide, "prefer")
read = partial(decide, "read", reason="")
