"""explain() and draw(): where an element is, in words and in pictures; and what plans say of themselves."""

import array
import ctypes
import json
import os
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

import multibuffer
from support import DEVICE, exporter, require_device

SVG = "{http://www.w3.org/2000/svg}"


def setUpModule():
    require_device()


def rows():
    return [array.array("i", range(10 * i, 10 * i + 4)) for i in range(3)]


def upload(obj, **options):
    return multibuffer.upload(obj, device=DEVICE, **options)


class Explain(unittest.TestCase):
    def test_steps_lead_to_the_element(self):
        explanation = multibuffer.explain(rows(), (2, -1))
        self.assertEqual(explanation.index, (2, 3))
        self.assertEqual(explanation.value, "23")
        steps = list(explanation)
        self.assertEqual([step["kind"] for step in steps],
                         ["start", "stride", "follow", "suboffset", "stride"])
        self.assertEqual(steps[1]["added"], 16)
        address = int(steps[-1]["position"], 16)
        self.assertEqual(ctypes.c_int.from_address(address).value, 23)

    def test_each_step_adds_what_it_says(self):
        for steps in (multibuffer.explain(rows(), (1, 2)).pointers,
                      multibuffer.explain(rows(), (1, 2)).offsets):
            for before, after in zip(steps, steps[1:]):
                if "added" in after:
                    position, start = (int(str(step["position"]), 0) for step in (after, before))
                    self.assertEqual(position - start, after["added"])

    def test_json_and_dict_are_the_same(self):
        explanation = multibuffer.explain(rows(), (1, 2))
        self.assertEqual(json.loads(explanation.json()), explanation.dict())
        self.assertEqual(explanation.dict()["pointers"]["steps"], list(explanation.pointers))

    def test_text_has_both_ways(self):
        text = str(multibuffer.explain(rows(), (1, 2)))
        self.assertIn("element [1, 2] of an array of shape (3, 4), format 'i': 12", text)
        self.assertIn("by the exporter's pointers", text)
        self.assertIn("by the offset arrays (packed)", text)
        self.assertFalse(text.endswith("\n"))

    def test_an_uploaded_array_is_explained_by_its_offsets(self):
        shared = rows()
        uploaded = upload([shared[0], shared[1], shared[0]], placement="packed")[::-1, 1:]
        explanation = multibuffer.explain(uploaded, (1, 2))
        self.assertIsNone(explanation.pointers)
        self.assertEqual(explanation.value, "13")
        self.assertEqual([step["kind"] for step in explanation][-1], "stride")
        self.assertIn("read the entry there (level 0)", str(explanation))

    def test_errors_are_pythons(self):
        for index, kind in (((3, 0), IndexError), ((0,), ValueError), ((0, "x"), TypeError),
                            (None, TypeError)):
            with self.assertRaises(kind):
                multibuffer.explain(rows(), index)
        with self.assertRaisesRegex(ValueError, "placement 'x'"):
            multibuffer.explain(rows(), (0, 0), placement="x")

    def test_a_null_elsewhere_is_a_note(self):
        number = ctypes.c_int(7)
        pointers = (ctypes.c_void_p * 2)(ctypes.addressof(number), None)
        source = exporter(ctypes.addressof(pointers), (2, 1), (8, 4), suboffsets=(0, -1), format="i", itemsize=4)
        explanation = multibuffer.explain(source, (0, 0))
        self.assertEqual(explanation.value, "7")
        self.assertIsNone(explanation.offsets)
        self.assertIn("NULL", explanation.notes[0])
        with self.assertRaisesRegex(BufferError, "NULL"):
            multibuffer.explain(source, (1, 0))


