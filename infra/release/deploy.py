"""Deploys the built functions with AWS SAM, as the caller's own AWS identity.

    deploy.py --arch x86_64 [--config infra/examples/bedrock.toml] rotate retire …

With a configuration file that is there, it shows the change set and asks once. Without, or with one that is not there, SAM
asks for every parameter and writes the answers to that file (infra/samconfig.toml if none is named).
"""

import argparse
import json
import shlex
import tomllib
from pathlib import Path

import build
import tools
from tools import ROOT, Refused

ANSWERS = ROOT / "infra/samconfig.toml"


def deploy(config, arch, root=ROOT):
    """Deploys a checkout's template and the functions below its `target`."""
    sam = tools.environment(*tools.DEPLOYS) / "sam"
    what = "the deployment did not come to its end: see above, mend it, and give the same command again"
    tools.run([sam, *command(config, arch)], what, cwd=root)


def command(config, arch):
    """The arguments of `sam` that deploy what a configuration file describes, or that ask first."""
    words = ["deploy", "--template-file", "infra/template.yaml", "--config-file", config, "--capabilities", "CAPABILITY_IAM"]
    words += ["--resolve-s3", "--confirm-changeset", "--no-fail-on-empty-changeset"]
    if not config.exists():
        return [*words, "--guided", "--parameter-overrides", f"Architecture={arch}"]
    given = parameters(config)
    named = given.get("Architecture", "x86_64")
    if named != arch:
        raise Refused(f"{config} says Architecture {named}, and the functions were built for {arch}: make deploy ARCH={named}")
    lacking = unreadable(config, given.get("ProviderAccounts", "{}"))
    if lacking:
        raise Refused(
            f"{config} names no read_secret for {', '.join(lacking)}: the monitor would see nothing of what their keys use. "
            "Step 1 of infra/README.md makes the secret; put its ARN beside admin_secret"
        )
    return words


def unreadable(config, text):
    """The provider accounts that the functions which only read could not open. What else is wrong the functions say."""
    try:
        accounts = json.loads(text)
    except (json.JSONDecodeError, TypeError) as error:
        raise Refused(f"ProviderAccounts in {config} is not JSON: {error}") from error
    if not isinstance(accounts, dict):
        raise Refused(f"ProviderAccounts in {config} is no JSON object of accounts by their names")
    return [
        name
        for name, account in accounts.items()
        if isinstance(account, dict) and "admin_secret" in account and "read_secret" not in account
    ]


def parameters(config):
    """The template's parameters in a configuration file, in the form that the examples have, or SAM's own answers."""
    try:
        settings = tomllib.loads(config.read_text())
        given = settings["default"]["deploy"]["parameters"]["parameter_overrides"]
        if isinstance(given, str):
            given = dict(word.split("=", 1) for word in shlex.split(given))
        return dict(given)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise Refused(f"{config} is no configuration as those in infra/examples: {error}") from error


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", choices=build.TARGETS, default="x86_64")
    parser.add_argument("--config", type=Path, default=ANSWERS)
    parser.add_argument("functions", nargs="+")
    arguments = parser.parse_args()
    for function in arguments.functions:
        build.check(ROOT / "target/lambda" / function / "bootstrap", arguments.arch)
    deploy(arguments.config.resolve(), arguments.arch)


if __name__ == "__main__":
    tools.main(main)
