"""bench/gpu_report.py with programs that stand in for all that it runs: what comes in which order,
what is there when it has to end, and what is missing costs.

A few take `--dry-run`, the others the way of a machine with a GPU.
"""

import ast
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).absolute().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import gpu_report  # noqa: E402

PROGRAMS = ("cmake", "ctest", "python3", "cuda-gdb", "nvidia-smi", "compute-sanitizer", "ninja")

BEGINNING = ["configure", "build"]
PYTHON = ["import multibuffer torch", "import torch multibuffer", "python tests"]
PEERS = ["peers new", "peers others"]
BENCHMARKS = [*(f"bench device_{program}_bench-{part}"
                for program in ("pieces", "element", "gather", "phases", "upload")
                for part in ("one-rows", "two")), "bench gather_bench", "bench ragged_bench"]
SANITIZERS = [f"sanitizer {tool} {tests}"
              for tool in ("memcheck", "racecheck", "initcheck", "synccheck")
              for tests in ("cuda_backend", "backend", "conversion", "ragged")]
ALL = [*BEGINNING, *PYTHON, "hazards", *PEERS, *BENCHMARKS, "tests", *SANITIZERS]

# A call in each step, and the row of the summary that it belongs to.
CALLS = {
    "cmake -S": "configure",
    "cmake --build": "build",
    "python3 bench/import_order.py torch": "import torch multibuffer",
    "ctest --test-dir build/gpu-report/tests/python": "python tests",
    "device_hazards ": "hazards",
    "python3 bench/peers/run.py pixels": "peers new",
    "device_pieces_bench --benchmark_min": "bench device_pieces_bench-one-rows",
    "ctest --test-dir build/gpu-report/tests --": "tests",
    "compute-sanitizer --tool racecheck": "sanitizer racecheck cuda_backend",
}


class Case(unittest.TestCase):
    """A copy of the repository in which nothing is built, and a PATH on which nothing is real."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        for folder in ("bench", "tests"):
            (self.root / folder).symlink_to(ROOT / folder)
        self.programs = self.root / "programs"
        self.programs.mkdir()
        for program in PROGRAMS:
            (self.programs / program).symlink_to(ROOT / "tests/gpu_report/stand_in.sh")
        self.calls = self.root / "calls"
        self.folder = self.root / "report"

    def start(self, *arguments, **variables):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("MULTIBUFFER_", "STAND_IN_"))}
        environment.update({"PATH": f"{self.programs}:{os.environ['PATH']}",
                            "STAND_IN_CALLS": str(self.calls), "PYTHONDONTWRITEBYTECODE": "1",
                            **{name: str(value) for name, value in variables.items()}})
        return subprocess.Popen(
            [sys.executable, self.root / "bench/gpu_report.py", *arguments, self.folder],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def report(self, *arguments, **variables):
        """The exit status of a report, and what it said."""
        process = self.start(*arguments, **variables)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    def summary(self):
        return (self.folder / "summary.txt").read_text()

    def rows(self):
        """(name, result) of each of the summary's rows."""
        rows = self.summary().split("\n\n")[-2].splitlines()[1:]
        return [tuple(re.split(r"  +", row)[:2]) for row in rows]

    def result(self, name):
        return dict(self.rows())[name]

    def names(self, *results):
        return [name for name, result in self.rows() if result in results]

    def calls_made(self):
        return [line.split("\t") for line in self.calls.read_text().splitlines()]

    def archived(self, name):
        with tarfile.open(self.folder / "report.tar.gz") as archive:
            return archive.extractfile(f"report/{name}").read().decode()

    def wait_for_hanging_call(self):
        """The process id of a call that hangs."""
        file = pathlib.Path(f"{self.calls}.pid")
        for _ in range(600):
            if file.exists() and file.read_text().endswith("\n"):
                return int(file.read_text())
            time.sleep(0.05)
        self.fail("nothing hangs")