class Rows(unittest.TestCase):
    """Rows of unequal length."""

    def unequal(self, **options):
        rows = [array.array("i", range(10 * i, 10 * i + n)) for i, n in enumerate((3, 1, 0, 5))]
        return multibuffer.ragged(rows, device=DEVICE, **options)

    def test_an_item_is_explained_by_its_offsets(self):
        explanation = multibuffer.explain(self.unequal(placement="packed")[::-1], (0, -2))
        self.assertEqual((explanation.index, explanation.value), ((0, 3), "33"))
        self.assertIsNone(explanation.pointers)
        self.assertEqual(explanation.dict()["shape"], [4, None])
        self.assertEqual(explanation.dict()["row_length"], 5)
        self.assertIn("element [0, 3] of 4 rows of up to 5 items, format 'i': 33", str(explanation))
        for index, error in (((1, 1), IndexError), ((3, 0, 0), ValueError)):
            with self.assertRaises(error):
                multibuffer.explain(self.unequal(), index)
        with self.assertRaisesRegex(IndexError, "item 0 of row 2, whose length is 0"):
            multibuffer.explain(self.unequal(), (2, 0))

    def test_they_are_drawn_and_notebooks_show_them(self):
        rows = self.unequal(placement="packed")
        drawing = multibuffer.draw(rows, at=(3, 1))
        self.assertEqual(ElementTree.fromstring(drawing.svg).tag, SVG + "svg")
        self.assertIn("the element [3, 1]: 31", drawing.svg)
        self.assertEqual(rows._repr_svg_(), multibuffer.draw(rows).svg)
        with self.assertRaisesRegex(TypeError, "draw the slice"):
            multibuffer.draw(rows, slice(1, None))

    def test_plans_say_what_they_move_and_why(self):
        rows = self.unequal(placement="packed")
        for plan in (rows.plan_pack([3, 0]), rows.plan_pad([3, 0], length=5)):
            explanation = plan.explain(measure=True)
            self.assertEqual((explanation.rows, explanation.bytes_read), (2, 32))
            self.assertGreater(explanation.reached, 0)
            self.assertTrue(explanation.dict()["differ"])
        self.assertEqual(rows.plan_pack().explain().way, "copy" if DEVICE == "host" else "words")


