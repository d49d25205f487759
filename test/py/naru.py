"""A Naru that a test starts, on free ports of loopback and with a data directory of its own."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

import boto3
import botocore.config

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACCOUNT = "000000000000"
REGION = "us-east-1"


class Naru:
    """A running Naru. It is removed with its data by stop."""

    def __init__(self, *flags):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="naru-py-"))
        self.flags = flags
        self.listen = "127.0.0.1:0"
        self.ahead = 0  # seconds, of its clock, also after a restart
        self.start()

    def start(self):
        """Starts Naru, on the port of its last start, and returns once it serves."""
        command = [ROOT / "bin/naru", "serve", "--listen", self.listen, "--admin", "127.0.0.1:0", "--data", self.dir / "data"]
        with open(self.dir / "log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [*command, "--sdk-dir", ROOT / ".tools/sdk", *self.flags], stdout=subprocess.PIPE, stderr=log, text=True)
        for line in self.process.stdout:
            words = line.split()
            if words[:1] == ["endpoint"]:
                self.endpoint = words[1]
            if words[:1] == ["account"]:
                break
        else:
            raise RuntimeError(f"Naru did not start:\n{self.log()}")
        self.listen = self.endpoint.removeprefix("http://")
        if self.ahead:
            self.set_ahead(self.ahead)

    def log(self):
        """Returns what Naru wrote to its standard error."""
        return (self.dir / "log").read_text(encoding="utf-8")

    def client(self, service, session=boto3, **options):
        """Returns a client of a service. It tries nothing twice."""
        return session.client(
            service, endpoint_url=self.endpoint, region_name=REGION, config=botocore.config.Config(retries={"total_max_attempts": 1}),
            **{"aws_access_key_id": "any", "aws_secret_access_key": "any"} | options)

    def advance(self, seconds):
        """Moves Naru's clock forward. It needs --allow-reset."""
        self.set_ahead(seconds)
        self.ahead += seconds

    def set_ahead(self, seconds):
        body = json.dumps({"advance": seconds}).encode()
        with urllib.request.urlopen(f"{self.endpoint}/_naru/clock", body) as reply:
            assert reply.status == 200

    def kill(self):
        """Ends Naru as a crash would."""
        self.end(signal.SIGKILL)

    def end(self, how=signal.SIGTERM):
        """Ends Naru; it can be started again."""
        self.process.send_signal(how)
        self.process.stdout.close()
        return self.process.wait(timeout=60)

    def stop(self):
        """Ends Naru for good, in good order, and finds no fault in its log."""
        try:
            if self.process.poll() is None:
                assert self.end() == 0, self.log()
            assert not re.search("level=ERROR|panic:", self.log()), self.log()
        finally:
            shutil.rmtree(self.dir)


def until(what, ask, within=20):
    """Asks again and again until the answer is true, and returns it."""
    deadline = time.monotonic() + within
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {within} s in vain until {what}"
        time.sleep(0.02)
