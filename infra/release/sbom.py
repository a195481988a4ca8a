"""Writes what each function is made of, as CycloneDX, into target/sbom/<function>.cdx.json, and checks that nothing is missing.

    sbom.py --arch x86_64 rotate retire …
"""

import argparse
import json
import shutil

import tools
from build import TARGETS
from tools import ROOT, TARGET, Refused


def made_of(function, target):
    """Every package that cargo puts into a function or runs to build it, as (name, version)."""
    tree = ["cargo", "tree", "--locked", "--prefix=none", "--edges=normal,build", "--format={p}"]
    tree += ["--target", target, "--package", f"keyward-{function}"]
    told = tools.run(tree, f"{function}'s packages cannot be listed", cwd=ROOT, capture_output=True)
    words = (line.split() for line in told.stdout.splitlines())
    return {(word[0], word[1].removeprefix("v")) for word in words if word}


def write(functions, target):
    folder = TARGET / "sbom"
    shutil.rmtree(folder, ignore_errors=True)
    # The tool writes beside each manifest that it reads: into a copy, not into the checkout.
    copy = folder / "sources"
    tools.sources(copy)
    variables = tools.with_path(tools.crate("cargo-cyclonedx"))
    for function in functions:
        command = ["cargo", "cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--target", target]
        command += ["--manifest-path", copy / "functions" / function / "Cargo.toml"]
        tools.run(command, f"{function}'s list cannot be written", cwd=copy, env=variables)
        written = copy / "functions" / function / f"keyward-{function}.cdx.json"
        listed = folder / f"{function}.cdx.json"
        # Where it was written is nobody's business.
        listed.write_text(written.read_text().replace(str(copy), "/keyward"))
        check(function, json.loads(listed.read_text()), made_of(function, target))
    shutil.rmtree(copy)


def check(function, document, wanted):
    """Raises Refused if a package is missing in a list."""
    listed = {(part["name"], part["version"]) for part in document["components"]}
    missing = wanted - listed - {(f"keyward-{function}", document["metadata"]["component"]["version"])}
    if missing:
        names = ", ".join(f"{name} {version}" for name, version in sorted(missing))
        raise Refused(f"the list of {function} lacks {names}")
    print(f"{function}: {len(listed)} packages, in target/sbom/{function}.cdx.json")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", choices=TARGETS, default="x86_64")
    parser.add_argument("functions", nargs="+")
    arguments = parser.parse_args()
    write(arguments.functions, TARGETS[arguments.arch])


if __name__ == "__main__":
    tools.main(main)
