"""The tool of mutations itself: operators find what they should, and its tables still fit the sources."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import equivalents
import mutate
import operators

SOURCE = '''#include "a < b"
// i < n
std::int64_t f(const Axis& axis, std::int64_t n) {
  std::vector<int> found;  // a && b
  for (std::int64_t i = 0; i < n; ++i) found.push_back(axis.stride < 0 ? -axis.stride : i + 1);
  const char* text = "x && y - 1";
  if (n > 0 &&
      axis.extent != 1)
    wait(text);
  event.record(stream);
  return std::min(n, axis.extent);
}
'''


class Operators(unittest.TestCase):
    def setUp(self):
        self.found = operators.mutations_of("f.cpp", SOURCE)

    def kinds(self, code):
        return [mutation.kind for mutation in self.found if code in mutation.code]

    def test_comments_texts_includes_and_templates_are_left_alone(self):
        self.assertEqual([each for each in self.found if each.begin < SOURCE.index("f(const")], [])
        self.assertEqual(self.kinds("std::vector<int>"), [])
        self.assertEqual(self.kinds("const char* text"), [])

    def test_each_place_is_found(self):
        self.assertEqual(self.kinds("for (").count("< is <="), 2)
        self.assertEqual(set(self.kinds("for (")), {"< is <=", "sign lost", "+ 1 dropped", "statement dropped"})
        self.assertEqual(self.kinds("return std::min"), ["min is max"])
        self.assertEqual(self.kinds("event.record(stream);"), ["statement dropped"])

    def test_a_mutant_differs_in_one_place(self):
        def mutant(kind, nth=0):
            return [each.apply(SOURCE) for each in self.found if each.kind == kind][nth]
        self.assertIn("axis.stride < 0 ? axis.stride : i + 1", mutant("sign lost"))
        self.assertIn("if (false && (n > 0 &&\n      axis.extent != 1))", mutant("never"))
        self.assertIn("    wait(text);\n  ;\n", mutant("statement dropped", -1))

    def test_names_of_mutations_are_their_own_and_do_not_move(self):
        names = [mutation.id for mutation in self.found]
        self.assertEqual(len(names), len(set(names)))
        moved = operators.mutations_of("f.cpp", "\n\n" + SOURCE)
        self.assertEqual(names, [mutation.id for mutation in moved])
        self.assertEqual(operators.sample(self.found, 5), operators.sample(self.found, 8)[:5])


class Runs(unittest.TestCase):
    def test_there_is_one_at_a_time(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder) / "mutation"
            first = mutate.only_run(folder)
            with self.assertRaisesRegex(SystemExit, "another run is under way"):
                mutate.only_run(folder)
            first.close()
            mutate.only_run(folder).close()


class Tables(unittest.TestCase):
    def test_most_mutations_apply(self):
        found, wrong, _ = mutate.all_mutations(1000)
        for message in wrong:
            print("no longer applies:", message)  # whoever runs mutants next mends it
        self.assertGreater(len(found), 200)
        self.assertLess(len(wrong), len(found) / 20)

    def test_each_source_has_tests(self):
        for file in mutate.mutations.FILES:
            self.assertTrue(mutate.programs_of(file), file)

    def test_what_is_equivalent_says_why(self):
        for file, kind, code, why in equivalents.TABLE:
            self.assertGreater(len(why), 15, f"{file}: {kind}: {code}")


if __name__ == "__main__":
    unittest.main()
