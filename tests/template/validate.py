"""Checks infra/template.yaml with sam validate, cfn-lint and checkov.

    validate.py FOLDER

The checkers are installed into FOLDER, in the versions that the .txt files beside this script pin, and again when the pins change.
Two environments, since the two need different versions of the same packages. Installing needs a network, checking does not.
"""

import os
import pathlib
import subprocess
import sys
import time
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TEMPLATE = "infra/template.yaml"
CHECKS = [
    ("sam", ["sam", "validate", "--lint", "--template", TEMPLATE]),
    ("sam", ["cfn-lint", TEMPLATE]),
    ("checkov", ["checkov", "--file", TEMPLATE, "--config-file", "infra/.checkov.yaml"]),
]


def programs(folder, pins):
    """The folder with the programs that a file of pins installs."""
    wanted = (HERE / f"{pins}.txt").read_text()
    environment = folder / pins
    installed = environment / "installed.txt"
    if not installed.is_file() or installed.read_text() != wanted:
        print(f"setting up {environment}, once: this takes some minutes", file=sys.stderr, flush=True)
        venv.create(environment, clear=True, with_pip=True)
        pip = [environment / "bin/python", "-m", "pip", "install", "--quiet", "--requirement", HERE / f"{pins}.txt"]
        subprocess.run(pip, check=True)
        installed.write_text(wanted)
    return environment / "bin"


def environment():
    """No account is asked for anything: the region only has to be one."""
    own = {"SAM_CLI_TELEMETRY": "0", "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1"}
    return {**os.environ, **own}


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    failed = []
    for pins, (program, *arguments) in CHECKS:
        path = programs(folder, pins) / program
        begun = time.monotonic()
        ended = subprocess.run([path, *arguments], cwd=ROOT, env=environment(), check=False).returncode
        print(f"{program}: {'failed' if ended else 'clean'}, {time.monotonic() - begun:.0f} s", flush=True)
        if ended:
            failed.append(program)
    sys.exit(1 if failed else 0)


main()
