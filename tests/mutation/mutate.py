#!/usr/bin/env python3
"""Changes the library's sources in small ways, one at a time, and runs the tests that should notice.

usage: mutate.py [--list] [--check] [--table] [--again] [--jobs N] [--seconds N] [--sample N] [PATTERN...]

A mutation is of the table in mutations.py, or what an operator of operators.py makes of a source that FILES of that
table names: of each file a sample. PATTERN is a regular expression of a mutation's file, kind, code or id.

A mutant is compiled beside the build folder, as the compiler was called for the source that it is made of; programs of
tests are linked with it in place of that source's object, and run until one fails: with the usual thresholds and with
the least ones. What a mutant came to is noted in build/mutation/results.jsonl, so that the next run goes on; --again
runs those that survived once more, after tests were added. Mutants of sources that have changed are run again anyway.
The tree itself is not touched.
"""

import argparse
import concurrent.futures
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import equivalents
import mutations
import operators

ROOT = Path(__file__).resolve().parents[2]
PRESET = "mutation"
BUILD = ROOT / "build" / PRESET
WORK = BUILD / "mutants"
RESULTS = BUILD / "results.jsonl"

LEAST = {"MULTIBUFFER_THRESHOLDS": "least", "MULTIBUFFER_NUM_THREADS": "3"}
USUAL = {"MULTIBUFFER_NUM_THREADS": "2"}
VARIANTS = {
    "": USUAL,
    "least": LEAST,
    "baseline": LEAST | {"MULTIBUFFER_BASELINE": "1"},
    "lazy": USUAL | {"MULTIBUFFER_FAKE_CUDA": "lazy"},
    "eager": USUAL | {"MULTIBUFFER_FAKE_CUDA": "eager"},
    "random": LEAST | {"MULTIBUFFER_FAKE_CUDA": "random"},
}


# ---- Mutations: those of the table, and a sample of what operators find


def from_table(file, text, kind, code, by):
    """The mutation that the table describes, or a message why there is none."""
    count = text.count(code)
    if count != 1:
        return f"{file}: {count} places have {code!r}"
    begin = text.index(code)
    line = code.strip().split("\n")[0]
    return operators.Mutation(file, kind, line, 0, begin, begin + len(code), by)


def all_mutations(sample):
    """All mutations, and messages on what no longer applies."""
    found, wrong = {}, []
    texts = {}

    def text_of(file):
        if file not in texts:
            path = ROOT / file
            texts[file] = path.read_text("utf-8") if path.exists() else ""
        return texts[file]

    for file, kind, code, by in mutations.TABLE:
        mutation = from_table(file, text_of(file), kind, code, by)
        if isinstance(mutation, str):
            wrong.append(mutation)
        else:
            found[mutation.id] = mutation
    sampled = []
    for file, most in mutations.FILES.items():
        if not text_of(file):
            wrong.append(f"{file} is not there")
        sampled += operators.sample(operators.mutations_of(file, text_of(file)), min(most, sample))
    # In the order of their names, so that a run that ends early has something of every file.
    for mutation in sorted(sampled, key=lambda each: each.id):
        found.setdefault(mutation.id, mutation)
    return found, wrong, text_of


def why_equivalent(mutation):
    for file, kind, code, why in equivalents.TABLE:
        if (file, code) == (mutation.file, mutation.code) and re.fullmatch(kind, mutation.kind):
            return why
    return None


def programs_of(file):
    """The programs and variants that cover a file, those that mostly notice first."""
    return next(runs for folder, runs in mutations.PROGRAMS if file.startswith(folder))


# ---- The build: objects by ninja, programs by the linker