class Refusals(Case):
    def refuses(self, sentence, *arguments, **variables):
        self.folder.mkdir(exist_ok=True)
        (self.folder / "summary.txt").write_text("of an earlier run")
        self.assertEqual(self.report(*arguments, **variables), (2, f"gpu-report: {sentence}\n"))
        self.assertEqual(self.summary(), "of an earlier run")

    def test_a_step_that_there_is_not(self):
        steps = "python hazards peers benchmarks tests sanitizers"
        for name in ("nonsense", "summary"):  # the latter is a function of the script
            self.refuses(f"MULTIBUFFER_REPORT_STEPS names '{name}'; the steps are {steps}",
                         MULTIBUFFER_REPORT_STEPS=f"tests {name}")

    def test_no_number_of_seconds(self):
        for seconds in ("0", "-3", "ten", "1.5"):
            self.refuses(f"MULTIBUFFER_REPORT_SECONDS is a number of seconds, not '{seconds}'",
                         MULTIBUFFER_REPORT_SECONDS=seconds)

    def test_no_card(self):
        self.refuses("no GPU on this machine (nvidia-smi shows none)", STAND_IN_FAILS="nvidia-smi")
        (self.programs / "nvidia-smi").unlink()
        self.refuses("no GPU on this machine (there is no nvidia-smi)", PATH=self.programs)


class Order(Case):
    def test_what_ran_least_comes_first(self):
        status, said = self.report()
        self.assertEqual(status, 0, said)
        self.assertEqual(self.rows(), [(name, "ok") for name in ALL])
        self.assertTrue(said.endswith(self.summary()))
        self.assertEqual(self.archived("summary.txt"), self.summary())

    def test_a_dry_run_has_the_same(self):
        status, said = self.report("--dry-run")
        self.assertEqual(status, 0, said)
        self.assertEqual(self.rows(), [(name, "ok") for name in ALL])

    def test_a_dry_run_brings_its_own_card(self):
        for program in ("nvidia-smi", "compute-sanitizer"):
            (self.programs / program).unlink()
        status, said = self.report("--dry-run", MULTIBUFFER_REPORT_STEPS="benchmarks sanitizers")
        self.assertEqual(status, 0, said)
        self.assertEqual(self.names("ok"), [*BEGINNING, *BENCHMARKS, *SANITIZERS])

    def test_steps_that_are_named(self):
        self.report(MULTIBUFFER_REPORT_STEPS="tests hazards")
        self.assertEqual(self.names("ok"), [*BEGINNING, "tests", "hazards"])

    def test_a_build_that_is_given(self):
        build = self.root / "elsewhere"
        (build / "tests").mkdir(parents=True)
        (build / "tests/device_hazards").symlink_to(ROOT / "tests/gpu_report/stand_in.sh")
        self.report(MULTIBUFFER_REPORT_STEPS="hazards", MULTIBUFFER_REPORT_BUILD=build)
        self.assertEqual(self.rows(), [("build", "ok"), ("hazards", "ok")])
        self.assertNotIn("cmake", self.calls.read_text())

    def test_all_groups_of_peers_are_run(self):
        source = (ROOT / "bench/peers/device_cases.py").read_text()
        groups = re.search(r"^GROUPS = (\{.*?\})", source, re.MULTILINE | re.DOTALL).group(1)
        there = [key.value for key in ast.parse(groups).body[0].value.keys]
        self.assertEqual(sorted((*gpu_report.NEW_PEERS, *gpu_report.OTHER_PEERS)), sorted(there))

    def test_the_summary_has_figures(self):
        self.report()
        self.assertTrue(self.summary().startswith("a stand-in, driver 1.0, "))
        self.assertIn("PASS A stand-in: 1 of 1", self.summary())
        self.assertRegex(self.summary(), r"one/rows +64 +1\.00 +0\.500")
        self.assertRegex(self.summary(), r"pixels: a stand-in +1000\.0 +0\.50")
        self.assertIn("100% tests passed", self.summary())
        self.assertIn("ERROR SUMMARY: 0 errors", self.summary())


