"""Elements converted as they are gathered: what NumPy, torch and the reference make of them."""

import unittest

import multibuffer
from support import DEVICE, needs, optional_import, require_device, upload

numpy = optional_import("numpy")
torch = optional_import("torch")

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
REALS = ["float16", "float32", "float64"]


def setUpModule():
    require_device()


def rows_of(dtype, generator, count=7, length=33):
    """Rows of numbers that every kind holds or wraps, each in memory of its own."""
    if numpy.dtype(dtype).kind == "c":
        return [(generator.normal(size=length) + 1j * generator.normal(size=length)).astype(dtype)
                for _ in range(count)]
    if numpy.dtype(dtype).kind == "f":
        return [(generator.normal(size=length) * 50).clip(0, 120).astype(dtype)
                for _ in range(count)]
    bits = generator.integers(0, 256, (count, length * numpy.dtype(dtype).itemsize), numpy.uint8)
    if dtype == "bool":
        bits &= 1
    return [row.copy().view(dtype) for row in bits]


@needs(numpy, "NumPy")
class LikeNumPy(unittest.TestCase):
    def setUp(self):
        self.generator = numpy.random.default_rng(1)

    def check(self, result, expected):
        self.assertEqual(result.dtype, expected.dtype.name)
        self.assertEqual(result.shape, expected.shape)
        self.assertEqual(result.tobytes(), expected.tobytes())

    def test_every_pair_of_dtypes(self):
        for source in ["bool", *INTEGERS, *REALS]:
            rows = rows_of(source, self.generator)
            array = upload(rows)
            for target in ["bool", *INTEGERS, *REALS, "complex64", "complex128"]:
                if source in INTEGERS and numpy.dtype(source).itemsize > 2 and target == "float16":
                    continue  # NumPy rounds integers twice: see test_numbers_are_rounded_once
                with self.subTest(f"{source} to {target}"):
                    self.check(array.astype(target), numpy.array(rows).astype(target))
                    self.check(array.take([5, -1, 5], dtype=target),
                               numpy.array(rows)[[5, -1, 5]].astype(target))

    def test_byte_orders(self):
        for source, target in [(">f4", "float16"), (">i2", "float32"), (">f8", ">f4"),
                               ("<u4", ">u4"), (">c8", "complex128")]:
            with self.subTest(f"{source} to {target}"):
                rows = [row.astype(source) for row in rows_of(source[1:], self.generator)]
                result = upload(rows)[::-1, ::3].astype(target)
                expected = numpy.array(rows)[::-1, ::3].astype(target)
                self.assertEqual(result.tobytes(), expected.tobytes())
                self.assertEqual(numpy.dtype(result.dtype), expected.dtype)

    def test_native_is_one_pass_of_the_same(self):
        rows = [row.astype(">f8") for row in rows_of("f8", self.generator)]
        self.check(upload(rows).T.native(), numpy.array(rows).T.astype("f8"))
        self.check(upload(rows).copy().native(), numpy.array(rows).astype("f8"))

    def test_numbers_are_rounded_once(self):
        # Beside halfway between two halves: a float cannot tell.
        doubles = numpy.array([1 + 2**-11, 1 + 2**-11 + 2**-40, 1 + 2**-11 - 2**-40, 65519.999, 65520])
        self.check(upload(doubles).astype("float16"), doubles.astype("float16"))
        integers = numpy.array([2**24 + 1, 2053, 2051, -2049, 65519, 65520, 10**15], "i8")
        self.check(upload(integers).astype("float16"), integers.astype("f8").astype("float16"))
        self.check(upload(integers).astype("float32"), integers.astype("float32"))

    def test_integers_saturate_where_asked(self):
        for source in INTEGERS:
            rows = rows_of(source, self.generator)
            for target in INTEGERS:
                limits = numpy.iinfo(target)
                exact = [[min(max(int(value), limits.min), limits.max) for value in row]
                         for row in rows]
                with self.subTest(f"{source} to {target}"):
                    self.check(upload(rows).astype(target, saturate=True),
                               numpy.array(exact, target))

    def test_reals_beyond_integers(self):
        reals = numpy.array([300, -300, numpy.inf, -numpy.inf, numpy.nan, -0.9, 1e20], "f8")
        self.assertEqual(upload(reals).astype("uint8").tolist(), [255, 0, 255, 0, 0, 0, 255])
        self.assertEqual(upload(reals).astype("int64").tolist(),
                         [300, -300, 2**63 - 1, -2**63, 0, 0, 2**63 - 1])
        self.assertEqual(upload(reals).astype(bool).tolist(), [True] * 7)

    def test_into_memory_that_is_there(self):
        rows = rows_of("int32", self.generator)
        out = numpy.full((33, 14), -1, "f4")
        upload(rows).T.astype("f4", out=out[:, ::2])
        self.assertEqual(out[:, ::2].tobytes(), numpy.array(rows).T.astype("f4").tobytes())
        self.assertTrue((out[:, 1::2] == -1).all())
        with self.assertRaisesRegex(ValueError, "out has format"):
            upload(rows).astype("f8", out=numpy.empty((7, 33), "f4"))

    def test_orders_and_coordinates(self):
        rows = rows_of("uint16", self.generator)
        array, expected = upload(rows), numpy.array(rows)
        result = array.astype("f8", order="F")
        self.assertEqual(result.strides, (8, 56))
        self.assertEqual(result.tobytes(), expected.astype("f8").tobytes())
        self.check(array.gather([[0, 6], [32, 1]], dtype="f4"), expected[[0, 6], [32, 1]].astype("f4"))
        self.check(array.copy(dtype="u1"), expected.astype("u1"))
        self.check(array.copy().astype("u1"), expected.astype("u1"))
        self.check(array.copy().astype("u1", saturate=True), expected.clip(0, 255).astype("u1"))
        out = numpy.zeros((33, 7), "f8").T
        self.assertIs(array.astype("f8", order="F", out=out), out)
        self.assertTrue((out == expected).all())

    def test_plans(self):
        rows = rows_of("int16", self.generator)
        plan = upload(rows).plan_take([6, 0], dtype="f4")
        self.check(plan.run(), numpy.array(rows)[[6, 0]].astype("f4"))
        clipped = numpy.array(rows).clip(0, 255).astype("u1")
        self.check(upload(rows).plan_copy(dtype="u1", saturate=True).run(), clipped)
        if DEVICE == "host":  # a plan on a GPU cannot write to the host
            out = numpy.zeros((7, 33), "u1")
            upload(rows).plan_copy(out=out, dtype="u1", saturate=True).run()
            self.assertTrue((out == clipped).all())
        plan = upload(rows).plan_gather([[6, 0], [1, 32]], dtype="u1", saturate=True)
        self.check(plan.run(), numpy.array(rows)[[6, 0], [1, 32]].clip(0, 255).astype("u1"))

    def test_the_reference_into_memory_that_is_there(self):
        rows = rows_of("int16", self.generator)
        reference, expected = multibuffer.reference(rows), numpy.array(rows)
        out = numpy.full((7, 66), -1, "f4")
        self.assertIsNotNone(reference.astype("f4", out=out[:, ::2]))
        self.assertTrue((out[:, ::2] == expected).all())
        self.assertTrue((out[:, 1::2] == -1).all())
        result = reference.astype("u1", order="F", saturate=True)
        self.assertEqual(result.strides, (1, 7))
        self.assertEqual(result.tolist(), expected.clip(0, 255).tolist())
        out = numpy.zeros((33, 7), "f8").T
        self.assertIs(reference.astype("f8", order="F", out=out), out)
        self.assertTrue((out == expected).all())

    def test_the_reference_by_its_own_rules(self):
        for source in ["int64", "float64", "float32", "uint16"]:
            rows = [row.view(source) for row in rows_of("uint8", self.generator, 5, 64)]
            for target in ["float16", "bfloat16", "float32", "int16", "complex64", ">i4"]:
                with self.subTest(f"{source} to {target}"):
                    result = upload(rows).take([3, 0], dtype=target, saturate=True)
                    reference = multibuffer.reference(rows)
                    self.assertTrue(multibuffer.verify(
                        result, reference.take([3, 0], dtype=target, saturate=True)))
                    self.assertTrue(multibuffer.verify(
                        upload(rows).T.astype(target), reference.T.astype(target)))


