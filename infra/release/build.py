"""Builds the functions for Lambda, and checks what was built.

    build.py build --arch x86_64 rotate retire …   into target/lambda/<function>/bootstrap
    build.py check --arch x86_64 FILE …            a program runs on Lambda
    build.py repro --arch x86_64 retire            two builds in two folders are the same, byte by byte
"""

import argparse
import hashlib
import os
import shutil
import sys
from pathlib import Path

import elf
import tools
from tools import ROOT, TARGET, Refused

# Rust's name of each architecture.
TARGETS = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}

# The glibc of provided.al2023, which is Amazon Linux 2023:
# https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html
GLIBC = (2, 34)


def build(functions, arch, folder=ROOT):
    """Builds functions in a checkout, each by itself, with the features that are deployed. Returns their files by name."""
    needs_target(arch)
    programs = tools.environment(*tools.COMPILES)
    made = folder / "target/lambda"
    shutil.rmtree(made, ignore_errors=True)
    for function in functions:
        command = ["cargo", "lambda", "build", "--release", "--locked", "--skip-target-check"]
        command += ["--package", f"keyward-{function}", "--lambda-dir", made]
        command += ["--target", f"{TARGETS[arch]}.{GLIBC[0]}.{GLIBC[1]}"]
        variables = tools.with_path(programs)
        variables |= {"CARGO_TARGET_DIR": str(folder / "target"), "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(remapped(folder))}
        tools.run(command, f"{function} does not build", cwd=folder, env=variables)
    files = {function: made / function / "bootstrap" for function in functions}
    found = {file for file in made.rglob("*") if file.is_file()}
    if found != set(files.values()):
        raise Refused(f"{made} holds something else than one bootstrap for each function: nothing of it must be deployed")
    return files


def needs_target(arch):
    """Raises Refused if Rust cannot compile for an architecture here."""
    target = TARGETS[arch]
    told = tools.run(
        ["rustc", "--print", "target-libdir", "--target", target],
        "Rust cannot be asked what it compiles for",
        cwd=ROOT,
        capture_output=True,
    )
    if not Path(told.stdout.strip()).is_dir():
        raise Refused(
            f"nothing was built: Rust has no target {target} on this machine. "
            f"Add it (rustup target add {target}), or build with ARCH=x86_64"
        )


def remapped(folder):
    """The compiler's flags that keep a machine's folders out of what is built. They take the place of cargo-lambda's own, which
    ask for a newer processor.

    https://doc.rust-lang.org/rustc/remap-source-paths.html
    """
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    return [f"--remap-path-prefix={folder}=/keyward", f"--remap-path-prefix={home}=/cargo"]


def check(file, arch, newest=GLIBC):
    """Returns the glibc that a program needs. Raises Refused if it cannot run on Lambda."""
    built = elf.architecture(file)
    if built != arch:
        raise Refused(f"{file} is built for {built}, and {arch} was asked for")
    needed = elf.glibc(file)
    if needed > newest:
        raise Refused(f"{file} needs glibc {dotted(needed)}, and provided.al2023 has {dotted(newest)}")
    return needed


def dotted(version):
    return ".".join(map(str, version))


def show(files, arch):
    for name, file in files.items():
        needed = check(file, arch)
        print(f"{name}: {file.stat().st_size / 1e6:.1f} MB for {arch}, needs glibc {dotted(needed)}: {file}")


def repro(function, arch):
    """Builds a function from two copies of the sources, whose folders have names of different length."""
    digests = []
    for name in ("one", "the-other/further-down"):
        folder = TARGET / "repro" / name
        # What an earlier run compiled there proves nothing.
        shutil.rmtree(folder, ignore_errors=True)
        tools.sources(folder)
        file = build([function], arch, folder)[function]
        check(file, arch)
        digests.append(hashlib.sha256(file.read_bytes()).hexdigest())
        print(f"{digests[-1]}  {file}")
    if len(set(digests)) != 1:
        raise Refused(f"{function} comes out different in different folders: compare the two files above")
    print(f"{function}: both builds are the same")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("act", choices=("build", "check", "repro"))
    parser.add_argument("--arch", choices=TARGETS, default="x86_64")
    parser.add_argument("names", nargs="+", metavar="FUNCTION or FILE")
    arguments = parser.parse_args()
    # Lines come out before those of the compiler that follow.
    sys.stdout.reconfigure(line_buffering=True)
    if arguments.act == "build":
        show(build(arguments.names, arguments.arch), arguments.arch)
    elif arguments.act == "check":
        show({Path(name).name: Path(name) for name in arguments.names}, arguments.arch)
    else:
        for function in arguments.names:
            repro(function, arguments.arch)


if __name__ == "__main__":
    tools.main(main)
