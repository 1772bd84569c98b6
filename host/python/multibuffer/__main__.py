"""Runs the command, a program of its own: `multibuffer` where pip installed it, or `python -m multibuffer`."""

import os
import signal
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_bin")
PROGRAM = os.path.join(FOLDER, "multibuffer")
REASON = os.path.join(FOLDER, "why_not.txt")  # written by a build that leaves the program out


def main():
    if not os.path.exists(PROGRAM):
        reason = "this build of the module has none"
        if os.path.exists(REASON):
            with open(REASON, encoding="utf-8") as file:
                reason = file.read().strip()
        print(f"multibuffer: the module is here, but not the command: {reason}", file=sys.stderr)
        return 2
    # The program takes the place of this process. Python ignores these two signals, and a program would
    # inherit that: `multibuffer inspect ... | head` would end with an error instead of quietly.
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execv(PROGRAM, ["multibuffer", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
