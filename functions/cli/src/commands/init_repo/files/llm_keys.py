"""Keys of LLM providers, for detect-secrets: https://github.com/Yelp/detect-secrets/blob/master/docs/plugins.md

Written by keyward init-repo from its table of key formats.
"""

import re

from detect_secrets.plugins.base import RegexBasedDetector

# An expression for each kind of key, its text as the only group; and whether the part after what such keys begin with (so
# many characters) counts only with a digit, a small and a capital letter.
KEYS = (
@KEYS@)


class LlmKeyDetector(RegexBasedDetector):
    secret_type = "LLM provider key"

    denylist = tuple(re.compile(expression) for _, expression, _, _ in KEYS)

    def analyze_string(self, string):
        for (_, _, begins, mixed), expression in zip(KEYS, self.denylist):
            for found in expression.findall(string):
                if counts(found[begins:], mixed):
                    yield found


def counts(random, mixed):
    if not mixed:
        return len(set(random)) > 1
    return all(re.search(kind, random) for kind in ("[0-9]", "[a-z]", "[A-Z]"))
