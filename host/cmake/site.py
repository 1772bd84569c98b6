"""Makes the documentation: one site of the C++ headers, the Python module and the pages, by doxygen.

usage: site.py OUTPUT [MODULES]

OUTPUT/html/index.html is its first page. MODULES is the folder that the built Python package lies in;
without it the site has no page on Python. Whatever doxygen warns of is an error; where doxygen is
not installed, that is said, and the exit status is 77.
"""

import ast
import importlib
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# In the order of the menu; README.md is the first page of the site.
PAGES = ["README.md", "host/GUIDE.md", "host/SUBOFFSETS.md", "host/README.md", "cuda/README.md", "tests/README.md",
         "tests/python/CONSUMERS.md", "bench/README.md", "bench/results/README.md", "CONTRIBUTING.md",
         "CHANGELOG.md"]
SKIPPED = 77


# ---- Pages: doxygen wants headings with names of their own, and links to these


def page_id(path):
    """README.md in cuda/ is page_cuda_README."""
    return "page_" + re.sub(r"\W", "_", path.removesuffix(".md"))


def anchor(heading):
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def with_references(text, path, pages):
    """Links to other pages of the site as doxygen's, those to other files as plain words."""
    def reference(match):
        words, target = match.groups()
        if re.match(r"[a-z]+:", target):
            return match.group()
        file, _, fragment = target.partition("#")
        file = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        if file not in pages:
            return words if (ROOT / file).exists() else match.group()
        return f"[{words}](@ref {page_id(file)}{'_' + fragment if fragment else ''})"
    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", reference, text)


def site_page(path, pages):
    def with_name(heading):
        level, title = heading.groups()
        name = page_id(path) if level == "#" else f"{page_id(path)}_{anchor(title)}"
        return f"{level} {title.replace('`', '') if level == '#' else title} {{#{name}}}"

    # Fenced and indented code, which is kept as it is, and the text between.
    parts = re.split(r"(^```.*?^```$|^(?:    [^\n]*\n)+)", (ROOT / path).read_text("utf-8"), flags=re.M | re.S)
    for i in range(0, len(parts), 2):
        text = re.sub(r"^(#+) (.*)$", with_name, parts[i], flags=re.M)
        text = with_references(text, path, pages)
        parts[i] = re.sub(r"!\[(.*)\]\((?:.*/)?([^/)]+)\)", r"![\1](\2)", text)
    return "".join(parts)


# ---- Python: signatures from the stub, which has types and overloads, words from the module itself


def signatures(node):
    """A function's lines in the stub, once for each overload."""
    arguments = ast.unparse(node.args)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({arguments}){returns}"


def members(nodes):
    """Name to (what it is, its signatures), in the stub's order."""
    found = {}
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            marks = {ast.unparse(decorator) for decorator in node.decorator_list}
            if "property" in marks:
                found[node.name] = ("property", [f"{node.name}: {ast.unparse(node.returns)}"])
            elif not any(mark.endswith(".setter") for mark in marks):
                found.setdefault(node.name, ("function", []))[1].append(signatures(node))
        elif isinstance(node, ast.ClassDef):
            found[node.name] = ("class", members(node.body))
        elif isinstance(node, ast.AnnAssign):
            found[node.target.id] = ("attribute", [f"{node.target.id}: {ast.unparse(node.annotation)}"])
    return found


def paragraphs(text):
    """A docstring as it is written: its lists and examples keep their lines."""
    return f"```text\n{text}\n```\n" if text else ""


def section(level, name, anchor_name, lines, text):
    code = "\n".join(lines)
    return f"{level} {name} {{#{anchor_name}}}\n\n```python\n{code}\n```\n\n{paragraphs(text)}\n"


def with_title(name, text):
    # The percent sign keeps doxygen from a link to the C++ class of the same name.
    return f"# multibuffer.%{name} (Python) {{#python_{name}}}\n\n{text}\n"


