"""The host backend and its peers, side by side: one command, one run, one set of files.

Prints a line a case as it goes, and writes peers.json, peers.md and plots into --out. What a machine
lacks is named in the tables as missing. See harness.py for how it measures, host_cases.py for what.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*",
                        help="groups of cases; all but 'large' if none is named")
    parser.add_argument("--list", action="store_true", help="say which groups there are")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose names contain this")
    parser.add_argument("--threads", type=int, nargs="*", default=sorted({1, os.cpu_count()}),
                        help="numbers of threads, each on as many processors (default: 1, all)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a case is repeated")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("results/peers"))
    parser.add_argument("--into", action="store_true", help="keep what --out has of other groups")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def run_here(options):
    """One number of threads, which some of the peers take only from their process."""
    import harness
    import host_cases
    import report

    threads, = options.threads
    for group in options.groups:
        cases = host_cases.GROUPS[group](threads)
        for case in cases:
            if options.only not in case.name:
                continue
            record = harness.measure(case, threads, seconds=options.seconds)
            print(report.brief(record), file=sys.stderr, flush=True)
            print(json.dumps(record), flush=True)


def run_with(threads, options):
    """The records of a process that has this many threads and processors."""
    environment = dict(os.environ, MULTIBUFFER_NUM_THREADS=str(threads),
                       OMP_NUM_THREADS=str(threads))
    processors = sorted(os.sched_getaffinity(0))[:threads]
    process = subprocess.run(
        [sys.executable, __file__, *options.groups, "--run", "--threads", str(threads),
         "--only", options.only, "--seconds", str(options.seconds)],
        env=environment, stdout=subprocess.PIPE, text=True, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, processors))
    return [json.loads(line) for line in process.stdout.splitlines()]


def machine():
    def first(command):
        try:
            return subprocess.run(command, capture_output=True, text=True, cwd=HERE).stdout.strip()
        except OSError:
            return ""

    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.processor())
    return {"processor": model, "processors": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
            "commit": first(["git", "describe", "--always", "--dirty", "--abbrev=12"]),
            "date": datetime.date.today().isoformat()}


def versions():
    import numpy

    found = {"Python": platform.python_version(), "NumPy": numpy.__version__}
    for name in ("torch", "Cython"):
        try:
            found[name] = __import__(name).__version__
        except ImportError:
            pass
    return found


def main():
    options = arguments()
    import host_cases

    if options.list:
        print(*host_cases.GROUPS)
        return
    options.groups = options.groups or [name for name in host_cases.GROUPS if name != "large"]
    unknown = set(options.groups) - set(host_cases.GROUPS)
    if unknown:
        sys.exit(f"no such group: {', '.join(sorted(unknown))}; "
                 f"there are {' '.join(host_cases.GROUPS)}")
    if options.run:
        run_here(options)
        return

    import report

    records = [record for threads in options.threads for record in run_with(threads, options)]
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "peers.json"
    if options.into and file.exists():
        new = {(r["group"], r["case"], r["threads"]) for r in records}
        kept = json.loads(file.read_text())["records"]
        records = [r for r in kept if (r["group"], r["case"], r["threads"]) not in new] + records
    run = {"machine": machine(), "versions": versions(), "records": records}
    file.write_text(json.dumps(run, indent=1) + "\n")
    (options.out / "peers.md").write_text(report.tables(run))
    for plot in report.plots(run, options.out):
        print(plot)
    print(report.goals(run))


main()