class Datasets(unittest.TestCase):
    """Arrays in files, where they are."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "numbers")
        with open(self.path, "wb") as file:
            file.write(array.array("i", range(12)))
        self.dataset = multibuffer.open(self.path, dtype="int32", shape=(3, 4))

    def test_the_pointers_are_those_into_the_mapped_files(self):
        view = self.dataset[::-1, 1:]
        explanation = multibuffer.explain(view, (0, 1))
        self.assertEqual(explanation.value, "10")
        self.assertEqual([step["kind"] for step in explanation], ["start", "stride", "stride"])
        self.assertIn("the element [0, 1]: 10", multibuffer.draw(view, at=(0, 1)).svg)

    def test_what_is_not_mapped_is_refused(self):
        for call in (lambda data: multibuffer.explain(data, (0, 0)), multibuffer.draw):
            with self.assertRaisesRegex(ValueError, r"with_window\(0\) maps files"):
                call(self.dataset.with_window(64))


class Draw(unittest.TestCase):
    def parsed(self, drawing):
        tree = ElementTree.fromstring(drawing.svg)
        self.assertEqual(tree.tag, SVG + "svg")
        return tree

    def words(self, drawing):
        return [text.text for text in self.parsed(drawing).iter(SVG + "text")]

    def test_pictures_are_xml(self):
        shared = rows()
        sources = [rows(), [shared[0], shared[1], shared[0]], bytes(range(100)),
                   multibuffer.stack([multibuffer.stack(rows()), multibuffer.stack(rows())]),
                   upload(shared), b""]
        for source in sources:
            self.parsed(multibuffer.draw(source))

    def test_notebooks_get_the_same_as_files(self):
        drawing = multibuffer.draw(rows(), at=(1, 1))
        self.assertEqual(drawing._repr_svg_(), drawing.svg)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "picture.svg")
            drawing.save(path)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), drawing.svg)
            with self.assertRaises(OSError):
                drawing.save(os.path.join(folder, "missing", "picture.svg"))
        with self.assertRaises(TypeError):
            drawing.save(1)  # a descriptor is no name

    def test_notebooks_show_uploaded_arrays(self):
        uploaded = upload(rows())
        self.assertEqual(uploaded._repr_svg_(), multibuffer.draw(uploaded).svg)

    def test_the_element_is_the_one_that_is_asked_for(self):
        self.assertIn("the element [1, 2]: 12", self.words(multibuffer.draw(rows(), at=(1, 2))))
        sliced = multibuffer.draw(rows(), (slice(None, None, -1), slice(1, None)), at=(1, -1))
        self.assertIn("the element [1, 2]: 13", self.words(sliced))
        self.assertIn("the element [1, 2]: 12", self.words(multibuffer.draw(upload(rows()), at=(1, 2))))

    def test_text_of_an_exporter_is_escaped(self):
        source = array.array("i", [1])
        drawing = multibuffer.draw(source, title="<script>&\"'\x1b")
        self.assertNotIn("<script>", drawing.svg)
        self.assertIn("<script>&\"'\ufffd", self.words(drawing))

    def test_no_text_leaves_its_box_and_nothing_lies_outside(self):
        shared = rows()
        for drawing in (multibuffer.draw(rows(), at=(2, 3)),
                        multibuffer.draw([shared[0], shared[1], shared[0]], at=(1, 1)),
                        multibuffer.draw([rows()[0]] * 10_000, at=(5000, 3)),
                        multibuffer.draw(array.array("d", [1e300 / 3] * 30))):
            tree = self.parsed(drawing)
            width, height = float(tree.get("width")), float(tree.get("height"))
            boxes = [tuple(float(rect.get(side)) for side in ("x", "y", "width", "height"))
                     for rect in tree.iter(SVG + "rect")
                     if rect.get("class") in ("table", "leaf", "out", "here")]
            for x, y, w, h in boxes:
                self.assertTrue(0 <= x <= x + w <= width and 0 <= y <= y + h <= height)
            for text in tree.iter(SVG + "text"):
                left, right = self.extent(text)
                self.assertGreaterEqual(left, 0, text.text)
                self.assertLessEqual(right, width, text.text)
                y = float(text.get("y"))
                for bx, by, bw, bh in boxes:
                    if by < y - 4 < by + bh and left < bx + bw and right > bx:
                        self.assertTrue(bx <= left + 0.5 and right <= bx + bw + 0.5, text.text)

    def extent(self, text):
        width = len(text.text or "") * float(text.get("font-size")) * 0.605
        x = float(text.get("x"))
        anchor = text.get("text-anchor", "start")
        left = x if anchor == "start" else x - width / 2 if anchor == "middle" else x - width
        return left, left + width

    def test_boxes_do_not_overlap(self):
        for drawing in (multibuffer.draw(rows(), at=(2, 3)),
                        multibuffer.draw([[bytes(3), bytes(3)], [bytes(3), bytes(3)]], at=(1, 1, 2)),
                        multibuffer.draw(rows(), (slice(1, None), slice(None, None, -2)), at=(0, 1))):
            boxes = [tuple(float(rect.get(side)) for side in ("x", "y", "width", "height"))
                     for rect in self.parsed(drawing).iter(SVG + "rect")
                     if rect.get("class") in ("table", "leaf", "out", "here", "hole")]
            for i, (x, y, w, h) in enumerate(boxes):
                for x2, y2, w2, h2 in boxes[:i]:
                    apart = (x + w <= x2 + 0.2 or x2 + w2 <= x + 0.2 or
                             y + h <= y2 + 0.2 or y2 + h2 <= y + 0.2)
                    self.assertTrue(apart, (boxes[i], (x2, y2, w2, h2)))

    def test_long_axes_are_abridged(self):
        words = self.words(multibuffer.draw([bytes(64)] * 10_000, offsets=False))
        self.assertIn("… 9,992 more", words)
        self.assertLess(len(words), 600)

    def test_one_file_has_both_colour_schemes(self):
        self.assertIn("@media (prefers-color-scheme:dark)", multibuffer.draw(rows()).svg)

    def test_keys_that_select_copies_are_refused(self):
        for key in ([0, 1], "name", ["a"], (slice(None), [True] * 4)):
            with self.assertRaises(TypeError):
                multibuffer.draw(rows(), key)
        with self.assertRaises(IndexError):
            multibuffer.draw(rows(), 3)
        with self.assertRaises(IndexError):
            multibuffer.draw(rows(), at=(3, 0))

    def test_the_sign_that_breaks_others_is_shown(self):
        memory = (ctypes.c_int * 4)(3, 2, 1, 0)
        ends = [ctypes.addressof(memory) + 12] * 2
        source = multibuffer.from_pointers(ends, 4, "i", strides=-4, owner=memory)
        words = self.words(multibuffer.draw(source, (..., slice(1, None)), at=(1, 2)))
        self.assertIn("garbage: a piece of a pointer", words)
        self.assertIn("the element [1, 2]: 3", words)


class Plans(unittest.TestCase):
    def test_a_plan_says_what_it_moves_and_why(self):
        explanation = upload(rows()).plan_take([2, 0, 2]).explain()
        self.assertEqual((explanation.rows, explanation.run_bytes), (3, 16))
        self.assertEqual((explanation.bytes_read, explanation.bytes_written), (48, 48))
        self.assertTrue(0 < explanation.expected <= 1)
        self.assertIsNone(explanation.reached)
        text = str(explanation)
        for words in (explanation.way, explanation.because, "3 rows of 16 bytes"):
            self.assertIn(words, text)
        self.assertEqual(json.loads(explanation.json()), explanation.dict())
        self.assertTrue(explanation.device.startswith(DEVICE))

    def test_measuring_runs_the_plan(self):
        plan = upload(rows()).plan_take([2, 0, 2])
        explanation = plan.explain(measure=True)
        self.assertGreater(explanation.reached, 0)
        self.assertEqual(plan.result.tolist()[0], [20, 21, 22, 23])
        self.assertRegex(str(explanation), r"the plan .* % of the copy")


if __name__ == "__main__":
    unittest.main()
