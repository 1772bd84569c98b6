"""Runs the examples of a page of documentation, and compares what they print with what the page says.

usage: examples.py extract PAGE SOURCE
       examples.py cpp PAGE PROGRAM
       examples.py python PAGE
       examples.py sh PAGE COMMAND SCRATCH

A page has at most one block of each language. `extract` writes its C++ program to SOURCE; `cpp` runs
the program, whose output is the block `text` behind it. In Python, the comment behind a print() is
what it prints, and statements that need a package that is not there are skipped and named. Command
lines run in a folder that has the repository's tests/data.
"""

import ast
import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def blocks(page, language):
    """The texts of the page's fenced blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", Path(page).read_text("utf-8"), re.M | re.S)


def only_block(page, language):
    found = blocks(page, language)
    if len(found) != 1:
        sys.exit(f"{page}: {len(found)} blocks of {language}, where there should be one")
    return found[0]


def require_equal(printed, expected, what):
    if printed.strip() != expected.strip():
        sys.exit(f"{what} prints\n{printed}\nand the page says\n{expected}")


def extract(page, source):
    Path(source).write_text(only_block(page, "cpp"), "utf-8")


def run_cpp(page, program):
    done = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True)
    require_equal(done.stdout, only_block(page, "text"), page)


def run_python(page):
    source = only_block(page, "python")
    lines = source.splitlines()
    names, missing, checked = {}, set(), 0
    for statement in ast.parse(source).body:
        code = ast.get_source_segment(source, statement)
        if missing & {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}:
            print("SKIPPED:", code)
            continue
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(code, f"<{page}>", "exec"), names)
        except ModuleNotFoundError as error:
            # The module itself and NumPy are no matter of taste.
            if error.name in ("multibuffer", "numpy") or not isinstance(statement, ast.Import):
                raise
            missing.add(error.name)
            print("SKIPPED:", code)
        if code.startswith("print("):
            _, mark, expected = lines[statement.end_lineno - 1].partition("  # ")
            if not mark:
                sys.exit(f"{page}: no comment says what this prints: {code}")
            require_equal(printed.getvalue(), expected, code)
            checked += 1
    if not checked:
        sys.exit(f"{page}: nothing is printed, so nothing is compared")


def run_sh(page, command, scratch):
    scratch = Path(scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "bin").mkdir(parents=True)
    (scratch / "bin" / "multibuffer").symlink_to(command)
    (scratch / "tests").mkdir()
    (scratch / "tests" / "data").symlink_to(ROOT / "tests" / "data")
    environment = os.environ | {"PATH": f"{scratch / 'bin'}:{os.environ['PATH']}"}
    for line in only_block(page, "sh").splitlines():
        print("$", line, flush=True)
        subprocess.run(["bash", "-c", line], cwd=scratch, env=environment, check=True)
        out = re.search(r"--out (\S+)", line)
        if out and not (scratch / shlex.split(out.group(1))[0]).exists():
            sys.exit(f"there is no {out.group(1)}")


def main():
    functions = {"extract": extract, "cpp": run_cpp, "python": run_python, "sh": run_sh}
    verb, *arguments = sys.argv[1:]
    functions[verb](*arguments)


if __name__ == "__main__":
    main()
