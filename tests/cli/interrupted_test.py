"""The command, killed, short of disk, or robbed of its input at random moments: its output is whole,
or what was there before is untouched, and nothing else is left behind.

usage: interrupted_test.py COMMAND [--times N] [--seed N]
"""

import argparse
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROWS, COLUMNS = 1500, 2048
BEFORE = b"what was there before"


def npy(rows, columns, data):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header.encode() + data


class Scratch:
    """A folder with an input of many rows, which the command turns upside down."""

    def __init__(self, folder):
        self.folder = folder
        self.input = os.path.join(folder, "input.npy")
        self.out = os.path.join(folder, "out.npy")
        self.contents = [self.made(number) for number in (3, 250)]

    def made(self, number):
        rows = [bytes((row * 7 + column * number) % 251 for column in range(64)) * (COLUMNS // 64)
                for row in range(ROWS)]
        return (npy(ROWS, COLUMNS, b"".join(rows)), npy(ROWS, COLUMNS, b"".join(reversed(rows))))

    def begin(self, has_output):
        """Both files as they are at first."""
        for name in os.listdir(self.folder):
            os.remove(os.path.join(self.folder, name))
        with open(self.input, "wb") as file:
            file.write(self.contents[0][0])
        if has_output:
            with open(self.out, "wb") as file:
                file.write(BEFORE)

    def start(self, command, *, limit=None):
        def before():
            if limit is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write fails, as on a full disk
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return subprocess.Popen([command, "gather", self.input, "--index", "::-1", "--device", "host",
                                 "--out", self.out], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, preexec_fn=before)

    def result(self):
        try:
            with open(self.out, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def check(self, process, error, has_output, results):
        """`results`: what a command that says it is done may have written."""
        left = set(os.listdir(self.folder)) - {"input.npy", "out.npy", "other.npy"}
        written = self.result()
        untouched = written == (BEFORE if has_output else None)
        if left:
            return f"left {sorted(left)} behind"
        if process.returncode == 0:
            return None if written in results else "is done, and its output is no result"
        if process.returncode == -signal.SIGKILL:
            return None if untouched or written in results else "was killed with half a result"
        if process.returncode != 2:
            return f"ended with {process.returncode}: {error!r}"
        if not error.startswith(b"multibuffer: "):
            return f"failed without a reason: {error!r}"
        return None if untouched else "failed, and touched the output"


def killed(scratch, command, choice, took):
    process = scratch.start(command)
    time.sleep(choice.random() * took * 1.2)
    process.kill()
    return process, process.communicate()[1], [scratch.contents[0][1]]


def full(scratch, command, choice, took):
    size = len(scratch.contents[0][1])
    process = scratch.start(command, limit=choice.choice([0, 1, size - 1, choice.randrange(size)]))
    error = process.communicate()[1]
    if process.returncode == 0:
        return process, b"", []  # nothing fits
    return process, error, []


def cut(scratch, command, choice, took):
    process = scratch.start(command)
    time.sleep(choice.random() * took)
    os.truncate(scratch.input, choice.randrange(len(scratch.contents[0][0])))
    return process, process.communicate()[1], [scratch.contents[0][1]]


def replaced(scratch, command, choice, took):
    other = os.path.join(scratch.folder, "other.npy")
    with open(other, "wb") as file:
        file.write(scratch.contents[1][0])
    process = scratch.start(command)
    time.sleep(choice.random() * took)
    os.replace(other, scratch.input)
    return process, process.communicate()[1], [each[1] for each in scratch.contents]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    command = os.path.abspath(options.command)
    choice = random.Random(options.seed)
    ended = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Scratch(folder)
        scratch.begin(False)
        began = time.monotonic()
        process = scratch.start(command)
        process.communicate()
        took = time.monotonic() - began
        assert process.returncode == 0 and scratch.result() == scratch.contents[0][1]
        for number in range(options.times):
            way = (killed, full, cut, replaced)[number % 4]
            has_output = choice.random() < 0.5
            scratch.begin(has_output)
            process, error, results = way(scratch, command, choice, took)
            key = way.__name__, process.returncode
            ended[key] = ended.get(key, 0) + 1
            wrong = scratch.check(process, error, has_output, results)
            if wrong:
                print(f"number {number} of seed {options.seed}: the command that was to be "
                      f"{way.__name__} {wrong}")
                return 1
    for (way, status), count in sorted(ended.items()):
        print(f"{way}: {count} times with status {status}")
    # Both ends were met, or the moments were not random.
    return 0 if ("full", 2) in ended and ("killed", -signal.SIGKILL) in ended else 1


sys.exit(main())
