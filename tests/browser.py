# SPDX-License-Identifier: MIT
"""A page as a headless Chromium has it after its scripts ran, without a net."""

import json
import os
import select
import subprocess
import tempfile
import time

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
           "--disable-background-networking", "--disable-component-update",
           "--disable-sync", "--disable-extensions", "--no-proxy-server",
           "--host-resolver-rules=MAP * ~NOTFOUND",
           "--enable-logging=stderr", "--v=0"]


def browse(chromium, uri, budget_ms, *options):
    """(the page's text, what the console said), @budget_ms of its time later"""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [chromium, *OPTIONS, f"--virtual-time-budget={budget_ms}",
             f"--user-data-dir={profile}", *options, "--dump-dom", uri],
            capture_output=True, text=True, check=False, timeout=600)
    said = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return done.stdout, said


class Refused(Exception):
    """What was asked of the browser failed."""


class Page:
    """A page that stays open and answers, over the DevTools protocol."""

    def __init__(self, chromium, uri):
        # Its children may write there for a while after it ended.
        self.profile = tempfile.TemporaryDirectory(
            ignore_cleanup_errors=True)
        ours, theirs = os.pipe(), os.pipe()  # what it reads, what it writes
        self.child = subprocess.Popen(
            ["sh", "-c", f'exec "$@" 3<&{ours[0]} 4>&{theirs[1]}', "sh",
             chromium, *OPTIONS, "--remote-debugging-pipe",
             f"--user-data-dir={self.profile.name}", "about:blank"],
            pass_fds=(ours[0], theirs[1]), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(ours[0])
        os.close(theirs[1])
        self.asks = os.fdopen(ours[1], "wb", 0)
        self.answers = os.fdopen(theirs[0], "rb", 0)
        self.unread, self.number, self.session = b"", 0, None
        target = self.call("Target.createTarget", url=uri)["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.child.terminate()
        self.child.wait()
        self.asks.close()
        self.answers.close()
        self.profile.cleanup()

    def next_message(self):
        deadline = time.monotonic() + 300
        while b"\0" not in self.unread:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.answers], [], [], left)[0]:
                raise Refused("the browser does not answer")
            got = os.read(self.answers.fileno(), 1 << 16)
            if not got:
                raise Refused("the browser went away")
            self.unread += got
        message, self.unread = self.unread.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        """What comes of @method; raises Refused."""
        self.number += 1
        ask = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            ask["sessionId"] = self.session
        self.asks.write(json.dumps(ask).encode() + b"\0")
        while True:
            message = self.next_message()
            if message.get("id") == self.number:
                if "error" in message:
                    raise Refused(f"{method}: {message['error']}")
                return message["result"]

    def evaluate(self, expression):
        """The value of @expression, which may be a promise."""
        found = self.call("Runtime.evaluate", expression=expression,
                          awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise Refused(str(found["result"].get("description")))
        return found["result"].get("value")