def ninja(*arguments):
    done = subprocess.run(["ninja", "-C", BUILD, *arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"ninja {' '.join(arguments[:3])}: {done.stdout[-3000:]}{done.stderr}")
    return done.stdout


def without_launcher(command):
    words = shlex.split(command)
    return words[1:] if words[0].endswith("ccache") else words


class Tree:
    """What the build folder knows: how a source is compiled, what an object depends on, how a program is linked."""

    def __init__(self):
        if not (BUILD / "build.ninja").exists():
            subprocess.run(["cmake", "--preset", PRESET], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        self.compile = {}
        for entry in json.loads((BUILD / "compile_commands.json").read_text()):
            command = without_launcher(entry["command"])
            self.compile[command[command.index("-o") + 1]] = (command, entry["file"])
        self.links = {}
        self.users = None  # of a header: the objects that were compiled with it

    def prepare(self, programs):
        """Builds what the programs are linked from."""
        known = {line.split(": ")[0] for line in ninja("-t", "targets", "all").splitlines()}
        wanted = [program for program in programs if f"tests/{program}" in known]
        objects = set()
        for program in wanted:
            inputs = ninja("-t", "inputs", f"tests/{program}").split()
            objects.update(each for each in inputs if each.endswith(".o"))
        print(f"building {len(objects)} objects", flush=True)
        for begin in range(0, len(objects), 500):
            ninja("-j2", *sorted(objects)[begin:begin + 500])
        WORK.mkdir(exist_ok=True)
        archives = {}
        for program in wanted:
            line = ninja("-t", "commands", f"tests/{program}").strip().splitlines()[-1]
            words = without_launcher(self.link_of(line, program))
            for word in words:
                if word.endswith(".a") and not word.startswith("/") and word not in archives:
                    archives[word] = self.make_archive(word)
            self.links[program] = (words, archives)
        self.read_dependencies()
        return wanted

    @staticmethod
    def link_of(line, program):
        """The linker's part of a command, which others may follow."""
        return next(part for part in line.split(" && ") if f"-o tests/{program}" in part)

    def make_archive(self, archive):
        line = ninja("-t", "commands", archive).strip().splitlines()[-1]
        members = [word for word in line.split() if word.endswith(".o")]
        path = WORK / archive.replace("/", "_")
        path.unlink(missing_ok=True)
        subprocess.run(["ar", "qc", path, *members], cwd=BUILD, check=True)
        return path, members

    def read_dependencies(self):
        self.users = {}
        user = None
        for line in ninja("-t", "deps").splitlines():
            if line and not line.startswith(" "):
                user = line.split(": #deps")[0]
            elif line.strip().startswith(str(ROOT)) or not line.strip().startswith("/"):
                path = os.path.normpath(os.path.join(BUILD, line.strip()))
                self.users.setdefault(os.path.relpath(path, ROOT), set()).add(user)

    def objects_of(self, file):
        """The objects that a change of the file changes; not kernels for a GPU, which no program here runs."""
        users = {each for each in self.users.get(file, set()) if each in self.compile and not each.endswith(".cu.o")}
        path = str(ROOT / file)
        return users | {output for output, (_, source) in self.compile.items() if source == path}

    def link(self, program, mutated, output):
        """Links a program with the mutated objects, object to path, in place of those that they were made of."""
        words, archives = self.links[program]
        rest = []
        for word in words:
            if word in archives:
                path, members = archives[word]
                rest += [str(mutated[each]) for each in members if each in mutated]
                rest.append(str(path))
            else:
                rest.append(str(mutated.get(word, word)))
        rest[rest.index("-o") + 1] = str(output)
        return rest

    def members_of(self, program):
        words, archives = self.links[program]
        own = {word for word in words if word.endswith(".o")}
        return own.union(*(archives[word][1] for word in words if word in archives))


# ---- Running


def run(command, seconds, environment=None, cwd=BUILD):
    """Returns the exit status and the last lines; None if the time was over."""
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", start_new_session=True,
                               env=os.environ | {"MULTIBUFFER_TEST_CASES": "all"} | (environment or {}))
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output[-3000:]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, ""


def test_command(program, tests):
    return [program, "--gtest_brief=1", *([f"--gtest_filter={tests}"] if tests else [])]


GTEST = {"GTEST_FAIL_FAST": "1", "GTEST_CATCH_EXCEPTIONS": "0"}


class Runner:
    def __init__(self, tree, text_of, wanted):
        self.tree = tree
        self.text_of = text_of
        self.wanted = wanted
        self.seconds = {}  # by program, tests and variant
        self.lock = threading.Lock()
        self.folders = iter(range(1, 1000))
        self.local = threading.local()

    def seconds_of(self, program, tests, variant):
        """How long the tests take as they are. They must pass, or a mutant could not fail."""
        with self.lock:
            if (program, tests, variant) in self.seconds:
                return self.seconds[program, tests, variant]
            output = WORK / program
            status, said = run(self.tree.link(program, {}, output), 300)
            if status != 0:
                raise RuntimeError(f"{program} cannot be linked: {said}")
            begin = time.monotonic()
            status, said = run(test_command(output, tests), 600, GTEST | VARIANTS[variant])
            took = self.seconds[program, tests, variant] = time.monotonic() - begin
            if status != 0:
                raise RuntimeError(f"{program} {tests} [{variant}] fails as it is: {said}")
            print(f"  {took:6.1f} s  {program} {variant}", flush=True)
            return took

    def folder(self):
        if not hasattr(self.local, "folder"):
            self.local.folder = WORK / f"lane{next(self.folders)}"
        shutil.rmtree(self.local.folder, ignore_errors=True)
        self.local.folder.mkdir(parents=True)
        return self.local.folder

    def compile(self, mutation, folder, objects):
        """Returns the mutated objects, or what the compiler says."""
        overlay = folder / "tree"
        path = overlay / mutation.file
        path.parent.mkdir(parents=True)
        path.write_text(mutation.apply(self.text_of(mutation.file)), "utf-8")
        mutated = {}
        for each in sorted(objects):
            command, source = self.tree.compile[each]
            command = list(command)
            mutated[each] = folder / f"{len(mutated)}.o"
            command[command.index("-o") + 1] = str(mutated[each])
            if source == str(ROOT / mutation.file):
                command[command.index(source)] = str(path)
            command[1:1] = ["-w", "-I", str(overlay)]
            status, said = run(command, 600)
            if status != 0:
                return None, said
        return mutated, ""

    def __call__(self, mutation):
        """Runs one mutant: what it came to, by which program, and how long it took."""
        begin = time.monotonic()
        status, by = self.outcome(mutation)
        return {"id": mutation.id, "file": mutation.file, "kind": mutation.kind, "code": mutation.code,
                "of": digest(self.text_of(mutation.file)), "status": status, "by": by,
                "seconds": round(time.monotonic() - begin, 1)}

    def outcome(self, mutation):
        runs = [each for each in programs_of(mutation.file) if each[0] in self.wanted]
        objects = self.tree.objects_of(mutation.file)
        members = set().union(*(self.tree.members_of(program) for program, _, _ in runs)) if runs else set()
        objects &= members
        if not objects:
            return "not run", "no program here has it"
        folder = self.folder()
        mutated, said = self.compile(mutation, folder, objects)
        if mutated is None:
            return "does not build", said[-300:]
        linked = set()
        for program, tests, variant in runs:
            output = folder / program
            if program not in linked:
                linked.add(program)
                status, said = run(self.tree.link(program, mutated, output), 300)
                if status != 0:
                    return "does not build", said[-300:]
            status, said = run(test_command(output, tests), 10 + 5 * self.seconds_of(program, tests, variant),
                               GTEST | VARIANTS[variant])
            if status != 0:
                failed = re.findall(r"\[  FAILED  \] (\S+?)[,\s]", said)
                how = "time is over" if status is None else f"signal {-status}" if status < 0 else ""
                return "killed", " ".join(filter(None, [program, variant, failed[0] if failed else "", how]))
        return "survived", ""


def digest(text):
    return hashlib.sha1(text.encode()).hexdigest()[:10]


# ---- Results


def read_results():
    results = {}
    if RESULTS.exists():
        for line in RESULTS.read_text("utf-8").splitlines():
            result = json.loads(line)
            results[result["id"]] = result
    return results


def folder_of(file):
    return os.path.dirname(file)


def print_table(chosen, results):
    columns = ["killed", "survived", "equivalent", "does not build", "not run"]
    counts = {}
    for mutation in chosen:
        result = results.get(mutation.id)
        status = result["status"] if result else "not run"
        if status != "killed" and why_equivalent(mutation):
            status = "equivalent"
        row = counts.setdefault(folder_of(mutation.file), dict.fromkeys(columns, 0))
        row[status] += 1
    counts["all"] = {column: sum(row[column] for row in counts.values()) for column in columns}
    lines = [f"| folder | mutants | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|"]
    for folder, row in counts.items():
        lines.append(f"| `{folder}` | {sum(row.values())} | {' | '.join(str(row[column]) for column in columns)} |")
    text = "\n".join(lines) + "\n"
    survivors = [mutation for mutation in chosen
                 if results.get(mutation.id, {}).get("status") == "survived" and not why_equivalent(mutation)]
    if survivors:
        text += "\nSurvivors:\n\n"
        text += "".join(f"- `{each.id}` {each.file}: {each.kind}: `{each.code}`\n" for each in survivors)
    (BUILD / "results.md").write_text(text, "utf-8")
    print(text, end="")
    return survivors


def only_run(folder):
    """Opens a lock that one process has at a time: two runs would link each other's objects."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / "lock", "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"mutate.py: another run is under way in {folder}; wait for its end, or end it")
    return lock


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="list the mutations and stop")
    parser.add_argument("--check", action="store_true", help="say which mutations no longer apply, and stop")
    parser.add_argument("--table", action="store_true", help="those that are written by hand alone")
    parser.add_argument("--again", action="store_true", help="also those that survived or did not build")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="so many at a time")
    parser.add_argument("--seconds", type=float, default=float("inf"), metavar="N", help="begin none after N seconds")
    parser.add_argument("--sample", type=int, default=1000, metavar="N", help="at most N of a file by operators")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    asked = parser.parse_args()

    found, wrong, text_of = all_mutations(0 if asked.table else asked.sample)
    for message in wrong:
        print(f"no longer applies: {message}")
    if asked.check:
        known = {(file, operator.code) for file in {each[0] for each in equivalents.TABLE}
                 for operator in [*operators.mutations_of(file, text_of(file)),
                                  *(each for each in found.values() if each.file == file)]}
        stale = [each for each in equivalents.TABLE if (each[0], each[2]) not in known]
        for file, kind, code, _ in stale:
            print(f"no longer applies: {file}: equivalent: {kind}: {code}")
        print(f"{len(found)} mutations, {len(wrong) + len(stale)} no longer apply")
        sys.exit(bool(wrong or stale))
    chosen = [each for each in found.values()
              if not asked.patterns or any(re.search(pattern, f"{each.id} {each.file}: {each.kind}: {each.code}")
                                           for pattern in asked.patterns)]
    if asked.list:
        for each in chosen:
            print(f"{each.id} {each.file}: {each.kind}: {each.code}")
        print(f"{len(chosen)} mutations")
        return

    if not chosen:
        sys.exit(f"mutate.py: no mutation fits {' '.join(asked.patterns)}; --list names them all")

    results = read_results()

    def is_done(mutation):
        result = results.get(mutation.id)
        if not result or result["of"] != digest(text_of(mutation.file)) or result["status"] == "not run":
            return False
        return result["status"] == "killed" or not asked.again or bool(why_equivalent(mutation))

    to_do = [each for each in chosen if not is_done(each)]
    print(f"{len(chosen)} mutations, {len(to_do)} to run", flush=True)
    if to_do:
        lock = only_run(BUILD)
        tree = Tree()
        runs = list(dict.fromkeys(each for mutation in to_do for each in programs_of(mutation.file)))
        wanted = tree.prepare(list(dict.fromkeys(program for program, _, _ in runs)))
        runner = Runner(tree, text_of, wanted)
        end = time.monotonic() + asked.seconds
        with concurrent.futures.ThreadPoolExecutor(asked.jobs) as lanes, open(RESULTS, "a", encoding="utf-8") as out:
            pending = {lanes.submit(lambda each=each: runner(each) if time.monotonic() < end else None): each
                       for each in to_do}
            for number, future in enumerate(concurrent.futures.as_completed(pending), 1):
                result = future.result()
                if not result:
                    continue
                results[result["id"]] = result
                out.write(json.dumps(result) + "\n")
                out.flush()
                print(f"{number}/{len(to_do)} {result['status']} ({result['seconds']} s) {result['id']} "
                      f"{result['file']}: {result['kind']}: {result['code']}  {result['by'][:80]}", flush=True)
        lock.close()
    survivors = print_table(chosen, results)
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