class Deadline(Case):
    def ends_in_time(self, seconds, **variables):
        """Runs a report that would never end; it has so many seconds."""
        began = time.monotonic()
        status, said = self.report(MULTIBUFFER_REPORT_SECONDS=seconds, **variables)
        self.assertLess(time.monotonic() - began, seconds + 10)
        self.assertEqual(status, 1, said)
        self.assertEqual(self.archived("summary.txt"), self.summary())

    def test_it_counts_the_build(self):
        self.ends_in_time(4, STAND_IN_HANGS="cmake --build")
        self.assertEqual(self.result("build"), "cut short")
        self.assertEqual(self.names("ok"), ["configure"])
        self.assertIn("hazards", self.names("not run"))

    def test_it_cuts_a_step_short_and_the_rest_is_not_run(self):
        steps = "hazards tests sanitizers"
        self.ends_in_time(8, STAND_IN_HANGS="compute-sanitizer --tool memcheck",
                          MULTIBUFFER_REPORT_STEPS=steps)
        self.assertEqual(self.names("ok"), [*BEGINNING, "hazards", "tests"])
        self.assertEqual(self.names("cut short"), SANITIZERS[:1])
        self.assertEqual(self.names("not run"), SANITIZERS[1:])
        self.assertIn("the last words of compute-sanitizer",
                      self.archived("sanitizer-memcheck-cuda_backend.log"))

    def test_benchmarks_share_what_time_there_is(self):
        """One that does not end is cut short, and the others still run."""
        self.ends_in_time(20, STAND_IN_HANGS="device_pieces_bench --benchmark_min",
                          MULTIBUFFER_REPORT_STEPS="benchmarks")
        self.assertEqual(self.names("cut short"), BENCHMARKS[:2])
        self.assertEqual(self.names("ok"), [*BEGINNING, *BENCHMARKS[2:]])


class Endings(Case):
    """Whenever it ends, the summary and the archive are there and say how far it came."""

    def check_ended(self, row, hanging, by):
        before = ALL[:ALL.index(row)]
        self.assertEqual(self.names("ok"), before)
        self.assertEqual(self.names("stopped"), [row])
        rest = [name for name, _ in self.rows()[len(before) + 1:]]
        self.assertEqual(self.names("not run"), rest)
        self.assertIn(rest[-1], (SANITIZERS[-1], "sanitizers"))
        self.assertNotIn("to come", self.summary())
        self.assertIn(f"by {by.name}", self.summary())
        self.assertEqual(self.archived("summary.txt"), self.summary())
        self.assertIn("the last words", self.archived(f"{row.replace(' ', '-')}.log"))
        with self.assertRaises(ProcessLookupError):
            os.kill(hanging, 0)

    def end(self, call, by, **variables):
        """Ends a report while it runs a call; returns its exit status, and the call's process."""
        process = self.start(STAND_IN_HANGS=call, **variables)
        hanging = self.wait_for_hanging_call()
        process.send_signal(by)
        process.communicate(timeout=20)
        return process.returncode, hanging

    def test_by_sigterm_in_each_step(self):
        every = 1 if os.environ.get("MULTIBUFFER_TEST_CASES") == "all" else 3
        for call, row in list(CALLS.items())[::every]:
            with self.subTest(row):
                shutil.rmtree(self.root / "build", ignore_errors=True)
                pathlib.Path(f"{self.calls}.pid").unlink(missing_ok=True)
                status, hanging = self.end(call, signal.SIGTERM)
                self.assertEqual(status, 128 + signal.SIGTERM)
                self.check_ended(row, hanging, signal.SIGTERM)

    def test_by_other_signals(self):
        for by in (signal.SIGINT, signal.SIGHUP):
            pathlib.Path(f"{self.calls}.pid").unlink(missing_ok=True)
            status, hanging = self.end("python3 bench/import_order.py multibuffer", by)
            self.assertEqual(status, 128 + by)
            self.check_ended("import multibuffer torch", hanging, by)

    def test_with_a_command_that_does_not_end_by_sigterm(self):
        _, hanging = self.end("python3 bench/import_order.py multibuffer", signal.SIGTERM,
                              STAND_IN_STUBBORN="1")
        self.check_ended("import multibuffer torch", hanging, signal.SIGTERM)

    def test_without_a_word(self):
        """The summary then has the last word that could be said."""
        status, hanging = self.end("compute-sanitizer --tool memcheck", signal.SIGKILL)
        os.kill(hanging, signal.SIGKILL)
        self.assertEqual(status, -signal.SIGKILL)
        self.assertEqual(self.names("ok"), ALL[:ALL.index(SANITIZERS[0])])
        self.assertEqual(self.rows()[-1], (SANITIZERS[0], "running"))
        self.assertEqual(self.archived("summary.txt"), self.summary())
        self.assertIn("100% tests passed", self.archived("tests.log"))

    def test_the_summary_names_what_is_to_come(self):
        _, hanging = self.end("python3 bench/import_order.py multibuffer", signal.SIGKILL)
        os.kill(hanging, signal.SIGKILL)
        self.assertEqual(self.names("to come"), list(gpu_report.STEPS[1:]))

    def test_nobody_reads_what_it_prints(self):
        process = self.start(MULTIBUFFER_REPORT_STEPS="hazards")
        process.stdout.close()
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertEqual(self.names("ok"), [*BEGINNING, "hazards"])


