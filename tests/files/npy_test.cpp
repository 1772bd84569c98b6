#include "host/files/npy.hpp"

#include <multibuffer/error.hpp>
#include <multibuffer/reference.hpp>

#include "tests/testing/foreign_locale.hpp"
#include "tests/testing/scratch.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace multibuffer::files {
namespace {

using multibuffer::testing::as_bytes;
using multibuffer::testing::bytes_of;
using multibuffer::testing::expect_error;
using multibuffer::testing::npy_bytes;
using multibuffer::testing::npy_bytes_of;
using multibuffer::testing::read_file;
using multibuffer::testing::Scratch;
using multibuffer::testing::write_file;

class Npy : public ::testing::Test {
 protected:
  NpyFile open(const std::string& bytes) const {
    write_file(path(), bytes);
    return NpyFile(path());
  }
  void expect_invalid(const std::string& bytes, const std::string& part) const {
    SCOPED_TRACE(part);
    expect_error(Errc::file_invalid, part, [&] { open(bytes); });
    expect_error(Errc::file_invalid, path(), [&] { open(bytes); });
  }
  void expect_type(const std::string& descr, const std::string& format, std::int64_t itemsize,
                   const std::string& rewritten) const {
    SCOPED_TRACE(descr);
    const NpyFile file =
        open(npy_bytes_of(descr, "(1,)", std::string(static_cast<std::size_t>(itemsize), 'x')));
    EXPECT_EQ(file.type().format, format);
    EXPECT_EQ(file.type().itemsize, itemsize);
    EXPECT_EQ(file.type().descr, rewritten);
    EXPECT_EQ(file.view().format().why_opaque(), "");
    EXPECT_EQ(file.view().itemsize(), itemsize);
  }
  std::string path() const { return scratch_ / "array.npy"; }

