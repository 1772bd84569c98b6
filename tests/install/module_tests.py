"""Runs tests/python against a multibuffer that is installed or built already, and counts.

usage: module_tests.py [--path FOLDER...] [--jobs N] [--log FILE] PYTHON [test_NAME...]

PYTHON runs the tests. It imports multibuffer and the tests' own two extensions from FOLDERs, where they
are named, else from its packages. The last line is `N passed, N failed, N skipped`, where a file of tests
counts as one. What failed is shown whole; the log has the rest.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "python"
SKIPPED = 77  # run.py's exit status where all of a file's tests were skipped


def run(python, path, name):
    """Runs one file of tests; its exit status, and what it printed."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
        # A free-threaded Python has the GIL from its beginning: else it would say in each process that
        # an import turns it on, which test_threads.py asks for.
        "PYTHON_GIL": "1",
        "MULTIBUFFER_TEST_DEVICE": "host",
    }
    try:
        done = subprocess.run([python, "run.py", name], cwd=TESTS, env=environment, timeout=600,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
        return 1, f"{said.decode(errors='replace')}\n{name} did not end within {error.timeout:.0f} s\n"
    return done.returncode, done.stdout


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("python")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--path", nargs="+", default=[])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--log")
    arguments = parser.parse_args()
    names = arguments.names or sorted(file.stem for file in TESTS.glob("test_*.py"))
    python = os.path.abspath(shutil.which(arguments.python) or arguments.python)
    path = [os.path.abspath(folder) for folder in arguments.path]

    counts = {"passed": 0, "failed": 0, "skipped": 0}
    log = open(arguments.log or os.devnull, "w", encoding="utf-8")
    with log, concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        results = pool.map(lambda name: (name, *run(python, path, name)), names)
        for name, status, said in results:
            outcome = {0: "passed", SKIPPED: "skipped"}.get(status, "failed")
            counts[outcome] += 1
            seconds = re.search(r"^Ran \d+ tests? in ([\d.]+)s", said, re.MULTILINE)
            log.write(f"===== {name}: {outcome}, {seconds[1] if seconds else '?'} s\n{said}\n")
            log.flush()
            if outcome == "failed":
                print(f"{name}, exit status {status}:\n{said}", flush=True)
            elif outcome == "skipped":
                why = re.search(r"^SKIPPED .*", said, re.MULTILINE)
                print(f"{name}: {why[0] if why else 'skipped'}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts["failed"] or not counts["passed"] else 0


sys.exit(main())