class Archive(Case):
    def test_it_has_every_file(self):
        self.report()
        with tarfile.open(self.folder / "report.tar.gz") as archive:
            archived = {pathlib.Path(name).relative_to("report") for name in archive.getnames()}
        there = {path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file()}
        self.assertEqual(archived, there - {pathlib.Path("report.tar.gz")})
        self.assertIn(pathlib.Path("peers/peers.json"), archived)

    def test_it_can_go_elsewhere(self):
        """There, it is what comes back from a machine from which few files do."""
        elsewhere = self.root / "all.tar.gz"
        self.report(MULTIBUFFER_REPORT_STEPS="hazards", MULTIBUFFER_REPORT_ARCHIVE=elsewhere)
        with tarfile.open(elsewhere) as archive:
            self.assertIn("report/hazards.log", archive.getnames())
        self.assertFalse((self.folder / "report.tar.gz").exists())

    def test_files_of_an_earlier_run_are_gone_and_others_stay(self):
        (self.folder / "peers").mkdir(parents=True)
        for name in ("bench-old.log", "old_bench-rows.json", "peers/rows.svg", "mine.txt"):
            (self.folder / name).write_text("before")
        self.report(MULTIBUFFER_REPORT_STEPS="hazards")
        there = {path.name for path in self.folder.rglob("*") if path.is_file()}
        self.assertEqual(there, {"mine.txt", "configure.log", "build.log", "hazards.log",
                                 "summary.txt", "report.tar.gz"})


