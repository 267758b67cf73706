"""The policy: a declarative file that says what may be done, deny by default."""

from modelwright.policy.policy import LAPTOP, RulePolicy, read_policy

__all__ = ["LAPTOP", "RulePolicy", "read_policy"]
