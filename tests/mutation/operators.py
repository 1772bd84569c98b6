"""What changes a source into its mutants: operators that fit any C++ source, formatted by clang-format."""

import hashlib
import re
from dataclasses import dataclass

# Kind, what is looked for, and what comes instead. Operators stand between blanks; brackets of templates do not.
REPLACED = [
    ("< is <=", r" < ", " <= "),
    ("<= is <", r" <= ", " < "),
    ("> is >=", r" > ", " >= "),
    (">= is >", r" >= ", " > "),
    ("== is !=", r" == ", " != "),
    ("!= is ==", r" != ", " == "),
    ("&& is ||", r" && (?!\w+\) =)", " || "),
    ("|| is &&", r" \|\| ", " && "),
    ("+ 1 dropped", r" \+ 1\b(?![.'])", ""),
    ("- 1 dropped", r" - 1\b(?![.'])", ""),
    ("one more", r"(?<=[\w)\]]) \+ (?=\w)(?!1\b)", " + 1 + "),
    ("+ is -", r" \+ (?!1\b)", " - "),
    ("- is +", r" - (?!1\b)", " + "),
    ("+= is -=", r" \+= ", " -= "),
    ("-= is +=", r" -= ", " += "),
    ("min is max", r"std::min(?=[<(])", "std::max"),
    ("max is min", r"std::max(?=[<(])", "std::min"),
    ("true is false", r"\btrue\b", "false"),
    ("false is true", r"\bfalse\b", "true"),
    ("a bit more", r"(?<= [/%] )(8|16|32|64|256)\b", r"(\1 + 1)"),
    ("sign lost", r"(?<=[(=?:,] )-(?=[\w*(.\->]*(stride|step|unit|distance))", ""),
    ("sign lost", r"std::abs\(", "("),
    ("negative", r"(?<= \* )(?=[\w.\->]*(stride|step)\b)", "-"),
    ("32 bits", r"static_cast<std::int64_t>\(", "static_cast<std::int32_t>("),
    ("32 bits", r"static_cast<std::uint64_t>\(", "static_cast<std::uint32_t>("),
]

# Statements on a line of their own, which can be left out: calls, assignments, loops with their body.
STATEMENT = re.compile(
    r"^ +(?:(?:if \(.*\) |else )*[a-z_][\w.\[\]]*(?:(?:\.|->)[\w\[\]]+)*(?:\(| [-+|&^*/]?= )|\+\+|--|for \(.*\) ).*;$")
NOT_ONE = re.compile(r"^ +(?:return|throw|using|static_assert|delete|case|goto|const|static|auto|double|int|bool|char)\b")

# Conditions that are never true.
CONDITION = re.compile(r"\bif \((?=[^;{]*$|.*\))")


@dataclass(frozen=True)
class Mutation:
    file: str
    kind: str
    code: str  # the line it is in, without blanks at its ends
    nth: int  # of the places where this kind fits this code in the file, from 0 on
    begin: int  # what is replaced, as offsets in the file
    end: int
    by: str

    @property
    def id(self):
        """Does not change when code moves within its file."""
        said = f"{self.file}|{self.kind}|{self.code}|{self.nth}"
        return hashlib.sha1(said.encode()).hexdigest()[:10]

    def apply(self, text):
        return text[:self.begin] + self.by + text[self.end:]


def blanked(text):
    """The text with comments, literals and preprocessor lines as blanks, at the same offsets."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*|static_assert\(.*?\);',
                  blank, text, flags=re.M | re.S)


def closing(text, opening):
    """The offset of the bracket that closes the one at `opening`."""
    depth = 0
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return -1


def found_in(file, text):
    """Yields (kind, begin, end, replacement) for all places where an operator fits."""
    code = blanked(text)
    for kind, pattern, by in REPLACED:
        for match in re.finditer(pattern, code):
            yield kind, match.start(), match.end(), match.expand(by)
    at = 0
    before = "{"
    for line in code.split("\n"):
        begun = before.endswith((";", "{", "}", ":")) or not before
        if begun and STATEMENT.match(line) and not NOT_ONE.match(line) and line.count("(") == line.count(")"):
            indent = len(line) - len(line.lstrip())
            yield "statement dropped", at + indent, at + len(line), ";"
        if line.strip():
            before = line.rstrip()
        at += len(line) + 1
    for match in re.finditer(r"\bif \(", code):
        end = closing(code, match.end() - 1)
        if end > 0 and ";" not in code[match.end():end]:
            condition = text[match.end():end]
            yield "never", match.end(), end, f"false && ({condition})"


def mutations_of(file, text):
    """All mutations of a source, in the order of the text."""
    seen = {}
    found = []
    for kind, begin, end, by in sorted(found_in(file, text), key=lambda each: (each[1], each[0])):
        first = text.rfind("\n", 0, begin) + 1
        last = text.find("\n", begin)
        code = text[first:last].strip()
        nth = seen[kind, code] = seen.get((kind, code), -1) + 1
        found.append(Mutation(file, kind, code, nth, begin, end, by))
    return found


def sample(mutations, most):
    """At most so many, which stay the same while the code does; of each kind in turn."""
    by_kind = {}
    for mutation in sorted(mutations, key=lambda each: each.id):
        by_kind.setdefault(mutation.kind, []).append(mutation)
    taken = []
    kinds = sorted(by_kind.values(), key=lambda each: each[0].id)
    while len(taken) < min(most, len(mutations)):
        for each in kinds:
            if each and len(taken) < most:
                taken.append(each.pop(0))
    return taken
