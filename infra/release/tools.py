"""The tools that builds and deployments need beside Rust, in the versions that are pinned here.

Those of Python go into an environment of their own, those of Rust into a folder; both are below `target/` and are set up
by whoever needs them first.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"
# Python's, by the folder below `target/` that they are installed into.
COMPILES = ("build/python", ROOT / "infra/release/requirements.txt")
DEPLOYS = ("checkers/sam", ROOT / "tests/template/sam.txt")

# Rust programs by the crate that brings them.
CRATES = {"cargo-cyclonedx": "0.5.9"}


class Refused(Exception):
    """What a person has to mend: what is wrong, and what to do."""


def run(command, what, **options):
    """Runs a command to its end. Raises Refused with `what` if it cannot be run or fails."""
    try:
        return subprocess.run([str(word) for word in command], check=True, text=True, **options)
    except FileNotFoundError as error:
        raise Refused(f"{what}: {command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise Refused(f"{what}: {Path(str(command[0])).name} ended with {error.returncode}") from error


def setting_up(what):
    """Says why nothing is said for a while: what installs and compiles is quiet."""
    print(f"setting up {what}, once: this takes some minutes", file=sys.stderr, flush=True)


def environment(name, pins):
    """The folder with the programs of the Python environment `target/<name>`, which holds what `pins` lists."""
    folder = TARGET / name
    wanted = pins.read_text()
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted:
        setting_up(f"target/{name}")
        what = "the tools cannot be installed (Python 3 with venv and pip, and its package registry, are needed)"
        run([sys.executable, "-m", "venv", "--clear", folder], what)
        run([folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", pins], what)
        installed.write_text(wanted)
    return folder / "bin"


def with_path(folder):
    """This process's environment variables with a folder of programs before all others."""
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}


def crate(name):
    """The folder with the program of a Rust crate, which is compiled if it is not there yet."""
    version = CRATES[name]
    folder = TARGET / "tools" / f"{name}-{version}"
    if not (folder / "bin" / name).exists():
        setting_up(f"{name} {version}")
        what = f"{name} {version} cannot be installed"
        run(["cargo", "install", "--quiet", "--locked", "--root", folder, f"{name}@{version}"], what)
    return folder / "bin"


def sources(folder):
    """Copies everything that is, or will be, in the repository into an empty folder."""
    listed = run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        "the sources cannot be listed",
        cwd=ROOT,
        capture_output=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, copy = ROOT / name, folder / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())


def main(act):
    """Runs a program's act; what a person has to mend becomes one line and exit code 1."""
    try:
        act()
    except Refused as refused:
        print(refused, file=sys.stderr)
        sys.exit(1)
