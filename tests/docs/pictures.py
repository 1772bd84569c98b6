"""Makes the pictures of a page by its own Python blocks, in order.

usage: pictures.py PAGE FOLDER            write them to FOLDER
       pictures.py PAGE FOLDER --check    and fail unless they are those that the page shows
       pictures.py PAGE FOLDER --update   and make them those that the page shows

The blocks are one program, which saves each picture under the name that it has in the page's folder
pictures/. What a print() prints is compared with the comment behind it, as in examples.py.
"""

import ast
import contextlib
import io
import os
import re
import shutil
import sys
from pathlib import Path


def run(page, folder):
    """Runs the blocks in `folder`."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    source = "\n".join(blocks)
    lines = source.splitlines()
    names = {}
    os.chdir(folder)
    for statement in ast.parse(source).body:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(ast.Module([statement], []), str(page), "exec"), names)
        _, mark, expected = lines[statement.end_lineno - 1].partition("  # ")
        if printed.getvalue() and (not mark or printed.getvalue().strip() != expected.strip()):
            sys.exit(f"{page.name}: {lines[statement.end_lineno - 1]} prints {printed.getvalue()}")


def main():
    page, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    shown = re.findall(r"\]\((pictures/[^)]+\.svg)\)", page.read_text("utf-8"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(page, folder)
    made = {path.name for path in folder.glob("*.svg")}
    if made != {Path(each).name for each in shown}:
        sys.exit(f"{page.name} shows {shown}, and makes {sorted(made)}")
    wrong = []
    for each in shown:
        committed = page.parent / each
        picture = (folder / committed.name).read_text("utf-8")
        if "--update" in sys.argv:
            committed.write_text(picture, "utf-8")
        elif not committed.exists() or committed.read_text("utf-8") != picture:
            wrong.append(each)
    if "--check" in sys.argv and wrong:
        sys.exit(f"{wrong} are not what {page.name} makes today; look at those in {folder}, and then: "
                 f"pictures.py {sys.argv[1]} {folder} --update")
    print(f"{len(shown)} pictures")


if __name__ == "__main__":
    main()
