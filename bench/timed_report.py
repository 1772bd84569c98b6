"""Commands run one after the other until a deadline, and what is known of them at any time.

Before and after each command a summary and an archive of all files are written anew. So nothing is
lost with a machine that ends the report without a word.
"""

import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import tarfile
import time

STARTED = time.monotonic()

# Signals that end the report. They stay blocked and are looked for where the report waits, so that
# none interrupts it while it writes.
ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

# Seconds that a command has to end, before it is killed.
SECONDS_TO_END = 2


def seconds_since_start():
    return time.monotonic() - STARTED


def say(text, end="\n"):
    """Prints. A reader who has gone away is no reason to stop: the files are what counts."""
    try:
        print(text, end=end, flush=True)
    except OSError:
        pass


@dataclasses.dataclass
class Row:
    """A command's row in the summary."""

    name: str
    result: str  # one of RESULTS
    seconds: float
    remark: str = ""
    status: int = 0  # of the command; negative for the signal that killed it


OK, MISSING, FAILED, CUT_SHORT = "ok", "missing", "FAILED", "cut short"
STOPPED, NOT_RUN = "stopped", "not run"
RESULTS = (OK, MISSING, FAILED, CUT_SHORT, STOPPED, NOT_RUN)


@dataclasses.dataclass
class Ending:
    """The end of a command, for the function that judges it."""

    status: int
    late: bool  # ended because its time was over
    seconds: float
    log: str


def judge_by_status(ending):
    """The result and the remark of a command that knows itself whether it went well."""
    if ending.late:
        return CUT_SHORT, f"after {ending.seconds:.0f} s"
    if ending.status < 0:
        return FAILED, f"killed by {signal.Signals(-ending.status).name}"
    if ending.status > 0:
        return FAILED, f"exit status {ending.status}"
    return OK, ""


