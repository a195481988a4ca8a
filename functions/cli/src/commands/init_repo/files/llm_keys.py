"""Keys of LLM providers, for detect-secrets: https://github.com/Yelp/detect-secrets/blob/master/docs/plugins.md

Written by keyward init-repo from its table of key formats.
"""

import re

from detect_secrets.plugins.base import RegexBasedDetector

# An expression for each kind of key, its text as the only group; where its random part begins and how long that is at least;
# and whether it counts only with a small and a capital letter.
KEYS = (
@KEYS@)


class LlmKeyDetector(RegexBasedDetector):
    secret_type = "LLM provider key"

    denylist = tuple(re.compile(key[1]) for key in KEYS)

    def analyze_string(self, string):
        for (_, _, begins, least, mixed), expression in zip(KEYS, self.denylist):
            for found in expression.findall(string):
                if counts(found[begins:], least, mixed):
                    yield found


def counts(random, least, mixed):
    if not mixed:
        # A placeholder is the same all along.
        return len(set(random[:least])) > 1
    return all(re.search(kind, random) for kind in ("[a-z]", "[A-Z]"))
