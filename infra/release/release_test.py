"""What the release scripts refuse. python3 -m unittest discover -s infra/release -p '*_test.py'"""

import contextlib
import io
import json
import platform
import shlex
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import build
import deploy
import elf
import sbom
from tools import Refused

# A program that is certainly there: the interpreter, with the libraries that it names.
PROGRAM = Path(sys.executable).resolve()
HERE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine())
OTHER = "arm64" if HERE == "x86_64" else "x86_64"


@unittest.skipUnless(sys.platform == "linux" and HERE, "there is no program for Lambda here")
class Programs(unittest.TestCase):
    def test_what_a_program_needs_is_read_from_it(self):
        self.assertEqual(elf.architecture(PROGRAM), HERE)
        needed = elf.glibc(PROGRAM)
        self.assertEqual(build.check(PROGRAM, HERE, newest=needed), needed)
        # Every symbol of these architectures is at least so old, and no machine runs what it is too old for.
        self.assertGreaterEqual(needed, (2, 2))
        self.assertLessEqual(needed, tuple(map(int, platform.libc_ver()[1].split("."))))

    def test_a_program_that_needs_more_than_lambda_has_is_refused(self):
        with self.assertRaisesRegex(Refused, "needs glibc .* provided.al2023 has 2.1"):
            build.check(PROGRAM, HERE, newest=(2, 1))

    def test_a_program_for_another_architecture_is_refused(self):
        with self.assertRaisesRegex(Refused, f"built for {HERE}, and {OTHER} was asked for"):
            build.check(PROGRAM, OTHER)

    def test_what_does_not_tell_is_refused(self):
        header = PROGRAM.read_bytes()[:64]
        silent = header[:40] + bytes(8) + header[48:60] + bytes(4)
        for data, why in [(b"#!/bin/sh\n", "no program"), (b"", "no program"), (silent, "does not tell")]:
            with tempfile.TemporaryDirectory() as folder, self.subTest(why):
                file = Path(folder) / "bootstrap"
                file.write_bytes(data)
                with self.assertRaisesRegex(Refused, why):
                    build.check(file, HERE)

    def test_a_function_that_was_not_built_is_refused(self):
        with self.assertRaisesRegex(Refused, "cannot be read"):
            build.check(Path("nowhere/bootstrap"), HERE)


@unittest.skipUnless(sys.platform == "linux" and HERE, "there is no program for Lambda here")
class Repeats(unittest.TestCase):
    """`repro` to its end, with a compiler that writes what it is told to."""

    def run_with(self, program):
        made = []

        def compiled(functions, arch, folder):
            self.assertEqual(((folder / "Cargo.lock").exists(), arch), (True, HERE))
            file = folder / "bootstrap"
            file.write_bytes(program(folder))
            made.append(folder)
            return {functions[0]: file}

        with tempfile.TemporaryDirectory() as target, mock.patch.multiple(
            build, TARGET=Path(target), build=compiled, check=lambda file, arch: None
        ):
            (Path(target) / "repro/one").mkdir(parents=True)
            left = Path(target) / "repro/one/left-by-an-earlier-run"
            left.write_text("")
            with contextlib.redirect_stdout(io.StringIO()) as said:
                build.repro("retire", HERE)
            self.assertFalse(left.exists())
        self.assertEqual(len({len(str(folder)) for folder in made}), 2)
        return said.getvalue()

    def test_two_builds_that_are_the_same_are_said_to_be(self):
        said = self.run_with(lambda _: PROGRAM.read_bytes())
        self.assertIn("retire: both builds are the same", said)

    def test_a_build_that_depends_on_its_folder_is_refused(self):
        with self.assertRaisesRegex(Refused, "comes out different in different folders"):
            self.run_with(lambda folder: PROGRAM.read_bytes() + str(folder).encode())


class Deployments(unittest.TestCase):
    def test_the_examples_are_deployed_as_they_are(self):
        examples = sorted((deploy.ROOT / "infra/examples").glob("*.toml"))
        self.assertEqual(len(examples), 2)
        for example in examples:
            words = deploy.command(example, "x86_64")
            self.assertIn(example, words)
            self.assertIn("--confirm-changeset", words)
            self.assertNotIn("--guided", words)

    def test_without_a_configuration_every_parameter_is_asked_for(self):
        words = deploy.command(Path("nowhere.toml"), "arm64")
        self.assertEqual(words[-3:], ["--guided", "--parameter-overrides", "Architecture=arm64"])

    def test_functions_for_another_architecture_are_not_deployed(self):
        with self.assertRaisesRegex(Refused, "make deploy ARCH=x86_64"):
            deploy.command(deploy.ROOT / "infra/examples/bedrock.toml", "arm64")

    def test_accounts_that_the_monitor_could_not_see_are_not_deployed(self):
        secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward"
        admin = {"provider": "openai", "admin_secret": f"{secret}/admin-a1B2c3"}
        both = {**admin, "read_secret": f"{secret}/read-d4E5f6"}
        aws = {"provider": "bedrock", "region": "us-east-1"}
        for accounts, refused in [
            ({"main": both, "aws": aws}, None),
            ({"main": admin, "other": both, "third": admin}, "no read_secret for main, third: "),
            ([], "no JSON object"),
            ("{", "is not JSON"),
        ]:
            text = accounts if isinstance(accounts, str) else json.dumps(accounts)
            # As people write it, and as SAM does.
            answers = "Architecture=x86_64 ProviderAccounts=" + shlex.quote(text)
            for overrides in [f"{{ ProviderAccounts = {json.dumps(text)} }}", json.dumps(answers)]:
                with tempfile.TemporaryDirectory() as folder, self.subTest(overrides):
                    file = Path(folder) / "mine.toml"
                    file.write_text(f"[default.deploy.parameters]\nparameter_overrides = {overrides}\n")
                    if refused:
                        with self.assertRaisesRegex(Refused, refused):
                            deploy.command(file, "x86_64")
                    else:
                        self.assertIn(file, deploy.command(file, "x86_64"))

    def test_what_is_no_configuration_is_refused(self):
        for text in ["", "version = 0.1", "[default.deploy]\nparameters = 3", "[["]:
            with tempfile.TemporaryDirectory() as folder, self.subTest(text):
                file = Path(folder) / "mine.toml"
                file.write_text(text)
                with self.assertRaisesRegex(Refused, "no configuration"):
                    deploy.command(file, "x86_64")


class Lists(unittest.TestCase):
    DOCUMENT = {
        "metadata": {"component": {"name": "keyward-retire", "version": "0.1.0"}},
        "components": [{"name": "url", "version": "2.5.0"}],
    }

    def test_a_list_that_lacks_a_package_is_refused(self):
        wanted = {("keyward-retire", "0.1.0"), ("url", "2.5.0")}
        sbom.check("retire", self.DOCUMENT, wanted)
        with self.assertRaisesRegex(Refused, "lacks url 2.5.1"):
            sbom.check("retire", self.DOCUMENT, wanted | {("url", "2.5.1")})


if __name__ == "__main__":
    unittest.main()
