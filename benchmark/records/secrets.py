"""Words of a command without what only its user may know: keys, tokens, passwords. No torch."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

HIDDEN = "***"
SHORTEST = 8  # characters of a secret in the environment; a shorter one may be any word
# Names whose value is a secret: of options, settings and environment variables.
NAME = re.compile(
    r"(?:^|[^a-z])(?:api|access|auth|private|secret|account|signing|deploy)[-_.]?keys?$"
    r"|(?:^|[^a-z])(?:key|apikey|secret|token|bearer|pass|passwd|password|passphrase|pwd|"
    r"credentials?|authorization)$",
    re.IGNORECASE,
)
# What looks like a secret wherever it stands.
SHAPES = re.compile(
    r"(?<=://)[^/@\s]+(?=@)"  # who may open an address
    r"|\b(?:hf_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abprs]-)[\w-]{16,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # a JSON web token
    r"|(?<=[Bb]earer )\S+"
)
PAIR = re.compile(r"([\w.-]+)(\s*[=:]\s*)([^\s&=]+=*)(?=[\s&]|$)")


def names_a_secret(name: str) -> bool:
    """Whether a setting, option or variable of this name holds what must not be written down."""
    return NAME.search(name) is not None


def without_secrets(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a command, with ``***`` in the place of every secret that can be told.

    A secret is the value of an option or setting that is called like one (``--token X``,
    ``api_key=X``), a key of a known shape, the part of an address that says who may open it, and what
    an environment variable of such a name holds.
    """
    said = [v for n, v in os.environ.items() if names_a_secret(n) and len(v) >= SHORTEST]
    shown, before = [], ""
    for word in words:
        is_value = before.startswith("-") and "=" not in before and names_a_secret(before)
        shown.append(HIDDEN if is_value and not word.startswith("--") else _hidden(word, said))
        before = word
    return tuple(shown)


def _hidden(word: str, said: Sequence[str]) -> str:
    """One word without secrets."""
    for secret in said:
        word = word.replace(secret, HIDDEN)
    word = SHAPES.sub(HIDDEN, word)
    return PAIR.sub(lambda m: m[1] + m[2] + (HIDDEN if names_a_secret(m[1]) else m[3]), word)
