"""Deploys the built functions with AWS SAM, as the caller's own AWS identity.

    deploy.py --arch x86_64 [--config infra/examples/bedrock.toml] rotate retire …

With a configuration file that is there, it shows the change set and asks once. Without, or with one that is not there, SAM
asks for every parameter and writes the answers to that file (infra/samconfig.toml if none is named).
"""

import argparse
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
    named = parameters(config).get("Architecture", "x86_64")
    if named != arch:
        raise Refused(f"{config} says Architecture {named}, and the functions were built for {arch}: make deploy ARCH={named}")
    return words


def parameters(config):
    """The template's parameters in a configuration file, in the form that the examples have."""
    try:
        settings = tomllib.loads(config.read_text())
        return settings["default"]["deploy"]["parameters"]["parameter_overrides"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
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