def fma(elements, scale, bias, axis):
    """The definition: exact products and sums of float32, rounded once, with one NaN. NumPy has no
    fma; a long double has 64 digits, and the elements here need no more."""
    def along(numbers, neutral):
        numbers = numpy.float32(neutral if numbers is None else numbers)
        shape = [1] * elements.ndim
        if numbers.ndim:
            shape[axis] = numbers.size
        return numbers.reshape(shape).astype("longdouble")
    with numpy.errstate(all="ignore"):
        exact = elements.astype("f4").astype("longdouble") * along(scale, 1) + along(bias, -0.0)
        result = numpy.array(exact.astype("f4"), order="C", ndmin=1)
    result[numpy.isnan(result)] = numpy.uint32(0x7fc00000).view("f4")
    return result.reshape(elements.shape)


@needs(numpy, "NumPy")
class Scaled(unittest.TestCase):
    def setUp(self):
        generator = numpy.random.default_rng(2)
        self.images = generator.integers(0, 256, (5, 9, 11, 3), numpy.uint8)
        self.scale = (1 / numpy.array([58.395, 57.12, 57.375])).astype("f4")
        self.bias = (-numpy.array([123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]).astype("f4")

    def check(self, result, expected):
        self.assertEqual(result.dtype, "float32")
        self.assertEqual(result.shape, expected.shape)
        self.assertEqual(result.tobytes(), expected.tobytes())

    def test_channels_of_images_in_either_order(self):
        array = upload(list(self.images))
        last = fma(self.images, self.scale, self.bias, 3)
        self.check(array.astype("f4", scale=self.scale, bias=self.bias), last)
        self.check(array.transpose(0, 3, 1, 2).astype("f4", scale=self.scale, bias=self.bias,
                                                      channel_axis=1),
                   last.transpose(0, 3, 1, 2))
        self.check(array[..., ::-1].copy(dtype="f4", scale=self.scale, bias=self.bias),
                   fma(self.images[..., ::-1], self.scale, self.bias, 3))
        self.check(array.take([4, 0, 4], dtype="f4", scale=self.scale), # no bias
                   fma(self.images[[4, 0, 4]], self.scale, None, 3))
        self.check(array.take([2, 1, 0], axis=3, dtype="f4", scale=self.scale, bias=0.5),
                   fma(self.images[..., [2, 1, 0]], self.scale, 0.5, 3))
        self.check(array.gather([[0, 4, -1], [8, 0, 1]], dtype="f4", bias=self.bias),
                   fma(self.images[[0, 4, -1], [8, 0, 1]], None, self.bias, 2))

    def test_one_number_and_lists(self):
        array = upload(self.images[0, 0, :, 0])
        expected = fma(self.images[0, 0, :, 0], 1 / 255, None, 0)
        for scale in (1 / 255, [1 / 255], (1 / 255,), numpy.float32(1 / 255),
                      numpy.array(1 / 255), numpy.array([1 / 255] * 11)):
            self.check(array.astype("f4", scale=scale), expected)
        self.check(upload(self.images)[0, 0, 0, 0].astype("f4", scale=2, bias=1),
                   fma(self.images[0, 0, 0, 0], 2, 1, 0))

    @needs(torch, "torch")
    def test_numbers_of_torch(self):
        array = upload(self.images)
        self.check(array.astype("f4", scale=torch.tensor(self.scale), bias=torch.tensor(0.25)),
                   fma(self.images, self.scale, 0.25, 3))

    def test_numbers_that_are_easily_got_wrong(self):
        special = numpy.array([0.0, -0.0, numpy.inf, -numpy.inf, numpy.nan, -numpy.nan, 1e-45,
                               -1e-45, 1.2e-38, 3.4e38, 1 + 2**-23, -1.5], "f4")
        special.view("u4")[5] = 0xffa00001  # a NaN that signals
        with numpy.errstate(all="ignore"):
            sources = [special, *(special.astype(dtype) for dtype in (">f4", "f2", "f8"))]
        for source in sources:
            array = upload(source)
            for scale in (None, 1, -1, 0.5, 3e38, 1e-38, 0, -0.0, numpy.inf, numpy.nan):
                for bias in (None, 0.0, -0.0, 1, -3.4e38, 1e-45, numpy.inf, numpy.nan):
                    if scale is None and bias is None:
                        continue
                    with self.subTest(f"{source.dtype} * {scale} + {bias}"):
                        expected = fma(source, scale, bias, 0)
                        self.check(array.astype("f4", scale=scale, bias=bias), expected)
                        self.check(multibuffer.reference(source).astype("f4", scale=scale,
                                                                        bias=bias), expected)

    def test_into_memory_that_is_there_and_other_orders(self):
        array = upload(list(self.images))
        expected = fma(self.images, self.scale, self.bias, 3)
        out = numpy.full((5, 9, 11, 6), -1, "f4")
        self.assertIs(array.copy(out=out[..., ::2], dtype="f4", scale=self.scale,
                                 bias=self.bias).__class__, numpy.ndarray)
        self.assertEqual(out[..., ::2].tobytes(), expected.tobytes())
        self.assertTrue((out[..., 1::2] == -1).all())
        self.check(array.copy("F", dtype="f4", scale=self.scale, bias=self.bias), expected)
        swapped = array.astype(">f4", scale=self.scale, bias=self.bias)
        self.assertEqual(swapped.tobytes(), expected.astype(">f4").tobytes())

    def test_plans_pieces_and_the_reference(self):
        array, rows = upload(list(self.images)), list(self.images)
        arguments = {"dtype": "f4", "scale": self.scale, "bias": self.bias}
        whole = fma(self.images, self.scale, self.bias, 3)
        self.check(array.plan_copy(**arguments).run(), whole)
        self.check(array.plan_take([1, 3], **arguments).run(), whole[[1, 3]])
        self.check(array.plan_gather([[1], [2]], **arguments).run(), whole[[1], [2]])
        self.check(multibuffer.gather_in_pieces(rows, device=DEVICE, memory_limit=20_000,
                                                **arguments), whole)
        self.check(multibuffer.gather_in_pieces(rows, (slice(None), [3, 0]), device=DEVICE,
                                                memory_limit=20_000, **arguments), whole[:, [3, 0]])
        reference = multibuffer.reference(rows)
        self.check(reference.copy(**arguments), whole)
        self.check(reference.take([1, 3], **arguments), whole[[1, 3]])
        self.check(reference.transpose(3, 0, 1, 2).copy(**{**arguments, "channel_axis": 0}),
                   whole.transpose(3, 0, 1, 2))

    def test_datasets(self):
        dataset = multibuffer.open(list(self.images[:, None])).on(DEVICE)
        arguments = {"dtype": "f4", "scale": self.scale, "bias": self.bias}
        whole = fma(self.images, self.scale, self.bias, 3)
        self.check(dataset.copy(**arguments), whole)
        self.check(dataset.take([4, 0], **arguments), whole[[4, 0]])
        self.check(dataset.transpose(0, 3, 1, 2).astype(channel_axis=1, **arguments),
                   whole.transpose(0, 3, 1, 2))

    def test_what_has_no_meaning(self):
        for array in (upload(list(self.images)), multibuffer.reference(list(self.images))):
            for arguments, error, words in [
                    ({"scale": [1, 2]}, ValueError, "2 factors.* axis 3 .* extent is 3"),
                    ({"bias": [1] * 4, "channel_axis": 1}, ValueError, "4 .* axis 1 .* extent is 9"),
                    ({"bias": [1] * 4, "channel_axis": 4}, ValueError, "axis 4 "),
                    ({"scale": []}, ValueError, "scale has no numbers"),
                    ({"scale": 1e39}, ValueError, "scale has a number beyond float32: 1e\\+39"),
                    ({"scale": "1"}, TypeError, "scale must be a number, or a list.*not str"),
                    ({"bias": ["1"]}, TypeError, "bias must be real number, not str"),
                    ({"bias": [[1, 2, 3]]}, TypeError, "bias must be numbers along one axis"),
                    ({"bias": self.scale.reshape(3, 1)}, TypeError, "along one axis"),
                    ({"scale": 1j}, TypeError, "scale must be real number"),
                    ({"scale": 1, "dtype": "f2"}, TypeError, "becomes? float32"),
                    ({"scale": 1, "dtype": "u1"}, TypeError, "becomes? float32"),
                    ({"scale": 1, "dtype": None}, TypeError, "becomes? float32")]:
                with self.subTest(arguments), self.assertRaisesRegex(error, words):
                    array.copy(**{"dtype": "f4", **arguments})
        with self.assertRaisesRegex(TypeError, "imaginary parts"):
            upload(numpy.zeros(3, "c8")).astype("f4", scale=2)
        self.check(upload(numpy.float32([1, 2])).copy(scale=3), numpy.float32([3, 6]))


class Dtypes(unittest.TestCase):
    def test_names_and_python_types(self):
        array = upload([b"\1\2", b"\3\4"])
        for dtype, name in [("float16", "float16"), ("<i4", "int32"), ("f8", "float64"),
                            ("|u1", "uint8"), ("bool", "bool"), ("bfloat16", "bfloat16"),
                            (">i2", ">i2"), (bool, "bool"), (int, "int64"), (float, "float64"),
                            (complex, "complex128"), ("complex64", "complex64"),
                            ("torch.int8", "int8")]:
            self.assertEqual(array.astype(dtype).dtype, name)
        self.assertEqual(array.astype(float).tolist(), [[1.0, 2.0], [3.0, 4.0]])

    def test_names_that_are_asked_for_again(self):
        array = upload([b"\1\2", b"\3\4"])
        names = ["bool", *INTEGERS, *REALS, ">i2", "i1", "complex64"]
        for name in names * 20:
            made = "".join(list(name))  # a str of its own, in memory that another one had
            self.assertEqual(array.astype(made).dtype, array.astype(name).dtype)
            self.assertEqual(array.copy(dtype=made).itemsize, array.astype(name).itemsize)

    def test_what_a_class_is_called_now(self):
        class Named:
            pass

        class Str(str):
            pass

        array = upload([b"\1\2"])
        for name in ["float32", "int16", "float32"]:
            Named.__name__ = name
            self.assertEqual(array.astype(Named).dtype, name)
            self.assertEqual(array.astype(Str(name)).dtype, name)

    def test_what_is_none(self):
        array = upload([b"ab"])
        for dtype in ["int7", "S2", "float", "half", "", "V4", "T{i:x:}", "foo.int8", "torch.int", 3,
                      object(), [("x", "f4")]]:
            with self.assertRaisesRegex(TypeError, "there are bool, int8"):
                array.astype(dtype)
        with self.assertRaisesRegex(TypeError, "name the dtype"):
            array.astype(None)
        with self.assertRaises(TypeError):
            array.copy("C", None, "f4")  # by its name alone

    @needs(numpy, "NumPy")
    def test_of_numpy(self):
        array = upload([b"\1\2"])
        for dtype in [numpy.float16, numpy.dtype("f2"), numpy.dtype(">f2")]:
            result = array.astype(dtype)
            self.assertEqual(numpy.dtype(result.dtype), numpy.dtype(dtype))
        with self.assertRaisesRegex(TypeError, "is a struct"):
            upload(numpy.zeros(3, "i4,f4")).astype("f4")
        with self.assertRaisesRegex(TypeError, "imaginary parts would be lost"):
            upload(numpy.zeros(3, "c8")).astype("f4")
        self.assertEqual(upload(numpy.zeros(3, "i4,f4"))["f0"].astype("f4").tolist(), [0, 0, 0])

    @needs(torch, "torch")
    def test_of_torch(self):
        numbers = torch.tensor([1.0, 1.00390625, 1.01171875, -3e38, 1e-40])
        result = upload(numbers).astype(torch.bfloat16)
        self.assertEqual(result.dtype, "bfloat16")
        self.assertTrue(multibuffer.verify(result, numbers.to(torch.bfloat16)))
        back = upload(numbers.to(torch.bfloat16)).astype(torch.float32)
        self.assertEqual(back.tolist(), numbers.to(torch.bfloat16).to(torch.float32).tolist())


if __name__ == "__main__":
    unittest.main()
