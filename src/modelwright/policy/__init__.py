"""The policy: a declarative file that says what may be done, deny by default; and who decides."""

from modelwright.policy.policy import LAPTOP, RulePolicy, in_force, rule_on
from modelwright.policy.reading import read_policy

__all__ = ["LAPTOP", "RulePolicy", "in_force", "read_policy", "rule_on"]
