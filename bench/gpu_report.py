#!/usr/bin/env python3
"""Everything that needs a GPU, on a machine that is there for a short time, maybe without a network.

Builds for the card alone, then runs what has run on a GPU least first: the Python module beside
torch, and its tests; `hazards`, which shows faults of streams and lifetimes; what others do beside
what we do; the benchmarks; the tests of the device; compute-sanitizer over some of them. A step
that fails is shown, and the others still run. What is missing on the machine costs its own steps.

    ./dev gpu-report [--dry-run] [FOLDER]

FOLDER (default: results/gpu) takes the logs, the benchmarks' and the peers' files, summary.txt, and
report.tar.gz, which has all of them. The summary and the archive are renewed before and after each
command, and are true whenever the report ends: at its deadline, on SIGTERM, SIGINT or SIGHUP, or
with the machine. What an earlier run left in FOLDER is removed first. The exit status is 0 if
everything went well that was not missing, 1 if something did not, 2 for wrong usage or where there
is no GPU, and 128 + N after signal N.

--dry-run needs the CUDA Toolkit but no GPU: the tests, the Python module and `hazards` run on the
fake CUDA device of tests/fake_cuda, in the build folder of `./dev test`. Programs stand in for
nvidia-smi, compute-sanitizer, the peers and the benchmarks (tests/gpu_report/stand_in.sh).

The Python module is built for the python3 that stands first on the PATH, where it has its headers
and pybind11; its tests and the peers (torch, CuPy, JAX) use what that Python has.

Packages that are not installed are taken from the folder that MULTIBUFFER_DEPS names: an install prefix, as
Debian's packages unpack to one. Its programs and libraries are for the build and the C++ programs;
Python does not see them. On a machine with a network:

    apt-get download libgtest-dev libbenchmark-dev libbenchmark1debian ninja-build
    for package in *.deb; do dpkg-deb --extract "$package" deps; done

and there: MULTIBUFFER_DEPS=$PWD/deps/usr ./dev gpu-report

In the environment:
    MULTIBUFFER_REPORT_SECONDS  after how many seconds no command runs any more, counted from the
                                start, the build included (default: 560, for a machine that ends
                                after 600; ending a command can take some seconds more)
    MULTIBUFFER_REPORT_STEPS    what to run after the build, in this order (default: python hazards
                                peers benchmarks tests sanitizers)
    MULTIBUFFER_REPORT_ARCHIVE  where the archive goes (default: FOLDER/report.tar.gz)
    MULTIBUFFER_REPORT_BUILD    a build folder that is used as it is, without building anything
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import sys
import tempfile

import device_table
from peers.report import compact as peers_compact
from timed_report import (FAILED, MISSING, NOT_RUN, OK, Report, first_group, first_line,
                          judge_by_status)

ROOT = pathlib.Path(__file__).absolute().parent.parent

STEPS = ("python", "hazards", "peers", "benchmarks", "tests", "sanitizers")

# Steps need these, and configuring may not have found them.
NEEDS = {"python": "has_module", "peers": "has_module", "benchmarks": "has_benchmarks",
         "tests": "has_tests", "sanitizers": "has_tests"}

# Libraries that CMake may not find: its message, their name in the summary, and the steps they cost.
LACKING = {
    "has_tests": (r"\bGTest\b", "GoogleTest", "tests, sanitizers"),
    "has_benchmarks": (r'Findbenchmark|"benchmark"', "Google Benchmark", "benchmarks"),
    "has_module": (r"The Python module is|The headers of|\bPython\b",
                   "what the Python module is built with", "python, peers"),
}

# Groups of bench/peers/device_cases.py: those whose kernels have not been measured on a GPU yet,
# and the others.
NEW_PEERS = ("pixels", "slices", "transposes", "lists", "small")
OTHER_PEERS = ("rows", "in_l2", "misaligned", "elements", "uploads", "copies", "levels", "tables",
               "converted", "building")

# Likewise: reads of pieces, and views in kernels of others, have not run on a GPU yet.
BENCHMARKS = ("device_pieces_bench", "device_element_bench", "device_gather_bench", "device_phases_bench",
              "device_upload_bench", "gather_bench", "ragged_bench")

DEVICE_TESTS = ("backend", "conversion", "cuda_backend", "kernels", "upload", "plan",
                "pieces", "through", "ragged", "ragged_kernels", "ragged_on_device", "update", "verify")

# Tests for compute-sanitizer, under which all is some thousand times slower: a few of each way to
# gather and to convert, and every kernel there is.
SANITIZED = {
    "cuda_backend": "*EveryKernel*",
    "backend": ":".join((
        "*UploadsAndCopiesBack/cuda", "*TakesAlongAnyAxis/cuda", "*CoordinatesPick*/cuda",
        "*DeviceIndicesAreChecked*/cuda", "*ElementsOfAnySize/cuda", "*VerifyFinds*/cuda",
        "*ViewsOfAnUploadedArray*/cuda", "*FortranOrder*/cuda")),
    "conversion": "*IsPartOfAnyGather/cuda:*TheFormatSaysTheByteOrder/cuda:*ComplexNumbers*/cuda",
    "ragged": "*Packs*/cuda:*Pads*/cuda:*Fields*/cuda:*IndicesOnTheDevice*/cuda:*Converts*/cuda",
}

# Seconds that a step may take; the deadline may be nearer.
LONGEST_BUILD = 300
LONGEST_IMPORT = 30
LONGEST_PYTHON_TESTS = 100
LONGEST_HAZARDS = 40
LONGEST_NEW_PEERS = 80
LONGEST_OTHER_PEERS = 60
LONGEST_TESTS = 90
LONGEST_SANITIZER = 60
# The benchmarks would take all the time there is: they leave this much for the steps after them.
LEFT_BY_BENCHMARKS = {"tests": 50, "sanitizers": 60}


def main():
    options = Options.read()
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as stand_ins:
        return GpuReport(options, pathlib.Path(stand_ins)).run()


def refuse(why):
    print(f"gpu-report: {why}", file=sys.stderr)
    sys.exit(2)


class Options:
    """The command line and the environment, checked."""

    @classmethod
    def read(cls):
        parser = argparse.ArgumentParser(
            prog="gpu-report", description=__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("folder", nargs="?", metavar="FOLDER", default="results/gpu")
        parser.add_argument("--dry-run", action="store_true")
        arguments = parser.parse_args()
        options = cls()
        options.dry_run = arguments.dry_run
        options.folder = pathlib.Path(arguments.folder)
        options.archive = os.environ.get("MULTIBUFFER_REPORT_ARCHIVE",
                                         options.folder / "report.tar.gz")
        options.given_build = os.environ.get("MULTIBUFFER_REPORT_BUILD")
        options.deps = os.environ.get("MULTIBUFFER_DEPS")
        options.steps = os.environ.get("MULTIBUFFER_REPORT_STEPS", " ".join(STEPS)).split()
        for step in options.steps:
            if step not in STEPS:
                refuse(f"MULTIBUFFER_REPORT_STEPS names '{step}'; the steps are {' '.join(STEPS)}")
        seconds = os.environ.get("MULTIBUFFER_REPORT_SECONDS", "560")
        if not re.fullmatch("[1-9][0-9]*", seconds):
            refuse(f"MULTIBUFFER_REPORT_SECONDS is a number of seconds, not '{seconds}'")
        options.seconds = int(seconds)
        return options


class GpuReport:
    """The steps. Each is a method, of the name that MULTIBUFFER_REPORT_STEPS knows it by."""

    def __init__(self, options, stand_ins):
        self.options = options
        self.stand_ins = stand_ins
        self.folder = options.folder
        self.build = pathlib.Path(options.given_build or
                                  ("build/dev" if options.dry_run else "build/gpu-report"))
        # True if configuring has found everything for them.
        self.has_module = self.has_tests = self.has_benchmarks = True

    def run(self):
        self.python_environment = dict(os.environ)
        if self.options.dry_run:
            self.put_stand_ins_on_the_path()
        self.environment = self.with_dependencies(self.python_environment)
        self.report = Report(self.folder, self.options.archive, self.options.seconds, self.tables)
        architecture = self.architecture_of_the_card()
        self.find_python()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.remove_earlier()

        self.report.to_come = list(self.options.steps)
        if self.is_built(architecture):
            for step in self.options.steps:
                self.report.to_come.remove(step)
                if step not in NEEDS or getattr(self, NEEDS[step]):
                    getattr(self, step)()
                else:
                    self.report.note(step, MISSING, "what it needs could not be configured")
        else:
            for step in self.options.steps:
                self.report.note(step, NOT_RUN, self.report.why_not() or "nothing is built")
            self.report.to_come = []
        return self.report.finish()

    # ---- What is there

    def put_stand_ins_on_the_path(self):
        for program in ("nvidia-smi", "compute-sanitizer", "peers", *BENCHMARKS):
            (self.stand_ins / program).symlink_to(ROOT / "tests/gpu_report/stand_in.sh")
        self.python_environment["PATH"] = f"{self.stand_ins}:{os.environ['PATH']}"

    def with_dependencies(self, environment):
        if not self.options.deps:
            return environment
        deps = pathlib.Path(self.options.deps)
        here = {"CMAKE_PREFIX_PATH": [deps], "PATH": [deps / "bin"],
                "LD_LIBRARY_PATH": [deps / "lib" / f"{platform.machine()}-linux-gnu", deps / "lib"]}
        return {**environment, **{
            name: ":".join([*map(str, folders), *filter(None, [environment.get(name)])])
            for name, folders in here.items()}}

    def find(self, program):
        """A program's path, as the build sees it, or None."""
        return shutil.which(program, path=self.environment["PATH"])

    def architecture_of_the_card(self):
        """"90" for compute capability 9.0; says at once if there is no card to ask."""
        nvidia_smi = self.find("nvidia-smi")
        if not nvidia_smi:
            refuse("no GPU on this machine (there is no nvidia-smi)")
        card = self.report.output_of(
            [nvidia_smi, "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"],
            self.environment)
        found = re.match(r"(.*), (.*), (\d+)\.(\d+)$", card or "", re.MULTILINE)
        if not found:
            refuse("no GPU on this machine (nvidia-smi shows none)")
        name, driver, *architecture = found.groups()
        commit = self.report.output_of(["git", "describe", "--always", "--dirty"])
        self.report.title = (f"{name}, driver {driver}, {os.cpu_count()} processors, "
                             f"{datetime.date.today()}, commit {(commit or 'unknown').strip()}")
        return "".join(architecture)

    def find_python(self):
        """The Python that the module is built for. Its own path, since what stands on the PATH may
        be a script, which no debugger runs."""
        python = (self.python_of_the_build() or
                  shutil.which("python3", path=self.python_environment["PATH"]) or sys.executable)
        said = self.report.output_of([python, "-c", "import sys; print(sys.executable)"],
                                     self.python_environment)
        self.interpreter = (said or sys.executable).strip()

    def python_of_the_build(self):
        """Returns the Python of a build folder that is not the report's own, from its CMake cache."""
        cache = self.build / "CMakeCache.txt"
        if not (self.options.given_build or self.options.dry_run) or not cache.exists():
            return None
        return first_group(r"^_?Python_EXECUTABLE:\w+=(.+)$", cache.read_text())

    def remove_earlier(self):
        """All that is written below, and nothing else that somebody keeps there: a figure of an
        earlier run would pass for one of this."""
        patterns = ("configure*.log", "build.log", "import-*.log", "backtrace-*.log",
                    "python-tests.log", "hazards.log", "peers-*.log", "bench-*.log", "tests.log",
                    "sanitizer-*.log", "tests.xml", "python-tests.xml", "*_bench*.json",
                    "summary.txt", "report.tar.gz", ".*.new", "peers/peers.json", "peers/peers.md",
                    "peers/*.svg")
        for pattern in patterns:
            for file in self.folder.glob(pattern):
                file.unlink()

    # ---- Building

    def is_built(self, architecture):
        """Builds, and returns whether there is something to run."""
        if self.options.given_build:
            self.report.note("build", OK, f"taken as it is in {self.build}")
            return True
        if not self.configure(architecture):
            return False
        self.find_python()  # which in a dry run CMake has chosen
        self.build_targets()
        return True

    def configure(self, architecture):
        """Configures, and again without what CMake says is missing."""
        while True:
            without = [name for name in LACKING if not getattr(self, name)]
            missing = []

            def judge(ending):
                if ending.late or ending.status == 0:
                    return judge_by_status(ending)
                error = ending.log[max(0, ending.log.find("CMake Error")):]
                missing.extend(name for name, (pattern, *_) in LACKING.items()
                               if name not in without and re.search(pattern, error))
                if not missing:
                    return judge_by_status(ending)
                _, what, costs = LACKING[missing[0]]
                return MISSING, f"{what}, and with it {costs}"

            row = self.report.step("configure" + " again" * len(without),
                                   self.configure_command(architecture), at_most=LONGEST_BUILD,
                                   environment=self.environment, judge=judge)
            if row.result != MISSING:
                return row.result == OK
            setattr(self, missing[0], False)

    def configure_command(self, architecture):
        def switch(name, on):
            return f"-D{name}={'ON' if on else 'OFF'}"

        parts = [switch("MULTIBUFFER_PYTHON", self.has_module),
                 switch("CMAKE_DISABLE_FIND_PACKAGE_GTest", not self.has_tests),
                 switch("CMAKE_DISABLE_FIND_PACKAGE_benchmark", not self.has_benchmarks)]
        if self.options.dry_run:
            return ["cmake", "--preset", "dev", *parts]
        generator = ["-G", "Ninja"] if self.find("ninja") else []
        return ["cmake", "-S", ".", "-B", self.build, *generator,
                "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                f"-DCMAKE_CUDA_ARCHITECTURES={architecture}-real", "-DMULTIBUFFER_CUDA=ON",
                "-DMULTIBUFFER_COMMAND=OFF", "-DMULTIBUFFER_TESTS=ON", "-DMULTIBUFFER_BENCH=ON",
                f"-DPython_EXECUTABLE={self.interpreter}", *parts]

    def build_targets(self):
        """Nothing but what is run here. What cannot be built does not keep the rest from it."""
        on_after_errors = ["-k", "0"] if self.find("ninja") or self.options.dry_run else ["-k"]
        self.report.step("build", ["cmake", "--build", self.build, "--parallel", os.cpu_count(),
                                   "--target", *self.targets(), "--", *on_after_errors],
                         at_most=LONGEST_BUILD, environment=self.environment)

    def targets(self):
        fake = self.options.dry_run
        targets = ["fake_device_hazards" if fake else "device_hazards"]
        if self.has_module:
            targets += ["multibuffer_exporters", "multibuffer_exchange"]
            targets += (["multibuffer_python_fake_cuda"] if fake else
                        ["multibuffer_python", "multibuffer_plain_copies",
                         "multibuffer_cuda_peers"])
        if self.has_tests:
            targets += ["fake_cuda_test"] if fake else [f"{name}_test" for name in DEVICE_TESTS]
        if self.has_benchmarks and not fake:
            targets += BENCHMARKS
        return targets

    # ---- The steps

    def python(self):
        self.imports()
        self.step("python tests", self.ctest("python-tests", "python",
                                             rf"^python\..*\.{self.device}$", "--parallel", "4"),
                  at_most=LONGEST_PYTHON_TESTS, environment=self.module_environment(),
                  judge=self.judge_tests("python-tests"))

    def imports(self):
        """Our module and torch in one process. In the order that once crashed, and in the other."""
        find_torch = "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)"
        environment = self.module_environment(PYTHONFAULTHANDLER="1")
        if (self.report.goes_on() and
                self.report.output_of([self.interpreter, "-c", find_torch], environment) is None):
            self.report.note("imports", MISSING, f"{self.interpreter} has no torch")
            return
        for order in (("multibuffer", "torch"), ("torch", "multibuffer")):
            command = [self.interpreter, "bench/import_order.py", *order]
            row = self.step(f"import {' '.join(order)}", command, at_most=LONGEST_IMPORT,
                            environment=environment)
            if row.result == FAILED and row.status < 0:
                self.backtrace(order, command, environment)

    def backtrace(self, order, command, environment):
        """Finds where it crashes, by a debugger; Python's own trace is in the log of the crash."""
        debugger = self.find("cuda-gdb") or self.find("gdb")
        name = f"backtrace {' '.join(order)}"
        if not debugger:
            self.report.note(name, MISSING, "neither cuda-gdb nor gdb; Python's is in the log")
            return

        def judge(ending):
            frame = first_line(r"^#0 ", ending.log)
            return (OK, frame) if frame else (FAILED, "no frames")

        self.step(name, [debugger, "-batch", "-ex", "run", "-ex", "bt", "--args", *command],
                  at_most=LONGEST_IMPORT, environment=environment, judge=judge)

    def hazards(self):
        program, size = (("fake_device_hazards", ["small"]) if self.options.dry_run else
                         ("device_hazards", []))

        def judge(ending):
            result, remark = judge_by_status(ending)
            return result, first_line(r"^hazards: ", ending.log) or remark

        self.step("hazards", [self.build / "tests" / program, *size], at_most=LONGEST_HAZARDS,
                  environment={**self.environment, "MULTIBUFFER_FAKE_CUDA": "random"}, judge=judge)

    def peers(self):
        """torch, CuPy and JAX beside the module."""
        self.some_peers("peers new", NEW_PEERS, LONGEST_NEW_PEERS)
        self.some_peers("peers others", OTHER_PEERS, LONGEST_OTHER_PEERS)

    def some_peers(self, name, groups, at_most):
        program = ([self.stand_ins / "peers"] if self.options.dry_run else
                   [self.interpreter, "bench/peers/run.py"])
        # Cases are no longer begun when there is just time left for the one under way, and for the
        # tables. --into keeps the groups that were measured before.
        last_case = max(1, int(min(at_most, self.report.seconds_left()) - 15))
        self.step(name, [*program, *groups, "--device", "cuda", "--seconds", "0.05",
                         "--at-most", last_case, "--into", "--out", self.folder / "peers"],
                  at_most=at_most, judge=judge_peers,
                  environment=self.module_environment(ROOT / self.build / "bench/peers"))

    def benchmarks(self):
        """Every program in parts, each with its share of the time that is left: a slow one ends
        early, with what it has measured until then, and the others still run."""
        parts = [(program, *part) for program in BENCHMARKS for part in self.parts_of(program)]
        left_for_others = sum(seconds for step, seconds in LEFT_BY_BENCHMARKS.items()
                              if step in self.report.to_come)
        for number, (program, name, pattern) in enumerate(parts):
            file = self.folder / f"{name}.json"
            seconds = (self.report.seconds_left() - left_for_others) / (len(parts) - number)
            self.step(f"bench {name}",
                      [self.benchmark(program), "--benchmark_min_time=0.05",
                       f"--benchmark_filter={pattern}", f"--benchmark_out={file}",
                       "--benchmark_out_format=json"],
                      at_most=max(1, seconds), judge=judge_benchmark(file))

    def benchmark(self, program):
        return self.stand_ins / program if self.options.dry_run else self.build / "bench" / program

    def parts_of(self, program):
        """(name, pattern) of each: the benchmarks whose names begin alike, by two words where they
        have three."""
        if program in ("gather_bench", "ragged_bench"):  # they have the host's cases as well
            return [(program, "cuda:0")]
        listed = self.report.goes_on() and self.report.output_of(
            [self.benchmark(program), "--benchmark_list_tests"], self.environment)
        parts, no_name = {}, r"\d+|(manual|real)_time|iterations:.*"
        for words in (line.split("/") for line in (listed or "").splitlines() if "/" in line):
            while len(words) > 1 and re.fullmatch(no_name, words[-1]):
                words.pop()
            begin = "/".join(words[:2] if len(words) > 2 else words[:1])
            parts[f"{program}-{begin.replace('/', '-')}"] = f"^{begin}/"
        return list(parts.items()) or [(program, ".")]

    def tests(self):
        """Runs the tests of the device, and those that run kernels' bodies on the processor. One at a time,
        since some look at how much of the card's memory is free."""
        pattern = (r"^fake_cuda\.lazy$" if self.options.dry_run else
                   rf"^({'|'.join(DEVICE_TESTS)})\.")
        self.step("tests", self.ctest("tests", ".", pattern), at_most=LONGEST_TESTS,
                  judge=self.judge_tests("tests"))

    def sanitizers(self):
        tool_program = self.find("compute-sanitizer")
        if not tool_program:
            self.report.note("compute-sanitizer", MISSING, "it comes with the CUDA Toolkit")
            return
        for tool in ("memcheck", "racecheck", "initcheck", "synccheck"):
            for tests, names in SANITIZED.items():
                self.step(f"sanitizer {tool} {tests}",
                          [tool_program, "--tool", tool, "--error-exitcode", "1",
                           self.build / "tests" / f"{tests}_test", f"--gtest_filter={names}"],
                          at_most=LONGEST_SANITIZER)

    # ---- What steps have in common

    @property
    def device(self):
        """The device by the names of the Python tests."""
        return "fake_cuda" if self.options.dry_run else "cuda"

    def step(self, name, command, *, at_most, environment=None, judge=judge_by_status):
        """The report's step, whose remark is what of the log is worth it: ctest's totals, say."""
        def judge_with_remark(ending):
            result, remark = judge(ending)
            said = first_line("tests passed|ERROR SUMMARY|goals met", ending.log)
            if result == OK:
                return result, remark or said
            return result, "; ".join(filter(None, (remark, said)))

        return self.report.step(name, command, at_most=at_most, judge=judge_with_remark,
                                environment=environment or self.environment)

    def module_environment(self, *folders, **variables):
        """For Python: without the dependencies' folder, whose libraries could take the place of
        those that torch brings."""
        module = ROOT / self.build / (
            "tests/python/fake_cuda" if self.options.dry_run else "host/python")
        path = [*map(str, (module, *folders)), self.python_environment.get("PYTHONPATH")]
        return {**self.python_environment, "PYTHONPATH": ":".join(filter(None, path)),
                "PYTHONDONTWRITEBYTECODE": "1", "MULTIBUFFER_FAKE_CUDA": "lazy", **variables}

    def ctest(self, name, folder, pattern, *options):
        return [self.find("ctest") or "ctest", "--test-dir", self.build / "tests" / folder,
                "--output-on-failure", "--timeout", "120", "--no-tests=error", "-R", pattern,
                "--output-junit", (self.folder / f"{name}.xml").absolute(), *options]

    def judge_tests(self, name):
        """Skipped tests count as passed with ctest; here a device that no test could open is a
        failure."""
        def judge(ending):
            file = self.folder / f"{name}.xml"
            found = file.read_text(errors="replace") if file.exists() else ""
            if ending.status == 0 and re.search("no (CUDA|cuda) device", found):
                return FAILED, "there were tests that found no device"
            return judge_by_status(ending)

        return judge

    # ---- Telling

    def tables(self):
        """Returns the text above the summary's rows: benchmarks, peers, hazards."""
        hazards = self.folder / "hazards.log"
        said = hazards.read_text(errors="replace") if hazards.exists() else ""
        rows = [row for path in sorted(self.folder.glob("*_bench*.json"))
                for row in device_table.rows_of(path)]
        tables = [device_table.table(rows) if rows else "", self.peers_table(),
                  "\n".join(line for line in said.splitlines()
                            if line.startswith(("PASS ", "FAIL ")))]
        return "\n\n".join(filter(None, tables))

    def peers_table(self):
        """From the file that the peers write after each group, so that it is there when they were
        stopped, too."""
        try:
            return peers_compact(json.loads((self.folder / "peers/peers.json").read_text()))
        except (OSError, ValueError):
            return ""


def judge_peers(ending):
    """Peers that are out of time have left tables of what they measured."""
    result, remark = judge_by_status(ending)
    late = re.findall(r"^(\w+): left out or cut short", ending.log, re.MULTILINE)
    if result == OK and late:
        return OK, f"no time for all of {', '.join(late)}"
    return result, remark


def judge_benchmark(file):
    """A benchmark whose result had wrong bits, or that found no device, is one that failed; one
    that is out of time is not, if it has something to tell."""
    def judge(ending):
        said = file.read_text(errors="replace") if file.exists() else ""
        if '"run_name"' not in said:
            result, remark = judge_by_status(ending)
            return (FAILED, "no benchmark ran") if result == OK else (result, remark)
        if '"error_occurred": true' in said:
            return FAILED, "wrong bits, or an error"
        if ending.late:
            return OK, f"cut short after {ending.seconds:.0f} s"
        return judge_by_status(ending)

    return judge


if __name__ == "__main__":
    sys.exit(main())