def class_page(name, thing, stub, undocumented):
    page = with_title(name, paragraphs(inspect.getdoc(thing)))
    for member, (kind, lines) in stub.items():
        if member.startswith("_") and member != "__getitem__":
            continue
        words = inspect.getdoc(getattr(thing, member)) if kind != "attribute" else ""
        if not words:
            undocumented.append(f"{name}.{member}")
        page += section("##", member, f"python_{name}_{member}", lines, words)
    return page


def python_pages(modules):
    """The module's page and one for each name in it, and the names that have no docstring."""
    sys.path.insert(0, str(modules))
    module = importlib.import_module("multibuffer")
    stub = members(ast.parse((Path(module.__file__).parent / "__init__.pyi").read_text("utf-8")).body)
    pages = {"python": f"# The Python module {{#python}}\n\n{paragraphs(inspect.getdoc(module))}\n"}
    undocumented = []
    for name in module.__all__:
        thing = getattr(module, name)
        if name.startswith("_"):
            continue
        if not inspect.getdoc(thing):
            undocumented.append(name)
        kind, lines = stub[name]
        if kind == "class":
            pages[f"python_{name}"] = class_page(name, thing, lines, undocumented)
        else:
            code = "\n".join(lines)
            pages[f"python_{name}"] = with_title(
                name, f"```python\n{code}\n```\n\n{paragraphs(inspect.getdoc(thing))}")
        pages["python"] += f"- @subpage python_{name}\n"
    return pages, undocumented


# ---- Pictures, which pages make by their own lines


def make_pictures(modules, folder):
    """Those of the guide to suboffsets; without the module or NumPy, as they were committed."""
    page = ROOT / "host/SUBOFFSETS.md"
    made = 1
    if modules and importlib.util.find_spec("numpy"):
        made = subprocess.run([sys.executable, ROOT / "tests/docs/pictures.py", page, folder],
                              env=os.environ | {"PYTHONPATH": str(modules)}).returncode
        if made:
            sys.exit("the pictures of host/SUBOFFSETS.md could not be made")
    if made:
        shutil.copytree(ROOT / "host/pictures", folder)


# ---- The site


def main():
    output = Path(sys.argv[1]).resolve()
    modules = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    if not shutil.which("doxygen"):
        print("SKIPPED: doxygen is not installed")
        sys.exit(SKIPPED)
    shutil.rmtree(output, ignore_errors=True)
    (output / "pages").mkdir(parents=True)
    pages = PAGES + sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("bench/results/2*.md"))
    if (ROOT / "host/python/README.md").exists():
        pages.insert(5, "host/python/README.md")
    for number, path in enumerate(pages):
        page = site_page(path, pages)
        name = "README.md" if path == "README.md" else f"{number:02}_{page_id(path)}.md"
        (output / "pages" / name).write_text(page, "utf-8")
    make_pictures(modules, output / "pictures")
    undocumented = []
    if modules:
        made, undocumented = python_pages(modules)
        for name, page in made.items():
            (output / "pages" / f"{name}.md").write_text(page, "utf-8")
    # Members of a namespace that has no words are not shown.
    (output / "pages" / "namespaces.hpp").write_text(
        "/// The library.\nnamespace multibuffer {\n"
        "/// The oracle: follows the original pointers, and shares no code with the stages.\n"
        "namespace reference {}\n"
        "/// Arrays of DLPack as inputs and results as DLPack's tensors.\nnamespace dlpack {}\n"
        "/// Streams of CUDA; the headers in `multibuffer/cuda/` alone need the CUDA Toolkit.\n"
        "namespace cuda {}\n}\n", "utf-8")
    version = re.search(r"VERSION (\d+\.\d+\.\d+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    done = subprocess.run(["doxygen", "host/cmake/Doxyfile"], cwd=ROOT,
                          env=os.environ | {"MULTIBUFFER_SITE": str(output), "MULTIBUFFER_VERSION": version})
    for name in undocumented:
        print(f"multibuffer.{name} has no docstring")
    sys.exit(done.returncode or bool(undocumented))


if __name__ == "__main__":
    main()
