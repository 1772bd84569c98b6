"""Our backends and their peers, side by side: one command, one run, one set of files.

Prints a line a case as it goes, and writes peers.json, peers.md and plots into --out. What a machine
lacks is named in the tables as missing. The exit status is 1 if some side failed or had wrong bits.
See harness.py for how it measures; host_cases.py, and for a GPU gpu.py and device_cases.py, for what.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*",
                        help="groups of cases; all but 'large' if none is named")
    parser.add_argument("--device", choices=("host", "cuda"), default="host")
    parser.add_argument("--list", action="store_true", help="say which groups there are")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose names contain this")
    parser.add_argument("--threads", type=int, nargs="*", default=sorted({1, os.cpu_count()}),
                        help="numbers of threads, each on as many processors (default: 1, all; "
                        "on a GPU there is no such choice)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a case is repeated")
    parser.add_argument("--at-most", type=float, default=float("inf"), metavar="SECONDS",
                        help="begin no case later than this, on a GPU")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("results/peers"))
    parser.add_argument("--into", action="store_true", help="keep what --out has of other groups")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def groups_of(options):
    if options.device != "cuda":
        return host_groups()
    import device_cases

    return device_cases.GROUPS


def host_groups():
    import dask_cases
    import dataset_cases
    import host_cases
    import ragged_cases

    return host_cases.GROUPS | dataset_cases.GROUPS | ragged_cases.GROUPS | dask_cases.GROUPS


# ---- The host


def run_here(options):
    """One number of threads, which some of the peers take only from their process."""
    import harness
    import report

    threads, = options.threads
    groups = host_groups()
    for group in options.groups:
        cases = groups[group](threads)
        for case in cases:
            if options.only in case.name:
                record = harness.measure(case, threads, seconds=options.seconds)
                print(report.brief(record), file=sys.stderr, flush=True)
                print(json.dumps(record), flush=True)
            del case  # its memory, before the next one takes as much


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


# ---- A GPU


def run_on(gpu, options, finished):
    """The records of a GPU, all in this process. `finished` is called with all so far after each
    group, so that a run which is stopped leaves something."""
    import device_cases
    import harness
    import report

    started, records = time.perf_counter(), []
    for group in options.groups:
        group_started, cases = time.perf_counter(), device_cases.GROUPS[group](gpu)
        while time.perf_counter() - started < options.at_most:
            try:
                case = next(cases, None)
            except Exception as error:  # the others are still worth a run
                records.append(report.broken(group, gpu.description, error))
                print(report.brief(records[-1]), file=sys.stderr, flush=True)
                break
            if case is None:
                break
            if options.only in case.name:
                records.append(harness.measure(case, os.cpu_count(), gpu.device(),
                                               options.seconds))
                print(report.brief(records[-1]), file=sys.stderr, flush=True)
            del case  # and its memory
        else:
            print(f"{group}: left out or cut short after {options.at_most:.0f} s",
                  file=sys.stderr, flush=True)
        del cases
        gpu.clear()
        print(f"{group}: {time.perf_counter() - group_started:.1f} s", file=sys.stderr, flush=True)
        finished(records)
    return records


# ---- Both


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
    for name in ("torch", "cupy", "jax", "Cython", "h5py", "pyarrow", "safetensors", "dask"):
        try:
            found[name] = __import__(name).__version__
        except ImportError:
            pass
    return found


def write(records, options, facts):
    """The files of a run; returns the run, with what was there before if that is to stay."""
    import report

    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "peers.json"
    if options.into and file.exists():
        new = {(r["group"], r["case"], r["threads"]) for r in records}
        kept = json.loads(file.read_text())["records"]
        records = [r for r in kept if (r["group"], r["case"], r["threads"]) not in new] + records
    run = {"machine": facts, "versions": versions(), "records": records}
    file.write_text(json.dumps(run, indent=1) + "\n")
    (options.out / "peers.md").write_text(report.tables(run))
    return run


def main():
    options = arguments()
    known = groups_of(options)
    if options.list:
        print(*known)
        return 0
    options.groups = options.groups or [name for name in known if name != "large"]
    unknown = set(options.groups) - set(known)
    if unknown:
        sys.exit(f"no such group: {', '.join(sorted(unknown))}; "
                 f"there are {' '.join(known)}")
    if options.run:
        run_here(options)
        return 0
    return finish(records_of_host(options) if options.device == "host"
                  else records_of_gpu(options), options)


def records_of_host(options):
    records = [record for threads in options.threads for record in run_with(threads, options)]
    return write(records, options, machine())


def records_of_gpu(options):
    import gpu as gpus
    from harness import Missing

    try:
        gpu = gpus.the_gpu()
    except Missing as missing:
        sys.exit(f"no GPU to measure: {missing}")
    return measured_on(gpu, options)


def measured_on(gpu, options):
    """`gpu` may be a rehearsal's."""
    facts = dict(machine(), device=gpu.description)

    def finished(records):
        # The limit, once something has asked for it: nothing else has this size.
        facts["copy_bytes_per_second"] = gpu.copy_rate(gpu.shrunk(1 << 30))
        return write(records, options, facts)

    return write(run_on(gpu, options, finished), options, facts)


def finish(run, options):
    """Plots, and what somebody reads first."""
    import report

    for plot in report.plots(run, options.out):
        print(plot)
    if options.device == "cuda":
        print(report.compact(run))
    print(report.goals(run, name_them=options.device == "host"))
    return 1 if report.failures(run) else 0


if __name__ == "__main__":
    sys.exit(main())
