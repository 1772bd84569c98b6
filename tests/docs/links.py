"""Checks that what pages of documentation point at is there: links, their anchors, and files named in
`backticks`.

usage: links.py
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Dated figures name files as they were; the changelog, too.
HISTORY = re.compile(r"bench/results/\d|CHANGELOG\.md$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(r"`([\w./-]+\.(?:cpp|hpp|cuh?|py|pyi|sh|md|cmake|txt))`")
# Names that stand for others, and files that commands make.
PLACEHOLDER = re.compile(r"NAME|STAGE|PRESET|FOLDER|^(results|build)/")


def anchor(heading):
    """A heading's anchor, as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def anchors(page):
    return {anchor(h) for h in re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.M)}


def broken_links(page, text):
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            yield f"the link {link} leads nowhere"
        elif fragment and fragment not in anchors(target):
            yield f"{link}: there is no such heading"


def missing_files(page, text, files):
    for name in set(NAMED.findall(text)):
        if PLACEHOLDER.search(name):
            continue
        # From the root, from the page, or the end of a path.
        folder = page.parent.relative_to(ROOT)
        if name in files or str(folder / name) in files:
            continue
        if not any(file.endswith("/" + name) for file in files):
            yield f"there is no file {name}"


def main():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"],
                            stdout=subprocess.PIPE, text=True)
    files = set(listed.stdout.split("\n")) if listed.returncode == 0 else {
        str(path.relative_to(ROOT)) for folder in ("bench", "cuda", "host", "include", "tests")
        for path in (ROOT / folder).rglob("*")} | {path.name for path in ROOT.iterdir()}
    pages = [ROOT / file for file in sorted(files) if file.endswith(".md") and (ROOT / file).exists()]
    if len(pages) < 5:
        sys.exit(f"only {len(pages)} pages were found")
    broken = 0
    for page in pages:
        name = str(page.relative_to(ROOT))
        text = page.read_text("utf-8")
        problems = list(broken_links(page, text))
        if not HISTORY.search(name):
            problems += missing_files(page, text, files)
        for problem in problems:
            print(f"{name}: {problem}")
        broken += len(problems)
    print(f"{len(pages)} pages, {broken} problems")
    sys.exit(broken != 0)


if __name__ == "__main__":
    main()