class Report:
    """A folder of logs with a summary, and an archive of it.

    `title` says where it runs; `tables` is called for the text that stands above the rows.
    """

    def __init__(self, folder, archive, seconds, tables):
        self.title = ""
        self.folder = pathlib.Path(folder)
        self.archive = pathlib.Path(archive)
        self.deadline = STARTED + seconds
        self.tables = tables
        self.rows = []
        self.to_come = []  # names of what has not begun, for the summary alone
        self.stopped_by = None  # the signal that ended the report
        # Blocked signals are kept until they are asked for, SIGCHLD too unless somebody ignores it.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING | {signal.SIGCHLD})

    # ---- Time

    def seconds_left(self):
        return max(0.0, self.deadline - time.monotonic())

    def goes_on(self):
        """Returns whether there is time for another command, and nobody has ended the report."""
        return self.why_not() is None

    def why_not(self):
        self._look_for_signals(0)
        if self.stopped_by:
            return f"{self.stopped_by.name} came"
        return None if self.seconds_left() >= 1 else "no time was left"

    def _look_for_signals(self, seconds):
        """Waits until a signal comes, a child's end included, or `seconds` are over."""
        heard = signal.sigtimedwait(ENDING | {signal.SIGCHLD}, seconds)
        if heard and heard.si_signo in ENDING:
            self.stopped_by = signal.Signals(heard.si_signo)

    # ---- Commands

    def step(self, name, command, *, at_most, environment=None, judge=judge_by_status):
        """Runs a command with its output in a log; returns its row, which `judge` gives a result.

        It has `at_most` so many seconds, or what is left if that is less. Once the report has to
        end, it is not run, and the summary says so.
        """
        why_not = self.why_not()
        if why_not:
            return self.note(name, NOT_RUN, why_not)
        say(f"{name} ... ", end="")
        self.write(running=name)
        log = self.folder / f"{name.replace(' ', '-')}.log"
        began = time.monotonic()
        with open(log, "wb") as output:
            at_most = min(at_most, self.seconds_left())
            status, late = self._run(command, output, at_most, environment)
        seconds = time.monotonic() - began
        text = log.read_text(errors="replace")
        if self.stopped_by:
            result, remark = STOPPED, f"by {self.stopped_by.name}; {log}"
        else:
            result, remark = judge(Ending(status, late, seconds, text))
            if result in (FAILED, CUT_SHORT):
                remark = f"{remark}; {log}" if remark else str(log)
        say(f"{seconds:.0f} s" if result == OK else f"{seconds:.0f} s, {result}: {remark}")
        if result == FAILED:
            say("".join(f"    {line}\n" for line in text.splitlines()[-25:]), end="")
        return self.note(name, result, remark, seconds, status)

    def _run(self, command, output, seconds, environment):
        """The exit status, and whether the command was ended for want of time."""
        end = time.monotonic() + seconds
        try:
            child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env=environment, start_new_session=True,
                preexec_fn=unblock_signals)
        except OSError as error:
            output.write(f"{command[0]}: {error.strerror}\n".encode())
            return 127, False
        late = False
        while child.poll() is None and not self.stopped_by and not late:
            self._look_for_signals(max(0, end - time.monotonic()))
            late = time.monotonic() >= end and child.poll() is None
        end_group(child)
        return child.returncode or 0, late

    def output_of(self, command, environment=None, seconds=20):
        """Returns the output of a short command, None if it fails. It is not in the summary."""
        try:
            ran = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, env=environment,
                                 timeout=min(seconds, self.seconds_left()),
                                 preexec_fn=unblock_signals)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return ran.stdout if ran.returncode == 0 else None

    # ---- Telling

    def note(self, name, result, remark="", seconds=0.0, status=0):
        row = Row(name, result, seconds, remark, status)
        self.rows.append(row)
        # Many commands may not run, and none of those leaves files.
        if result != NOT_RUN:
            self.write()
        return row

    def count(self, *results):
        return sum(row.result in results for row in self.rows)

    def went_well(self):
        return not self.count(FAILED, CUT_SHORT, STOPPED, NOT_RUN)

    def summary(self, running=None, ended=False):
        rows = [("step", "result", "s", "remark")]
        rows += [(row.name, row.result, f"{row.seconds:.0f}", row.remark) for row in self.rows]
        if running:
            rows.append((running, "running", "", ""))
        rows += [(name, "to come", "", "") for name in self.to_come]
        width = max(len(name) for name, *_ in rows)
        table = "\n".join(f"{name:{width}}  {result:9}  {seconds:>4}  {remark}".rstrip()
                          for name, result, seconds, remark in rows)
        counts = ", ".join(f"{self.count(result)} {result}" for result in RESULTS
                           if result in (OK, FAILED) or self.count(result))
        total = (f"{counts}; {seconds_since_start():.0f} s {'in all' if ended else 'so far'}. "
                 f"Everything is in {self.archive}")
        # The lines to be read first come last: there a screen, or the end of an output, shows them.
        return "\n\n".join(filter(None, (self.title, self.tables(), table, total))) + "\n"

    def write(self, running=None, ended=False):
        """Renews the summary and the archive, each of which is there whole at any time."""
        def write_summary(path):
            path.write_text(self.summary(running, ended))

        replace(self.folder / "summary.txt", write_summary)
        replace(self.archive, self._write_archive)

    def _write_archive(self, path):
        archives = {path.resolve(), self.archive.resolve()}  # this one, and the last
        with tarfile.open(path, "w:gz", compresslevel=3) as archive:
            for file in sorted(self.folder.rglob("*")):
                if file.is_file() and file.resolve() not in archives:
                    name = pathlib.Path(self.folder.name) / file.relative_to(self.folder)
                    archive.add(file, name)

    def finish(self):
        """Writes and prints the last summary; returns the exit status."""
        self.write(ended=True)
        say("\n" + (self.folder / "summary.txt").read_text(), end="")
        if self.stopped_by:
            return 128 + self.stopped_by
        return 0 if self.went_well() else 1


def replace(path, write):
    """Writes a file beside `path` that then takes its place: no reader sees half of one."""
    beside = path.with_name(f".{path.name}.new")
    write(beside)
    os.replace(beside, path)


def unblock_signals():
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def end_group(child):
    """Ends a child and all that it started: by SIGTERM, then by SIGKILL."""
    def send(number):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            pass

    if child.poll() is None:
        send(signal.SIGTERM)
        wait(child, SECONDS_TO_END)
    send(signal.SIGKILL)  # also to what a child that has ended left behind
    wait(child, SECONDS_TO_END)


def wait(child, seconds):
    try:
        child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        pass  # not even SIGKILL ends a process that is stuck in a driver's call


def first_line(pattern, text):
    """The first line of `text` in which `pattern` is found, without ornament; else nothing."""
    return first_group(rf"^(.*(?:{pattern}).*)$", text).strip(" =")


def first_group(pattern, text):
    """The first group of the first match, in a text whose lines ^ and $ know; else nothing."""
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else ""
