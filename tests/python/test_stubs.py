"""The stubs say what the module has: every name, and every parameter with its default."""

import ast
import collections
import inspect
import os
import re
import types
import unittest

import multibuffer

STUBS = os.path.join(os.path.dirname(multibuffer.__file__), "__init__.pyi")
# What Python gives every class, or has under another name before 3.12.
COMMON = {"__init__", "__repr__", "__new__", "__doc__", "__module__", "__buffer__",
          "__iter__", "__class_getitem__", "__release_buffer__", "__dict__", "__weakref__"}

# What every tuple with names has, by either of CPython's ways to make one.
TUPLES = set(vars(collections.namedtuple("Any", ""))) | set(vars(os.terminal_size)) - {
    "columns", "lines"}

# What properties are in classes of C, and in their tuples with names.
DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)


def stubbed():
    """The stubs' functions, by class ('' for the module's own), then by name. A class whose name
    begins with an underscore says what those that derive from it have; none is in the module."""
    with open(STUBS) as file:
        tree = ast.parse(file.read())
    found = {"": {}}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found[""].setdefault(node.name, []).append(node)
        elif isinstance(node, ast.ClassDef):
            members = found.setdefault(node.name, {})
            for base in reversed(node.bases):
                members.update(found.get(getattr(base, "id", ""), {}))  # not there: a class of Python's own
            own = {}
            for member in node.body:
                if isinstance(member, ast.FunctionDef):
                    own.setdefault(member.name, []).append(member)
                elif isinstance(member, ast.AnnAssign):  # an attribute of the class itself
                    own[member.target.id] = []
            members.update(own)
    return {name: members for name, members in found.items() if not name.startswith("_")}


def stub_parameters(function):
    """[(name, default as text or None)], "*" before the keyword-only ones, "*" also for *args."""
    arguments = function.args
    names = [argument.arg for argument in arguments.args]
    defaults = [None] * (len(names) - len(arguments.defaults)) + arguments.defaults
    result = list(zip(names, defaults))
    if arguments.vararg or arguments.kwonlyargs:
        result.append(("*", None))
    result += zip((argument.arg for argument in arguments.kwonlyargs), arguments.kw_defaults)
    return [(name, default and ast.literal_eval(default)) if default is not None else (name, ...)
            for name, default in result if name != "self"]


def module_parameters(function):
    """The same of a function, which Python knows the signature of."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    result = []
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.KEYWORD_ONLY) and ("*", ...) not in result:
            result.append(("*", ...))
        if p.kind is not p.VAR_POSITIONAL:
            result.append((p.name, ... if p.default is p.empty else p.default))
    return result


class Stubs(unittest.TestCase):
    def setUp(self):
        self.stubs = stubbed()

    def test_names_of_the_module(self):
        names = set(multibuffer.__all__) - {"__version__"}
        classes = {name for name in names if isinstance(getattr(multibuffer, name), type)}
        self.assertEqual(set(self.stubs) - {""}, classes)
        self.assertEqual(set(self.stubs[""]), names - classes)

    def test_names_of_the_classes(self):
        for name, members in self.stubs.items():
            if name:
                own = {member for member in vars(getattr(multibuffer, name))
                       if not re.match("_[^_]", member)}
                # From CPython 3.13 on, of classes that are written in Python.
                own -= {"__static_attributes__", "__firstlineno__"}
                if issubclass(getattr(multibuffer, name), tuple):
                    own -= TUPLES
                self.assertEqual(set(members) - COMMON, own - COMMON, name)

    def test_properties_are_properties(self):
        for name, members in self.stubs.items():
            for member, functions in members.items():
                if not name or member in COMMON or not functions:
                    continue
                is_property = any(getattr(decorator, "id", "") == "property"
                                  for decorator in functions[0].decorator_list)
                value = vars(getattr(multibuffer, name))[member]
                self.assertEqual(isinstance(value, DESCRIPTORS), is_property,
                                 f"{name}.{member}")

    def test_a_packed_is_made_of_one_sequence(self):
        with open(STUBS) as file:
            packed, = (node for node in ast.parse(file.read()).body
                       if isinstance(node, ast.ClassDef) and node.name == "Packed")
        self.assertEqual(ast.unparse(packed.bases[0]), "tuple[Any, DeviceBuffer]")
        self.assertEqual(multibuffer.Packed((b"ab", [0, 2])).offsets, [0, 2])
        self.assertIn("but for a Packed", " ".join(multibuffer.__doc__.split()))
        with self.assertRaises(TypeError):
            multibuffer.Packed(b"ab", [0, 2])
        with self.assertRaises(TypeError):
            type("Derived", (multibuffer.Packed,), {})

    def test_parameters(self):
        for name, members in self.stubs.items():
            owner = getattr(multibuffer, name) if name else multibuffer
            for member, functions in members.items():
                value = vars(owner).get(member)
                if value is None or not functions or \
                        isinstance(value, DESCRIPTORS) or \
                        member in ("__bool__", "__len__", "__buffer__"):
                    continue
                # Of overloads, the first has the parameters with their defaults.
                with self.subTest(f"{name}.{member}"):
                    self.assertEqual(stub_parameters(functions[0]), module_parameters(value))


if __name__ == "__main__":
    unittest.main()
