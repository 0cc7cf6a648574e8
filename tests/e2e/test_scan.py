"""moongate scan: JSON lines in, spans out, offsets in bytes of the UTF-8 text."""

import json
import os
import pathlib
import select
import subprocess
import tempfile
import unittest

import processes


class Scan(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.command = [str(processes.BINARY), "scan"]

    def scan(self, text, *arguments, status=0):
        done = subprocess.run(
            self.command + list(arguments),
            input=text.encode(),
            cwd=self.folder.name,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=60,
        )
        self.assertEqual(done.returncode, status, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()

    def found(self, text, *arguments):
        (line,), _ = self.scan(json.dumps({"text": text}) + "\n", *arguments)
        raw = text.encode()
        return [(s["type"], raw[s["start"] : s["end"]].decode()) for s in line["spans"]]

    def test_every_type(self):
        text = (
            "Zoë 📞 (415) 555-0132, ann@example.com, SSN 078-05-1123, SIN 130-692-544, card 4111 1111 1111 1111, "
            "host 2001:db8::1, IBAN DE89 3704 0044 0532 0130 00, token ghp_a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8."
        )
        expected = [
            ("phone", "(415) 555-0132"),
            ("email", "ann@example.com"),
            ("ssn", "078-05-1123"),
            ("ca_sin", "130-692-544"),
            ("credit_card", "4111 1111 1111 1111"),
            ("ip_address", "2001:db8::1"),
            ("iban", "DE89 3704 0044 0532 0130 00"),
            ("secret", "ghp_a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8"),
        ]
        self.assertEqual(self.found(text), expected)
        self.assertEqual(self.found(text, "--types", "ssn, phone"), [expected[0], expected[2]])
        self.assertEqual(self.found("nothing here"), [])

    def test_lines_that_are_wrong(self):
        lines, errors = self.scan('{"text":"a@b.co"}\nrubbish\n\n{"other":1}\n{"text":"c@d.io"}', status=1)
        self.assertEqual([len(line["spans"]) for line in lines], [1, 1])
        self.assertIn("line 2: invalid JSON", errors)
        self.assertIn('line 4: there is no string "text"', errors)
        self.assertNotIn("rubbish", errors)

    def test_command_lines_that_are_wrong(self):
        for arguments, message in (
            (["--types", "ssn,emial"], "no detector finds 'emial'; there are: email, credit_card, ssn"),
            (["--types", "ssn,,phone"], "empty name"),
            (["--types", ""], "leave it out"),
            (["file.jsonl"], "standard input"),
            (["--type", "ssn"], "no option '--type'"),
        ):
            lines, errors = self.scan('{"text":"a@b.co"}\n', *arguments, status=2)
            self.assertEqual(lines, [])
            self.assertIn(message, errors)

    def test_detectors_of_the_configuration(self):
        pathlib.Path(self.folder.name, "moongate.lua").write_text("detectors = { pii = { jit = false } }\n")
        self.assertEqual(self.found("a@b.co"), [("email", "a@b.co")])
        pathlib.Path(self.folder.name, "other.lua").write_text("detectors = { pii = { jti = false } }\n")
        _, errors = self.scan("", "-c", "other.lua", status=2)
        self.assertIn("did you mean 'jit'", errors)

    def test_an_answer_comes_before_the_next_line(self):
        with subprocess.Popen(
            self.command, cwd=self.folder.name, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as scan:
            for i in range(3):
                os.write(scan.stdin.fileno(), b'{"text":"a@b.co"}\n')
                self.assertTrue(select.select([scan.stdout], [], [], 60)[0])
                self.assertEqual(len(json.loads(os.read(scan.stdout.fileno(), 4096))["spans"]), 1)
            scan.stdin.close()
            self.assertEqual(scan.wait(60), 0)

    def test_many_and_long_lines(self):
        lines, _ = self.scan('{"text":"mail a@b.co"}\n' * 20000 + json.dumps({"text": "x " * 2000000 + "a@b.co"}) + "\n")
        self.assertEqual(len(lines), 20001)
        self.assertEqual(lines[-1]["spans"], [{"type": "email", "start": 4000000, "end": 4000006, "confidence": 0.95}])


if __name__ == "__main__":
    unittest.main()