class Missing(Case):
    """What is not there costs its own steps."""

    def lacks(self, lacking, steps):
        status, said = self.report(STAND_IN_LACKS=lacking)
        self.assertEqual(status, 0, said)
        self.assertEqual(self.names("missing"), ["configure", *steps])
        return self.names("ok")

    def test_googletest(self):
        self.assertEqual(self.lacks("GTest", ["tests", "sanitizers"]),
                         ["configure again", "build", *PYTHON, "hazards", *PEERS, *BENCHMARKS])

    def test_google_benchmark(self):
        self.assertEqual(self.lacks("benchmark", ["benchmarks"]),
                         ["configure again", "build", *PYTHON, "hazards", *PEERS, "tests",
                          *SANITIZERS])

    def test_python(self):
        self.assertEqual(self.lacks("Python", ["python", "peers"]),
                         ["configure again", "build", "hazards", *BENCHMARKS, "tests", *SANITIZERS])

    def test_all_of_them(self):
        self.report(STAND_IN_LACKS="GTest benchmark Python")
        self.assertEqual(self.names("ok"), ["configure again again again", "build", "hazards"])

    def test_compute_sanitizer(self):
        (self.programs / "compute-sanitizer").unlink()
        if shutil.which("compute-sanitizer"):
            self.skipTest("there is one on this machine")
        self.assertEqual(self.report()[0], 0)
        self.assertEqual(self.names("missing"), ["compute-sanitizer"])

    def test_a_target_that_does_not_build(self):
        status, _ = self.report(STAND_IN_FAILS="cmake --build", MULTIBUFFER_REPORT_STEPS="tests")
        self.assertEqual(status, 1)
        self.assertEqual(self.rows(), [("configure", "ok"), ("build", "FAILED"), ("tests", "ok")])

    def test_nothing_that_could_be_configured(self):
        status, _ = self.report(STAND_IN_FAILS="cmake -S", MULTIBUFFER_REPORT_STEPS="tests peers")
        self.assertEqual(status, 1)
        self.assertEqual(self.rows(), [("configure", "FAILED"), ("tests", "not run"),
                                       ("peers", "not run")])


class Failures(Case):
    def test_a_step_that_fails_is_shown_and_the_others_run(self):
        status, said = self.report(STAND_IN_FAILS="device_hazards ",
                                   MULTIBUFFER_REPORT_STEPS="hazards tests")
        self.assertEqual(status, 1)
        self.assertEqual(self.rows()[2:], [("hazards", "FAILED"), ("tests", "ok")])
        self.assertIn("    device_hazards fails\n", said)

    def test_tests_that_find_no_device(self):
        """They are skipped, which ctest counts as passed."""
        status, _ = self.report(STAND_IN_IS_WRONG="ctest", MULTIBUFFER_REPORT_STEPS="tests")
        self.assertEqual(status, 1)
        self.assertEqual(self.result("tests"), "FAILED")
        self.assertIn("there were tests that found no device", self.summary())

    def test_benchmarks_whose_bits_are_wrong(self):
        status, _ = self.report(STAND_IN_IS_WRONG="gather_bench",
                                MULTIBUFFER_REPORT_STEPS="benchmarks")
        self.assertEqual(status, 1)
        self.assertEqual(self.names("FAILED"), ["bench gather_bench"])
        self.assertIn("wrong bits, or an error", self.summary())

    def test_a_crash_of_an_import_is_followed_by_a_backtrace(self):
        status, _ = self.report(STAND_IN_CRASHES="python3 bench/import_order.py multibuffer",
                                MULTIBUFFER_REPORT_STEPS="python")
        self.assertEqual(status, 1)
        self.assertEqual(self.rows()[2:], [
            ("import multibuffer torch", "FAILED"), ("backtrace multibuffer torch", "ok"),
            ("import torch multibuffer", "ok"), ("python tests", "ok")])
        self.assertIn("killed by SIGSEGV", self.summary())
        self.assertIn("in the_function_that_crashes ()", self.summary())
        call, = (call for call, _ in self.calls_made() if call.startswith("cuda-gdb"))
        self.assertRegex(call, "-batch -ex run -ex bt --args .*python3 bench/import_order.py "
                         "multibuffer torch$")

    def test_python_does_not_see_the_dependencies(self):
        self.report(MULTIBUFFER_DEPS="/deps/usr")
        for call, libraries in self.calls_made():
            if call.startswith(("python3", "ctest --test-dir build/gpu-report/tests/python")):
                self.assertNotIn("/deps", libraries, call)
            elif call.startswith(("cmake", "ctest", "device_", "compute-sanitizer")):
                self.assertIn("/deps/usr/lib", libraries, call)


if __name__ == "__main__":
    unittest.main()