  Scratch scratch_;
};

std::string elements_of(const NpyFile& file) {
  const reference::Result result = reference::gather(file.raw_export(), {});
  return {reinterpret_cast<const char*>(result.bytes.data()), result.bytes.size()};
}

TEST_F(Npy, IsMappedAsAnArray) {
  const std::string data = bytes_of(std::vector<std::int32_t>{1, 2, 3, 4, 5, 6});
  const NpyFile file = open(npy_bytes_of("'<i4'", "(2, 3)", data));
  EXPECT_EQ(file.shape(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_FALSE(file.fortran_order());
  const ArrayView view = file.view();
  EXPECT_EQ(view.shape(), file.shape());
  EXPECT_EQ(view.layout().levels(), 0);
  EXPECT_TRUE(view.readonly());
  EXPECT_EQ(elements_of(file), data);
}

TEST_F(Npy, FortranOrderIsStrides) {
  const std::string data = bytes_of(std::vector<std::int16_t>{1, 4, 2, 5, 3, 6});
  const NpyFile file = open(npy_bytes_of("'<i2'", "(2, 3)", data, true));
  EXPECT_EQ(elements_of(file), bytes_of(std::vector<std::int16_t>{1, 2, 3, 4, 5, 6}));
}

TEST_F(Npy, HasAnyNumberOfAxes) {
  EXPECT_EQ(open(npy_bytes_of("'|u1'", "()", "x")).view().ndim(), 0);
  EXPECT_EQ(open(npy_bytes_of("'|u1'", "(3,)", "xyz")).view().ndim(), 1);
  std::string most = "(";
  for (int i = 0; i < 64; ++i) most += "1, ";
  EXPECT_EQ(open(npy_bytes_of("'|u1'", most + ")", "x")).view().ndim(), 64);
  EXPECT_EQ(open(npy_bytes_of("'<f8'", "(0, 5)", "")).view().nbytes(), 0);
}

TEST_F(Npy, ReadsEverySpellingOfAHeader) {
  const auto shape = std::vector<std::int64_t>{2};
  for (const char* header :
       {"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }          \n",
        "{\"shape\":(2,),\"descr\":\"|u1\",\"fortran_order\":False}",
        "{'descr': 'u1', 'fortran_order': False, 'shape': (2L,)}\n",
        "  { 'descr' : '<u1' , 'fortran_order' : True , 'shape' : ( 2 , ) , }"}) {
    SCOPED_TRACE(header);
    EXPECT_EQ(open(npy_bytes(header, "ab")).shape(), shape);
    EXPECT_EQ(open(npy_bytes(header, "ab", 2)).shape(), shape);
    EXPECT_EQ(open(npy_bytes(header, "ab")).type().descr, "'|u1'");
  }
}

TEST_F(Npy, TypesHaveTheirFormats) {
  expect_type("'|b1'", "?", 1, "'|b1'");
  expect_type("'|i1'", "b", 1, "'|i1'");
  expect_type("'<u2'", "H", 2, "'<u2'");
  expect_type("'>i2'", ">h", 2, "'>i2'");
  expect_type("'=u4'", "I", 4, "'<u4'");
  expect_type("'<i8'", "q", 8, "'<i8'");
  expect_type("'<f2'", "e", 2, "'<f2'");
  expect_type("'>f4'", ">f", 4, "'>f4'");
  expect_type("'<f8'", "d", 8, "'<f8'");
  expect_type("'<f16'", "g", 16, "'<f16'");
  expect_type("'>f16'", "16x", 16, "'>f16'");
  expect_type("'<c8'", "Zf", 8, "'<c8'");
  expect_type("'>c16'", ">Zd", 16, "'>c16'");
  expect_type("'<c32'", "Zg", 32, "'<c32'");
  expect_type("'|S5'", "5s", 5, "'|S5'");
  expect_type("'<U3'", "3w", 12, "'<U3'");
  expect_type("'>U3'", ">3w", 12, "'>U3'");
  expect_type("'|V7'", "7x", 7, "'|V7'");
  expect_type("[('a', '|V2'), ('b', '|V3', (2,))]", "T{2x:a:(2)3x:b:}", 8,
              "[('a', '|V2'), ('b', '|V3', (2,))]");
}

TEST_F(Npy, DatesKeepTheirUnits) {
  expect_type("'<M8[ns]'", "datetime64[ns]", 8, "'<M8[ns]'");
  expect_type("'>m8[25s]'", ">timedelta64[25s]", 8, "'>m8[25s]'");
  expect_type("'<M8'", "datetime64", 8, "'<M8'");
  expect_type("'M8[generic]'", "datetime64", 8, "'<M8'");
  expect_type("'m8[1D]'", "timedelta64[D]", 8, "'<m8[D]'");
  expect_type("'datetime64[02h]'", "datetime64[2h]", 8, "'<M8[2h]'");
  expect_type("'M8[2147483647as]'", "datetime64[2147483647as]", 8, "'<M8[2147483647as]'");
  expect_type("'M8[25\\u03bcs]'", "datetime64[25us]", 8, "'<M8[25us]'");
  expect_type("[('t', '<M8[s]'), ('n', '>m8')]", "T{^datetime64[s]:t:>timedelta64:n:}", 16,
              "[('t', '<M8[s]'), ('n', '>m8')]");
}

TEST_F(Npy, NumPysOtherNamesOfTypesAreRead) {
  expect_type("'float32'", "f", 4, "'<f4'");
  expect_type("'bool'", "?", 1, "'|b1'");
  expect_type("'int'", "q", 8, "'<i8'");
  expect_type("'uint16'", "H", 2, "'<u2'");
  expect_type("'complex128'", "Zd", 16, "'<c16'");
  expect_type("'longdouble'", "g", 16, "'<f16'");
  expect_type("'>d'", ">d", 8, "'>f8'");
  expect_type("'?'", "?", 1, "'|b1'");
  expect_type("'b'", "b", 1, "'|i1'");
  expect_type("'<L'", "Q", 8, "'<u8'");
  expect_type("'c'", "1s", 1, "'|S1'");
  expect_type("[('a', 'float16'), ('b', 'S3')]", "T{^e:a:3s:b:}", 5,
              "[('a', '<f2'), ('b', '|S3')]");
}

TEST_F(Npy, StructsHaveTheirFormats) {
  expect_type("[('a', '<i4'), ('b', '>f8')]", "T{^i:a:>d:b:}", 12, "[('a', '<i4'), ('b', '>f8')]");
  expect_type("[('a', '|u1'), ('', '|V3'), ('b', '<f4', (2, 3))]", "T{B:a:3x(2,3)^f:b:}", 28,
              "[('a', '|u1'), ('', '|V3'), ('b', '<f4', (2, 3))]");
  expect_type("[('n', [('x', '<U2'), ('y', '<i2', (4,))]), ('z', '|S3')]",
              "T{T{^2w:x:(4)^h:y:}:n:3s:z:}", 19,
              "[('n', [('x', '<U2'), ('y', '<i2', (4,))]), ('z', '|S3')]");
  expect_type("[(('a title', 'a'), '<i8')]", "T{^q:a:}", 8, "[(('a title', 'a'), '<i8')]");
  expect_type("[('it\\'s', '<i8'), (\"b\", '<i8', 2)]", "T{^q:it's:(2)^q:b:}", 24,
              "[('it\\'s', '<i8'), ('b', '<i8', (2,))]");
  // Latin-1 in the file, UTF-8 here.
  expect_type("[('\xe9', '<i8')]", "T{^q:\xc3\xa9:}", 8, "[('\xc3\xa9', '<i8')]");
  expect_type("[('\\xe9\\t\\x85', '<i8')]", "T{^q:\xc3\xa9\t\xc2\x85:}", 8,
              "[('\xc3\xa9\\x09\\x85', '<i8')]");
}

TEST_F(Npy, StructsAreReadInAllWaysThatNumPyTakes) {
  expect_type("[(u'a', u'<i4'), [r'b', 'f8']]", "T{^i:a:^d:b:}", 12,
              "[('a', '<i4'), ('b', '<f8')]");
  expect_type("[('a' 'b', '<i4', [2])]", "T{(2)^i:ab:}", 8, "[('ab', '<i4', (2,))]");
  expect_type("[('a', ('<i2', (2,)), 3)]", "T{(3,2)^h:a:}", 12, "[('a', '<i2', (3, 2))]");
  expect_type("[('a', '<i2', 1)]", "T{^h:a:}", 2, "[('a', '<i2')]");
  expect_type("[((None, 'a'), '<i2')]", "T{^h:a:}", 2, "[('a', '<i2')]");
  expect_type("[((7, 'a'), '<i2')]", "T{^h:a:}", 2, "[((7, 'a'), '<i2')]");
  expect_type("[('', '<i4'), ('b', '<i4')]", "T{4x^i:b:}", 8, "[('', '<i4'), ('b', '<i4')]");
  expect_type("[('', '|V2'), ('', '|V3'), ('a', '|u1')]", "T{2x3xB:a:}", 6,
              "[('', '|V2'), ('', '|V3'), ('a', '|u1')]");
  expect_type("[('none', '|S0'), ('a', '<i2', (0,)), ('b', '|u1')]", "T{B:b:}", 1,
              "[('none', '|S0'), ('a', '<i2', (0,)), ('b', '|u1')]");
  expect_type("('<f4', ())", "f", 4, "'<f4'");
  expect_type("('<f4', (1, 1))", "f", 4, "'<f4'");
}

TEST_F(Npy, FieldsThatFormatsCannotNameMakeOpaqueElements) {
  expect_type("[('a\\0b', '<i2')]", "2x", 2, "[('a\\x00b', '<i2')]");
  expect_type("[('\\ud800', '<i2')]", "2x", 2, "[('\\ud800', '<i2')]");
  // Found by fuzzing: what follows a colon in a format is another field.
  expect_type("[('a:0b:c', '<i2')]", "2x", 2, "[('a:0b:c', '<i2')]");
  expect_type("[('n', [('\\udfff', '<i2')])]", "T{2x:n:}", 2, "[('n', [('\\udfff', '<i2')])]");
}

TEST_F(Npy, ElementsMayHaveNoBytes) {
  for (const char* descr : {"'|S0'", "'<U0'", "'|V0'", "'S'", "'str'", "[]"}) {
    SCOPED_TRACE(descr);
    const NpyFile file = open(npy_bytes_of(descr, "(2, 3)", ""));
    EXPECT_EQ(file.type().itemsize, 0);
    EXPECT_EQ(file.view().shape(), (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(elements_of(file), std::string(6, '\0'));  // one that stands for each
  }
  EXPECT_EQ(open(npy_bytes_of("'|S0'", "(1099511627776, 1048576)", "")).view().ndim(), 2);
}

TEST_F(Npy, Version3IsUtf8) {
  const std::string header =
      "{'descr': [('\xe4\xb8\xad', '<i2')], 'fortran_order': False, "
      "'shape': (1,), }\n";
  const NpyFile file = open(npy_bytes(header, "xy", 3));
  EXPECT_EQ(file.type().format, "T{^h:\xe4\xb8\xad:}");
  EXPECT_EQ(file.type().descr, "[('\xe4\xb8\xad', '<i2')]");
  for (const char* const not_utf8 :
       {"\xff", "\xed\xa0\x80", "\xc0\x80", "\xe4\xb8", "\xf5\x80\x80\x80"}) {
    std::string other = header;
    other.replace(other.find("\xe4"), 3, not_utf8);
    expect_invalid(npy_bytes(other, "xy", 3), "a header that is not UTF-8");
  }
  expect_invalid(npy_bytes("{'descr': '|u1', 'fortran_order': False, 'shape': (1L,)}", "x", 3),
                 "a number that is no integer");
}

TEST_F(Npy, HeadersAreWrittenInTheFirstVersionThatCanSayThem) {
  const auto written = [&](const std::string& descr) {
    WholeFile out(path());
    write_npy(out, descr, std::vector<std::int64_t>{1}, false, as_bytes("xy"));
    out.commit();
    return read_file(path());
  };
  const std::string latin1 = written("[('\xc3\xa9', '<i2')]");
  EXPECT_EQ(latin1[6], 1);
  EXPECT_NE(latin1.find("[('\xe9', '<i2')]"), std::string::npos);
  EXPECT_EQ(NpyFile(path()).type().descr, "[('\xc3\xa9', '<i2')]");
  const std::string utf8 = written("[('\xe4\xb8\xad', '<i2')]");
  EXPECT_EQ(utf8[6], 3);
  EXPECT_EQ(utf8.size() % 64, 2U);
  EXPECT_EQ(NpyFile(path()).type().descr, "[('\xe4\xb8\xad', '<i2')]");
  EXPECT_EQ(written("[('\\ud800', '<i2')]")[6], 1);
}

TEST_F(Npy, WhatFollowsTheArrayIsNoPartOfIt) {
  const std::string data = bytes_of(std::vector<std::int32_t>{1, 2, 3});
  const NpyFile file = open(npy_bytes_of("'<i4'", "(3,)", data + "and more"));
  EXPECT_EQ(file.view().nbytes(), 12);
  EXPECT_EQ(elements_of(file), data);
}

TEST_F(Npy, NamesThatFormatsCannotHoldMakeOpaqueElements) {
  const NpyFile file = open(npy_bytes_of("[('a:b', '<i2')]", "(1,)", "xy"));
  EXPECT_EQ(file.view().format().text(), "2x");
  EXPECT_EQ(elements_of(file), "xy");
}

TEST_F(Npy, WhatIsWrittenIsRead) {
  const std::string data = bytes_of(std::vector<double>{1, 2, 3, 4, 5, 6});
  for (const bool fortran_order : {false, true}) {
    {
      WholeFile out(path());
      write_npy(out, "'<f8'", std::vector<std::int64_t>{2, 3}, fortran_order, as_bytes(data));
      out.commit();
    }
    const NpyFile file(path());
    EXPECT_EQ(file.shape(), (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(file.fortran_order(), fortran_order);
    EXPECT_EQ(file.type().descr, "'<f8'");
    const std::string bytes = read_file(path());
    EXPECT_EQ((bytes.size() - data.size()) % 64, 0U);
    EXPECT_EQ(bytes.substr(bytes.size() - data.size()), data);
    EXPECT_EQ(bytes[bytes.size() - data.size() - 1], '\n');
  }
}

TEST_F(Npy, LongHeadersAreWrittenAsVersion2) {
  std::string descr = "[";
  for (int i = 0; i < 5000; ++i) descr += "('field_" + std::to_string(i) + "', '|u1'), ";
  descr += "('last', '|u1')]";
  const std::string data(5001, 'x');
  {
    WholeFile out(path());
    write_npy(out, descr, std::vector<std::int64_t>{1}, false, as_bytes(data));
    out.commit();
  }
  EXPECT_EQ(read_file(path())[6], 2);
  const NpyFile file(path());
  EXPECT_EQ(file.type().descr, descr);
  EXPECT_EQ(file.type().itemsize, 5001);
}

TEST_F(Npy, FilesThatAreNoneAreRefused) {
  expect_invalid("", "is empty");
  expect_invalid("NUMPY without the first byte", "is no .npy file");
  expect_invalid("\x89PNG\r\n\x1a\n", "is no .npy file");
  expect_invalid("PK\x03\x04 and so on", "name an array in it (a.npz::x)");
  expect_error(Errc::file_unreadable, "No such file", [&] { NpyFile(scratch_ / "none.npy"); });
  expect_error(Errc::file_unreadable, "Is a directory", [&] { NpyFile(scratch_.path()); });
  expect_error(Errc::file_unreadable, "not a regular file", [] { NpyFile("/dev/null"); });
}

TEST_F(Npy, CutFilesAreRefused) {
  const std::string whole =
      npy_bytes_of("'<i4'", "(3,)", bytes_of(std::vector<std::int32_t>{1, 2, 3}));
  for (std::size_t size = 1; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    expect_error(Errc::file_invalid, size < 6 ? "cut in its header" : "cut",
                 [&] { open(whole.substr(0, size)); });
  }
  expect_invalid(whole.substr(0, whole.size() - 1),
                 "its shape (3,) of '<i4' needs 12 bytes after the header, and there are 11");
}

TEST_F(Npy, OtherVersionsAreRefused) {
  const std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}";
  expect_invalid(npy_bytes(header, "x", 4), "unknown .npy version 4.0");
  expect_invalid(npy_bytes(header, "x", 0), "unknown .npy version 0.0");
  std::string minor = npy_bytes(header, "x");
  minor[7] = 1;
  expect_invalid(minor, "unknown .npy version 1.1");
}

TEST_F(Npy, ObjectsAreRefused) {
  expect_invalid(npy_bytes_of("'|O'", "(1,)", "01234567"), "Python objects");
  expect_invalid(npy_bytes_of("'|O8'", "(1,)", "01234567"), "unpickling can run any code");
  expect_invalid(npy_bytes_of("[('a', '<i4'), ('b', '|O')]", "(1,)", "0"), "Python objects");
}

TEST_F(Npy, BrokenHeadersAreRefused) {
  const auto header = [](const std::string& text) { return npy_bytes(text, "x"); };
  expect_invalid(header("{'descr': '|u1', 'fortran_order': False}"), "no key 'shape'");
  expect_invalid(header("{'descr': '|u1', 'shape': (1,)}"), "no key 'fortran_order'");
  expect_invalid(header("{'fortran_order': False, 'shape': (1,)}"), "no key 'descr'");
  expect_invalid(header("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'more': 1}"),
                 "an unknown key 'more'");
  expect_invalid(header("{'descr': '|u1', 'descr': '|u1'}"), "the key 'descr' twice");
  expect_invalid(header("{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}"),
                 "neither True nor False");
  expect_invalid(header("[1, 2]"), "no dictionary");
  expect_invalid(header("{'descr': open('file')}"), "a name where a value should be");
  expect_invalid(header("{'descr': '|u1"), "a string without its end in its line at position 10");
  expect_invalid(header("{'descr' '|u1'}"), "no ':'");
  expect_invalid(header("{'descr': '|u1'} more"), "something after the end");
  expect_invalid(header("{'descr': '\\q'}"), "an escape");
  expect_invalid(header(std::string(1000, '(')), "nested too deep");
  expect_invalid(header(std::string(200, '\0')), "a NUL byte");
}

TEST_F(Npy, HeadersThatPythonDoesNotReadAreRefused) {
  const auto descr = [](const std::string& text) { return npy_bytes_of(text, "(1,)", "wxyz"); };
  const auto null = [](std::string text) {
    text[text.find('0')] = '\0';
    return text;
  };
  expect_invalid(descr("[('a\nb', '<i4')]"), "a string without its end in its line");
  expect_invalid(descr("[('a\rb', '<i4')]"), "a string without its end in its line");
  expect_invalid(descr(null("[('a0b', '<i4')]")), "a NUL byte");
  expect_invalid(descr(null("'<i4'0")), "a NUL byte");
  expect_invalid(npy_bytes_of("'|u1'", "(03,)", "xyz"), "a zero in front");
  expect_invalid(npy_bytes_of("'|u1'", "(1__0,)", "x"), "a number");
  expect_invalid(npy_bytes_of("'|u1'", "(0x,)", "x"), "a number");
  expect_invalid(npy_bytes_of("'|u1'", "(--1,)", "x"), "no number");
  expect_invalid(descr("b'<i4'"), "a name where a value should be");
  expect_invalid(descr("[('\\ud8', '<i4')]"), "an escape that is no character");
  expect_invalid(descr("[('\\U00110000', '<i4')]"), "an escape that is no character");
  EXPECT_EQ(open(npy_bytes_of("'|u1'", "(00, 0x1_0, 0o7, 0b1, 1_0)", "")).shape(),
            (std::vector<std::int64_t>{0, 16, 7, 1, 10}));
  open(npy_bytes("\n{ # a comment\n'descr': '|u1', 'fortran_order': False, 'shape': (1,)} # too",
                 "x"));
}

TEST_F(Npy, NamesAndTitlesAreAllDifferent) {
  const auto refused = [&](const std::string& descr) {
    expect_invalid(npy_bytes_of(descr, "(1,)", "abcdefgh"), "twice");
  };
  refused("[('a', '<i4'), ('a', '<i4')]");
  refused("[('a', '<i4'), ('\\x61', '<i4')]");
  refused("[(('t', 'a'), '<i4'), (('t', 'b'), '<i4')]");
  refused("[(('a', 'a'), '<i4')]");
  refused("[(('b', 'a'), '<i4'), ('b', '<i4')]");
  refused("[('', '<i4'), ('', '<i4')]");
  refused("[('n', [('a', '|u1'), ('a', '|u1')]), ('b', '|u1')]");
  open(npy_bytes_of("[('n', [('a', '<i4')]), ('a', '<i4')]", "(1,)", "abcdefgh"));
}

TEST_F(Npy, MessagesAreShortHoweverLongTheHeaderIs) {
  const std::string name(1'000'000, 'k');
  const auto expect_short = [&](const std::string& bytes, const std::string& part) {
    expect_invalid(bytes, part);
    try {
      open(bytes);
    } catch (const Error& error) {
      EXPECT_LT(std::string(error.what()).size(), 600U);
    }
  };
  const auto header = [](const std::string& text) { return npy_bytes(text, "x", 2); };
  const std::string rest = "'fortran_order': False, 'shape': (1,)}";
  expect_short(header("{'" + name + "': 1}"), "... (1000002 bytes)");
  expect_short(header("{'descr': '" + name + "', " + rest), "unknown element type 'kkk");
  expect_short(header("{'descr': 'O" + name + "', " + rest), "Python objects");
  expect_short(header("{'descr': [('" + name + "', '<i4')], " + rest), "cut: its shape (1,)");
  expect_short(header("{'descr': [('" + name + "', 'i4'), ('" + name + "', 'i4')], " + rest),
               "twice");
  expect_short(npy_bytes(std::string(5'000'000, ' '), "x", 2), "a header of 5000000 bytes");
}

TEST_F(Npy, BrokenShapesAreRefused) {
  expect_invalid(npy_bytes_of("'|u1'", "5", "x"), "a 'shape' that is no tuple");
  expect_invalid(npy_bytes_of("'|u1'", "(1)", "x"), "a 'shape' that is no tuple");
  expect_invalid(npy_bytes_of("'|u1'", "(1.5,)", "x"), "a number that is no integer");
  expect_invalid(npy_bytes_of("'|u1'", "('1',)", "x"), "a 'shape' not of integers");
  expect_invalid(npy_bytes_of("'|u1'", "(-1,)", "x"), "a negative number in 'shape'");
  expect_invalid(npy_bytes_of("'|u1'", "(99999999999999999999,)", "x"), "does not fit in 64 bits");
  expect_invalid(npy_bytes_of("'<f8'", "(4294967296, 4294967296)", "x"), "does not fit in 64 bits");
  expect_invalid(npy_bytes_of("'<f8'", "(0, 4294967296, 4294967296)", ""), "does not fit");
  std::string too_many = "(";
  for (int i = 0; i < 65; ++i) too_many += "1, ";
  expect_invalid(npy_bytes_of("'|u1'", too_many + ")", "x"), "65 axes");
}

TEST_F(Npy, UnknownTypesAreRefused) {
  for (const char* descr :
       {"'<f3'",     "'<i16'",     "'|b2'",     "'t4'",       "''",         "'<'",
        "'<f4x'",    "'<f-4'",     "'Float32'", "'<M4'",      "'<i4[ns]'",  "'<M8[xx]'",
        "'<M8['",    "'<M8[]'",    "'<M8[ns'",  "'<M8[ns]]'", "'<M8[-1s]'", "'<M8[2147483648s]'",
        "'M8[ ns]'", "'>float32'", "'f4,i4'",   "'(2,)f4'",   "'g16'"}) {
    expect_invalid(npy_bytes_of(descr, "(1,)", "x"), "unknown element type");
  }
  expect_invalid(npy_bytes_of("'<U4611686018427387904'", "(1,)", ""), "does not fit in 64 bits");
  expect_invalid(npy_bytes_of("('<f4', (2,))", "(1,)", ""), "elements that are arrays themselves");
  expect_invalid(npy_bytes_of("('<f4',)", "(1,)", ""), "no (type, shape)");
  expect_invalid(npy_bytes_of("[('a',)]", "(1,)", ""), "no (name, type)");
  expect_invalid(npy_bytes_of("[(1, '<i4')]", "(1,)", ""), "name is no string");
  expect_invalid(npy_bytes_of("[('a', '<i4', (-1,))]", "(1,)", ""), "no tuple of sizes");
  expect_invalid(npy_bytes_of("[('a', '<i4', 'x')]", "(1,)", ""), "shape is no tuple");
  expect_invalid(npy_bytes_of("7", "(1,)", ""), "neither a string nor a list");
}

TEST_F(Npy, HeadersNeverFollowTheGlobalLocale) {
  const multibuffer::testing::ForeignLocale foreign;
  const std::string data(2 * 3000, 'x');
  {
    WholeFile file(path());
    write_npy(file, "'|S3000'", std::vector<std::int64_t>{2}, false, as_bytes(data), {});
    file.commit();
  }
  EXPECT_NE(read_file(path()).find("{'descr': '|S3000', 'fortran_order': False, 'shape': (2,), }"),
            std::string::npos);
  expect_type("'<U1024'", "1024w", 4096, "'<U1024'");
  expect_type("[('a', '<i4', (1000, 2))]", "T{(1000,2)^i:a:}", 8000, "[('a', '<i4', (1000, 2))]");
  expect_invalid(npy_bytes_of("'<i4'", "(1234567,)", ""),
                 "(1234567,) of '<i4' needs 4938268 bytes after the header");
}

TEST_F(Npy, AnyOneWrongByteIsReadOrRefused) {
  const std::string whole =
      npy_bytes_of("[('a', '<i4'), ('b', '>f4', (2,))]", "(2, 1)", std::string(24, 'x'));
  for (std::size_t i = 0; i < whole.size() - 24; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      try {
        const NpyFile file = open(bytes);
        EXPECT_LE(file.view().nbytes(), 24);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::file_invalid) << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace multibuffer::files
