"""Where `code_hash` was first; it lives in `modelwright.core.code_hash`."""

from modelwright.core.code_hash import code_hash as code_hash
