#include <multibuffer/dataset.hpp>
#include <multibuffer/device.hpp>
#include <multibuffer/reference.hpp>

#include "host/files/npy.hpp"
#include "host/files/png.hpp"
#include "host/support/sanitizers.hpp"
#include "host/support/text.hpp"
#include "tests/testing/refused_calls.hpp"
#include "tests/testing/scratch.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

// The command, run as a user runs it: its words, its files and its exit status.
namespace multibuffer {
namespace {

using multibuffer::testing::as_bytes;
using multibuffer::testing::bytes_of;
using multibuffer::testing::npy_bytes;
using multibuffer::testing::npy_bytes_of;
using multibuffer::testing::read_file;
using multibuffer::testing::Scratch;
using multibuffer::testing::write_file;

using Arguments = std::vector<std::string>;
using Names = std::vector<std::string>;
using Shape = std::vector<std::int64_t>;

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

std::string command_path() {
  const char* const from_environment = std::getenv("MULTIBUFFER_COMMAND");
  return from_environment ? from_environment : MULTIBUFFER_COMMAND;
}

class Command : public ::testing::Test {
 protected:
  /// Starts the command with `before` called in the new process.
  pid_t start(
      const Arguments& arguments, const std::function<void()>& before = [] {}) const {
    std::vector<std::string> words{command_path()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t child = fork();
    if (child != 0) return child;
    const auto redirect = [&](const std::string& path, int to) {
      dup2(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), to);
    };
    redirect(logs_ / "out", STDOUT_FILENO);
    redirect(logs_ / "err", STDERR_FILENO);
    before();
    execv(argv[0], argv.data());
    _exit(127);
  }
  Outcome finish(pid_t child) const {
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_file(logs_ / "out"),
            read_file(logs_ / "err")};
  }
  Outcome run(const Arguments& arguments) const { return finish(start(arguments)); }

  /// Runs it, to fail with 2 and one message with all of `parts` in it, and to write no file.
  void expect_refused(const Arguments& arguments, const std::vector<std::string>& parts) const {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const Names before = files_.names();
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_EQ(outcome.err.rfind("multibuffer: ", 0), 0U) << outcome.err;
    for (const std::string& part : parts) expect_has(outcome.err, part);
    EXPECT_EQ(files_.names(), before);
  }
  Outcome expect_done(const Arguments& arguments) const {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome;
  }
  static void expect_has(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos)
        << "expected in it: " << part << "\nit is: " << text;
  }

  /// A .npy file of 16-bit numbers that count up from `first`.
  std::string make_npy(const std::string& name, const Shape& shape, std::int16_t first) const {
    std::int64_t size = 1;
    for (const std::int64_t extent : shape) size *= extent;
    std::vector<std::int16_t> values(static_cast<std::size_t>(size));
    std::iota(values.begin(), values.end(), first);
    write_file(files_ / name, npy_bytes_of("'<i2'", tuple_text(shape), bytes_of(values)));
    return files_ / name;
  }
  /// A picture of three channels whose bytes, in C order, are 0, 7, 14, ...
  std::string make_png(const std::string& name, std::int64_t rows, std::int64_t columns) const {
    std::string elements;
    for (std::int64_t i = 0; i < rows * columns * 3; ++i) elements += static_cast<char>(i * 7);
    files::WholeFile file(files_ / name);
    files::write_png(file, Shape{rows, columns, 3}, Format("B", 1), as_bytes(elements));
    file.commit();
    return files_ / name;
  }
  /// A .npy file of as many bytes of 0, which take no room on the disk.
  std::string make_large(const std::string& name, std::int64_t bytes) const {
    const std::string header = npy_bytes_of("'|u1'", tuple_text(Shape{bytes}), "");
    write_file(files_ / name, header);
    std::filesystem::resize_file(files_ / name, header.size() + static_cast<std::uint64_t>(bytes));
    return files_ / name;
  }
  /// Whether the command has opened the file that it writes to, by this name or another.
  bool has_output_open(pid_t child) const {
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(text("/proc/", child, "/fd"), error)) {
      const std::string target = std::filesystem::read_symlink(entry, error).string();
      if (target.starts_with(files_.path() + "/") && !target.ends_with("large.npy")) return true;
    }
    return false;
  }
  static bool has_mapped(pid_t child, const std::string& name) {
    return read_file(text("/proc/", child, "/maps")).find(name) != std::string::npos;
  }
  template <class Condition>
  static void wait_until(const Condition& condition) {
    for (int i = 0; i < 20'000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(condition());
  }
  std::vector<std::int16_t> values_of(const std::string& path) const {
    const files::NpyFile file(path);
    EXPECT_EQ(file.type().descr, "'<i2'");
    const auto* const first = reinterpret_cast<const std::int16_t*>(file.raw_export().buf);
    return {first, first + file.view().nbytes() / 2};
  }

  Scratch files_;
  Scratch logs_;
};

using Values = std::vector<std::int16_t>;

TEST_F(Command, HelpTeachesAndIsNoError) {
  const Outcome help = expect_done({"--help"});
  for (const char* word : {"gather", "inspect", "devices", "Examples:", "Exit status"}) {
    expect_has(help.out, word);
  }
  const Outcome gather = expect_done({"gather", "--help"});
  for (const char* word : {"--take", "--index", "--axis", "--concat", "--order", "--out",
                           "--device", "--placement", "--verify", "--stats", "Examples:"}) {
    expect_has(gather.out, word);
  }
  expect_has(expect_done({"--version"}).out, "multibuffer ");
}

TEST_F(Command, DevicesListsTheHost) { expect_has(expect_done({"devices"}).out, "host"); }

TEST_F(Command, WithoutAFileItSummarises) {
  const std::string a = make_npy("a.npy", {2, 3}, 1);
  const Outcome outcome = expect_done({"gather", a, "--device", "host"});
  expect_has(outcome.out, "(2, 3) of '<i2', 12 bytes, from " + a);
  expect_has(outcome.out, "1, 2, 3, 4, 5, 6");
  expect_has(outcome.out, "host");
  EXPECT_EQ(files_.names(), Names{"a.npy"});
}

TEST_F(Command, EqualFilesAreStacked) {
  const std::string a = make_npy("a.npy", {2, 2}, 0);
  const std::string b = make_npy("b.npy", {2, 2}, 10);
  const std::string out = files_ / "out.npy";
  const Outcome outcome =
      expect_done({"gather", a, b, "--take", "1,0,-1", "--out", out, "--verify"});
  expect_has(outcome.out, "all 12 elements are equal");
  EXPECT_EQ(files::NpyFile(out).shape(), (Shape{3, 2, 2}));
  EXPECT_EQ(values_of(out), (Values{10, 11, 12, 13, 0, 1, 2, 3, 10, 11, 12, 13}));
  EXPECT_EQ(files_.names(), (Names{"a.npy", "b.npy", "out.npy"}));
}

TEST_F(Command, FilesOfAnyLengthAreJoined) {
  const std::string a = make_npy("a.npy", {1, 2}, 0);
  const std::string b = make_npy("b.npy", {3, 2}, 10);
  const std::string out = files_ / "out.npy";
  expect_done({"gather", "--concat", a, b, "--index", "::-1, 1", "--out", out, "--verify"});
  EXPECT_EQ(values_of(out), (Values{15, 13, 11, 1}));
}

TEST_F(Command, ChecksMemoryBeforeItReads) {
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  const std::string b = make_npy("b.npy", {2, 3}, 10);
  const std::string out = files_ / "out.npy";
  for (const char* placement : {"in-place", "packed", "preserved"})
    expect_done({"gather", a, b, "--index", "::-1, 1", "--device", "host", "--placement", placement,
                 "--checked", "--out", out, "--verify"});
  EXPECT_EQ(values_of(out), (Values{13, 14, 15, 3, 4, 5}));
  // A dataset has no pointers of others.
  expect_refused({"gather", files_ / "[ab].npy", "--checked"}, {"--checked is of arrays"});
}

TEST_F(Command, TakesAlongAnyAxisFromAListOrAFile) {
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  const std::string out = files_ / "out.npy";
  expect_done({"gather", a, "--take", "::-2", "--axis", "-1", "--out", out, "--verify"});
  EXPECT_EQ(values_of(out), (Values{2, 0, 5, 3}));
  expect_done({"gather", a, "--take", "-1,0", "--index", "::-1", "--out", out, "--verify"});
  EXPECT_EQ(values_of(out), (Values{0, 1, 2, 3, 4, 5}));
  const std::string indices = files_ / "indices.npy";
  const auto expect_taken = [&](const std::string& descr, const std::string& bytes) {
    SCOPED_TRACE(descr);
    write_file(indices, npy_bytes_of(descr, "(2, 1)", bytes));
    expect_done({"gather", a, "--take", indices, "--out", out, "--verify"});
    EXPECT_EQ(files::NpyFile(out).shape(), (Shape{2, 1, 3}));
    EXPECT_EQ(values_of(out), (Values{3, 4, 5, 0, 1, 2}));
  };
  expect_taken("'<i8'", bytes_of(std::vector<std::int64_t>{-1, 0}));
  expect_taken("'<i4'", bytes_of(std::vector<std::int32_t>{1, -2}));
  expect_taken("'|i1'", bytes_of(std::vector<std::int8_t>{-1, 0}));
  expect_taken("'<u8'", bytes_of(std::vector<std::uint64_t>{1, 0}));
  expect_taken("'>u2'", std::string("\0\1\0\0", 4));
}

TEST_F(Command, WhatTravelsDoesNotChangeTheResult) {
  const Arguments shards{make_npy("a.npy", {40, 3}, 0), make_npy("b.npy", {40, 3}, 500)};
  const std::string picture = make_png("p.png", 30, 5);
  for (const char* placement : {"in-place", "packed", "preserved", "automatic"}) {
    for (const char* take : {"1", "0,1,0", "-1,-1", "0:0"}) {
      Arguments arguments{"gather", "--placement", placement, "--device", "host", "--verify"};
      arguments.insert(arguments.end(), shards.begin(), shards.end());
      expect_done(arguments);
      arguments.insert(arguments.end(), {"--take", take});
      for (const char* axis : {"0", "1", "2"}) {
        Arguments along = arguments;
        along.insert(along.end(), {"--axis", axis});
        expect_done(along);
      }
      arguments.push_back("--concat");
      expect_done(arguments);
      for (const char* axis : {"0", "1"}) {
        expect_done({"gather", picture, "--index", "::-1, 1:", "--take", take, "--axis", axis,
                     "--placement", placement, "--device", "host", "--verify"});
      }
    }
  }
}

TEST_F(Command, FortranOrderIsThatOfTheFile) {
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  const std::string out = files_ / "out.npy";
  const Outcome outcome = expect_done({"gather", a, "--order", "F", "--out", out, "--verify"});
  expect_has(outcome.out, "0, 1, 2, 3, 4, 5");  // the elements are said in index order
  EXPECT_TRUE(files::NpyFile(out).fortran_order());
  EXPECT_EQ(values_of(out), (Values{0, 3, 1, 4, 2, 5}));
  expect_done({"gather", out, "--out", files_ / "back.npy", "--verify"});
  EXPECT_EQ(values_of(files_ / "back.npy"), (Values{0, 1, 2, 3, 4, 5}));
}

TEST_F(Command, ElementTypesAreWrittenAsTheyWereRead) {
  const std::string descr = "[('when', '<M8[s]'), ('', '|V3'), ('x', '>f4', (2,))]";
  write_file(files_ / "a.npy", npy_bytes_of(descr, "(2,)", std::string(38, 'x')));
  expect_done({"gather", files_ / "a.npy", "--out", files_ / "b.npy", "--verify"});
  EXPECT_EQ(files::NpyFile(files_ / "b.npy").type().descr, descr);
  EXPECT_EQ(read_file(files_ / "b.npy").substr(128), std::string(38, 'x'));
}

TEST_F(Command, ElementsAreConvertedOnTheirWay) {
  const std::string a = make_npy("a.npy", {2, 3}, 254);  // 254 to 259
  const std::string out = files_ / "out.npy";
  const auto expect_converted = [&](const Arguments& options, const std::string& descr,
                                    const std::string& bytes) {
    Arguments arguments{"gather", a, "--out", out, "--verify", "--device", "host"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    expect_has(expect_done(arguments).out, "of " + descr);
    EXPECT_EQ(files::NpyFile(out).type().descr, descr);
    EXPECT_EQ(read_file(out).substr(128), bytes) << descr;
  };
  expect_converted({"--dtype", "float32", "--index", "0"}, "'<f4'",
                   bytes_of(std::vector<float>{254, 255, 256}));
  expect_converted({"--dtype", "float16", "--take", "1", "--order", "F"}, "'<f2'",
                   std::string("\x04\x5c\x08\x5c\x0c\x5c"));
  expect_converted({"--dtype", "uint8"}, "'|u1'", std::string("\xfe\xff\0\1\2\3", 6));
  expect_converted({"--dtype", "uint8", "--saturate"}, "'|u1'",
                   std::string("\xfe\xff\xff\xff\xff\xff"));
  expect_converted({"--dtype", ">i4", "--index", "1, :1"}, "'>i4'", std::string("\0\0\1\1", 4));
  expect_converted({"--dtype", "c8", "--index", "0, 1"}, "'<c8'",
                   bytes_of(std::vector<float>{255, 0}));
  expect_converted({"--dtype", "int64", "--index", "0, :1"}, "'<i8'",
                   bytes_of(std::vector<std::int64_t>{254}));
  expect_converted({"--dtype", "int16"}, "'<i2'",
                   bytes_of(std::vector<std::int16_t>{254, 255, 256, 257, 258, 259}));
  expect_refused({"gather", a, "--dtype", "int7"}, {"--dtype int7", "float16"});
  expect_refused({"gather", a, "--dtype", "|S2"}, {"--dtype |S2"});
  for (const char* const word : {"half", "float", "foo.int8", "torch.int8", "f3", "<", ""})
    expect_refused({"gather", a, "--dtype", word}, {std::string("--dtype ") + word, "int8 to"});
  expect_refused({"gather", a, "--dtype", "bfloat16"}, {"--dtype bfloat16", ".npy files", "'|V2'"});
  expect_refused({"gather", a, "--dtype", "float8_e5m2"}, {"--dtype float8_e5m2", "'|V1'"});
  expect_refused({"gather", a, "--saturate"}, {"--saturate", "--dtype"});
  expect_refused(
      {"gather", make_png("p.png", 2, 3), "--dtype", "float32", "--out", files_ / "q.png"},
      {"a PNG holds", "'f'"});
  // Dates are counts, to and from int64.
  const std::string dates = files_ / "dates.npy";
  write_file(dates, npy_bytes_of("'>M8[s]'", "(1,)", std::string("\0\0\0\0\0\0\1\2", 8)));
  for (const auto& [word, descr] :
       {std::pair("int64", "'<i8'"), {"datetime64[s]", "'<M8[s]'"}, {"M8[s]", "'<M8[s]'"}}) {
    expect_done({"gather", dates, "--dtype", word, "--out", out, "--verify"});
    EXPECT_EQ(files::NpyFile(out).type().descr, descr);
    EXPECT_EQ(read_file(out).substr(128), bytes_of(std::vector<std::int64_t>{258}));
  }
  for (const char* const word : {"datetime64[ms]", "m8[s]", "float64"})
    expect_refused({"gather", dates, "--dtype", word}, {"'>datetime64[s]'", "int64"});
  // Numbers of any type, as a picture.
  const std::string pixels = files_ / "pixels.npy";
  write_file(pixels, npy_bytes_of("'<f4'", "(1, 2)", bytes_of(std::vector<float>{-7, 300})));
  expect_done({"gather", pixels, "--dtype", "uint8", "--out", files_ / "q.png", "--verify"});
  const files::PngFile picture(files_ / "q.png");
  const auto* const rows = static_cast<const std::uint8_t* const*>(picture.raw_export().buf);
  EXPECT_EQ(rows[0][0], 0);
  EXPECT_EQ(rows[0][1], 255);
}

TEST_F(Command, APictureIsCroppedAndFlipped) {
  const std::string picture = make_png("p.png", 6, 5);
  const std::string out = files_ / "out.png";
  expect_done({"gather", picture, "--index", "::-1, 1:3", "--out", out, "--verify"});
  const files::PngFile result(out);
  ASSERT_EQ(result.view().shape(), (Shape{6, 2, 3}));
  const auto* const rows = static_cast<const std::uint8_t* const*>(result.raw_export().buf);
  for (int row = 0; row < 6; ++row) {
    for (int i = 0; i < 6; ++i) {
      const int source = ((5 - row) * 5 + 1) * 3 + i;
      EXPECT_EQ(rows[row][i], static_cast<std::uint8_t>(source * 7)) << row << ", " << i;
    }
  }
}

TEST_F(Command, PicturesAreStackedAndJoined) {
  const std::string a = make_png("a.png", 4, 5);
  const std::string b = make_png("b.png", 4, 5);
  const std::string c = make_png("c.png", 2, 5);
  expect_has(expect_done({"gather", a, b, "--take", "1,1", "--verify"}).out, "(2, 4, 5, 3)");
  expect_has(expect_done({"gather", "--concat", a, c, "--verify"}).out, "(6, 5, 3)");
  expect_done(
      {"gather", "--concat", a, c, "--index", "::-2", "--verify", "--out", files_ / "d.png"});
  EXPECT_EQ(files::PngFile(files_ / "d.png").view().shape(), (Shape{3, 5, 3}));
}

TEST_F(Command, StatsNameThePhases) {
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  const Outcome outcome =
      expect_done({"gather", a, "--stats", "--verify", "--out", files_ / "out.npy"});
  for (const char* phase :
       {"read", "resolve", "place", "upload", "gather", "verify", "write", "total", "GB/s"}) {
    expect_has(outcome.out, phase);
  }
}

TEST_F(Command, InspectSaysWhatAnArrayIsMadeOf) {
  const Arguments shards{make_npy("a.npy", {4, 3}, 0), make_npy("b.npy", {4, 3}, 9)};
  const Outcome outcome = expect_done({"inspect", shards[0], shards[1], "--index", ":, ::2"});
  for (const char* part :
       {"2 files stacked: array of shape (2, 2, 3), dtype '<i2', 24 bytes, 1 level of pointers",
        "0     2       8", "pointers", "distinct leaves  2", "will travel", "24 bytes"}) {
    expect_has(outcome.out, part);
  }
  expect_done({"inspect", make_png("p.png", 3, 3), "--placement", "preserved"});
  expect_done({"inspect", "--concat", shards[0], shards[1]});
}

TEST_F(Command, ExplainSaysEachStepToAnElement) {
  const std::string shards[] = {make_npy("a.npy", {4, 3}, 0), make_npy("b.npy", {4, 3}, 9)};
  const Outcome outcome = expect_done({"explain", shards[0], shards[1], "--at", "[1, -1, 2]"});
  for (const char* part : {"2 files stacked: element [1, 3, 2] of an array of shape (2, 4, 3)",
                           "pointers: + 1 * 8: index 1 of axis 0: 0x",
                           "pointers: follow the pointer there (level 0): ",
                           "offsets: + 3 * 6: index 3 of axis 1: byte ", "leaf 1 of 2"}) {
    expect_has(outcome.out, part);
  }
  const Outcome json = expect_done(
      {"explain", make_png("p.png", 3, 3), "--index", "::-1", "--at", "0,1,2", "--json"});
  expect_has(json.out, R"({"index": [0, 1, 2], "shape": [3, 3, )");
  expect_has(json.out, R"("kind": "follow")");
  EXPECT_EQ(json.out.back(), '\n');
}

TEST_F(Command, ExplainRefusesWhatIsNoElement) {
  const std::string file = make_npy("a.npy", {4, 3}, 0);
  expect_refused({"explain", file, "--at", "1"}, {"has 1 number", "(4, 3)"});
  expect_refused({"explain", file, "--at", "1,x"}, {"--at 1,x: 'x' is no integer"});
  expect_refused({"explain", file, "--at", "1,,2"}, {"'' is no integer"});
  expect_refused({"explain", file, "--at", "4,0"}, {"index 4 on axis 0, whose extent is 4"});
  expect_refused({"explain", file}, {"--at"});
}

TEST_F(Command, DrawWritesAPicture) {
  const std::string picture = make_png("p.png", 8, 6);
  const std::string out = files_ / "way.svg";
  expect_done({"draw", picture, "--index", "1:, ::2", "--at", "3,1,2", "--out", out});
  const std::string svg = read_file(out);
  EXPECT_EQ(svg.rfind("<svg xmlns=", 0), 0U);
  expect_has(svg, "Element [3, 1, 2] of an array of shape");
  expect_has(svg, "the view leaves this out");
  expect_has(svg, "On a device, ");
  expect_done({"draw", picture, "--without-offsets", "--out", out});
  EXPECT_EQ(read_file(out).find("On a device, "), std::string::npos);
  const Outcome piped = run({"draw", picture, "--out", "/dev/stdout"});
  EXPECT_EQ(piped.status, 0) << piped.err;
  EXPECT_EQ(piped.out.rfind("<svg xmlns=", 0), 0U);
  expect_refused({"draw", picture, "--out", files_ / "way.png"}, {"a picture's name ends in .svg"});
  expect_refused({"draw", picture, "--at", "9,9,9", "--out", files_ / "new.svg"}, {"index 9"});
}

TEST_F(Command, AGatherExplainsItsPlan) {
  const std::string file = make_npy("a.npy", {400, 3}, 0);
  const Outcome outcome = expect_done(
      {"gather", file, "--take", "3,1,-1", "--device", "host", "--explain-plan", "--measure"});
  for (const char* part : {"plan\n", "taken", "which needs", "3 rows of 6 bytes", "indices read",
                           "of a plain copy's speed", "% of the copy"}) {
    expect_has(outcome.out, part);
  }
  expect_refused({"gather", file, "--measure"}, {"--explain-plan"});
  expect_refused({"gather", file, "--json"}, {"--explain-plan"});
  const std::string json =
      expect_done({"gather", file, "--device", "host", "--explain-plan", "--json"}).out;
  EXPECT_EQ(json.front(), '{') << json;
  EXPECT_EQ(json.substr(json.size() - 2), "}\n") << json;
  EXPECT_EQ(std::ranges::count(json, '\n'), 1) << json;
}

TEST_F(Command, OnlyWhatIsAskedForIsTouched) {
  // 64 GB of which the file system keeps nothing.
  const std::string header =
      npy_bytes_of("'|u1'", tuple_text(Shape{64, std::int64_t{1} << 30}), "");
  const std::string huge = files_ / "huge.npy";
  write_file(huge, header);
  const auto size = static_cast<off_t>(header.size()) + (off_t{1} << 36);
  if (truncate(huge.c_str(), size) != 0) GTEST_SKIP() << "the file system has no room for 64 GB";
  const auto started = std::chrono::steady_clock::now();
  expect_done({"gather", huge, "--index", ":, -5:", "--take", "0,-1", "--verify"});
  for (const char* placement : {"packed", "preserved"}) {
    expect_done({"gather", huge, "--index", ":, :3", "--take", "63,0", "--device", "host",
                 "--placement", placement, "--verify"});
  }
  expect_has(expect_done({"inspect", huge, "--index", "::63, 7"}).out, "will travel");
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(20));
}

TEST_F(Command, BadUsageIsRefused) {
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  expect_refused({}, {"subcommand", "--help"});
  expect_refused({"scatter"}, {"--help"});
  expect_refused({"gather"}, {"INPUT"});
  expect_refused({"gather", a, "--no-such-option"}, {"--no-such-option"});
  expect_refused({"gather", a, "--order", "Z"}, {"--order", "C", "F"});
  expect_refused({"gather", a, "--placement", "somewhere"}, {"--placement", "in-place"});
  expect_refused({"gather", a, "--axis", "one", "--take", "0"}, {"--axis"});
  expect_refused({"gather", a, "--device", "gpu"}, {"gpu", "auto", "host", "cuda"});
  expect_refused({"gather", a, "--out", files_ / "result"}, {"result", ".npy or .png"});
}

TEST_F(Command, BadNpyFilesAreRefused) {
  const std::string path = files_ / "bad.npy";
  const auto expect_bad = [&](const std::string& bytes, const std::string& part) {
    write_file(path, bytes);
    expect_refused({"gather", path, "--out", files_ / "out.npy"}, {path, part});
    expect_refused({"inspect", path}, {path, part});
  };
  const std::string whole = npy_bytes_of("'<i4'", "(3,)", "0123456789ab");
  expect_bad("", "is empty");
  expect_bad("something else", "is no .npy file");
  expect_bad(whole.substr(0, 40), "cut in its header");
  expect_bad(whole.substr(0, whole.size() - 5), "needs 12 bytes after the header, and there are 7");
  expect_bad(npy_bytes("{'descr': '<i4', 'shape': (3,)}", "0123456789ab"), "fortran_order");
  expect_bad(npy_bytes("{'descr': '<i4', !", "0123456789ab"), "a header with");
  expect_bad(npy_bytes_of("'|O'", "(3,)", "pickle"), "Python objects");
  expect_bad(npy_bytes("{'descr': '<i4', 'fortran_order': False, 'shape': ()}", "0123", 4),
             "version 4.0");
  expect_bad(npy_bytes_of("'<i4'", "(4294967296, 4294967296)", "0"), "does not fit in 64 bits");
  expect_refused({"gather", files_ / "none.npy"}, {"none.npy", "No such file or directory"});
  expect_refused({"gather", files_.path()}, {files_.path(), "Is a directory"});
}

TEST_F(Command, BadPicturesAreRefused) {
  const std::string path = files_ / "bad.png";
  const auto expect_bad = [&](const std::string& bytes, const std::string& part) {
    write_file(path, bytes);
    expect_refused({"gather", path, "--out", files_ / "out.png"}, {path, part});
  };
  const std::string whole = read_file(make_png("p.png", 20, 20));
  expect_bad("GIF89a", "is not a PNG");
  expect_bad(whole.substr(0, whole.size() / 2), "the file ends too early");
  std::string damaged = whole;
  damaged[whole.size() / 2] = static_cast<char>(damaged[whole.size() / 2] ^ 1);
  expect_bad(damaged, "a broken PNG: ");
  write_file(files_ / "text", "neither");
  expect_refused({"gather", files_ / "text"}, {"of no format that can be read"});
}

TEST_F(Command, ShardsThatDifferAreRefused) {
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  const std::string b = make_npy("b.npy", {4, 3}, 0);
  const std::string c = make_npy("c.npy", {2, 4}, 0);
  const std::string d = make_npy("d.npy", {2, 3, 1}, 0);
  write_file(files_ / "e.npy", npy_bytes_of("'<u2'", "(2, 3)", std::string(12, 'x')));
  write_file(files_ / "f.npy", npy_bytes_of("'<i2'", "(2, 3)", std::string(12, 'x'), true));
  write_file(files_ / "g.npy", npy_bytes_of("'<i2'", "()", "xy"));
  const std::string p = make_png("p.png", 2, 3);
  write_file(files_ / "q.npy", npy_bytes_of("'|u1'", "(2, 3, 3)", std::string(18, 'x')));
  expect_refused({"gather", a, a, b}, {a, b, "cannot be stacked", "(2, 3) and (4, 3)", "--concat"});
  expect_refused({"gather", a, c}, {a, c, "(2, 3) and (2, 4)", "axis 1"});
  expect_refused({"gather", "--concat", a, c}, {a, c, "cannot be joined", "axis 1"});
  expect_refused({"gather", a, d}, {a, d, "(2, 3) and (2, 3, 1)"});
  expect_refused({"gather", a, files_ / "e.npy"}, {"element types differ: '<i2' and '<u2'"});
  expect_refused({"gather", a, files_ / "f.npy"}, {"Fortran order"});
  expect_refused({"gather", p, files_ / "q.npy"}, {"one is a PNG"});
  expect_refused({"gather", "--concat", files_ / "g.npy", files_ / "g.npy"}, {"no axis 0"});
}

TEST_F(Command, BadIndicesAreRefused) {
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  const auto index = [&](const std::string& text, const std::vector<std::string>& parts) {
    expect_refused({"gather", a, "--index", text}, parts);
    expect_refused({"inspect", a, "--index", text}, parts);
  };
  index("0, 3", {"index out of range", "axis 1 has no index 3; its extent is 3", "\n       ^"});
  index("-3", {"axis 0 has no index -3"});
  index("0, 0, 0", {"too many indices: 3 for an array of 2 axes", "\n          ^"});
  index("0, x", {"expected an integer", "\n       ^"});
  index("0, [1]", {"--take"});
  index("::0", {"step"});
  index("", {"--index", "empty"});
  const auto take = [&](const std::string& text, const std::vector<std::string>& parts) {
    for (const char* placement : {"in-place", "packed"}) {
      expect_refused({"gather", a, "--placement", placement, "--take", text, "--device", "host"},
                     parts);
    }
  };
  take("0,1,2", {"the index 2 at position 2 is outside of axis 0, whose extent is 2"});
  take("-3", {"the index -3 at position 0"});
  take("0;1", {"--take", "expected ','"});
  expect_refused({"gather", a, "--take", "0", "--axis", "2"}, {"axis"});
  expect_refused({"gather", a, "--axis", "1"}, {"--axis", "--take"});
  expect_refused({"gather", a, "--index", "0, 0", "--take", "0"}, {"axis"});
  const std::string indices = files_ / "indices.npy";
  write_file(indices, npy_bytes_of("'<f4'", "(1,)", "abcd"));
  take(indices, {indices, "indices are integers", "'<f4'"});
  write_file(indices, npy_bytes_of("'<M8[s]'", "(1,)", "abcdefgh"));
  take(indices, {"indices are integers"});
  write_file(indices, npy_bytes_of("'|b1'", "(1,)", "\1"));
  take(indices, {"indices are integers"});
  write_file(indices, npy_bytes_of("'<u8'", "(1,)", std::string(8, '\xff')));
  take(indices, {"18446744073709551615 at position 0"});
  take(files_ / "none.npy", {"No such file"});
}

TEST_F(Command, WhatCannotBeWrittenIsRefused) {
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  std::filesystem::create_directory(files_ / "directory.npy");
  expect_refused({"gather", a, "--out", files_ / "none/out.npy"}, {"none/out.npy: No such file"});
  expect_refused({"gather", a, "--out", files_ / "directory.npy"}, {"Is a directory"});
  expect_refused({"gather", a, "--out", "/dev/full"}, {"/dev/full: No space left on device"});
  expect_refused({"gather", a, "--out", files_ / "out.png"}, {"a PNG holds", "(2, 3)", "'h'"});
  const std::string picture = make_png("p.png", 2, 3);
  expect_refused({"gather", picture, "--order", "F", "--out", files_ / "q.png"}, {"--order F"});
  expect_refused({"gather", picture, "--index", "0:0", "--out", files_ / "q.png"}, {"(0, 3, 3)"});
  expect_done({"gather", a, "--out", "/dev/null"});
}

TEST_F(Command, AFailedWriteKeepsTheFileThatWasThere) {
  const std::string a = make_npy("a.npy", {100, 100}, 0);
  write_file(files_ / "out.npy", "before");
  const Outcome outcome = finish(start({"gather", a, "--out", files_ / "out.npy"}, [] {
    const rlimit limit{.rlim_cur = 5000, .rlim_max = 5000};
    setrlimit(RLIMIT_FSIZE, &limit);
  }));
  EXPECT_EQ(outcome.status, 2);
  expect_has(outcome.err, "out.npy: File too large (after 5000 bytes)");
  EXPECT_EQ(read_file(files_ / "out.npy"), "before");
  EXPECT_EQ(files_.names(), (Names{"a.npy", "out.npy"}));
}

TEST_F(Command, AFullStandardOutputIsAnError) {
  const Outcome outcome = finish(
      start({"devices"}, [] { dup2(open("/dev/full", O_WRONLY | O_CLOEXEC), STDOUT_FILENO); }));
  EXPECT_EQ(outcome.status, 2);
  expect_has(outcome.err, "standard output: No space left on device");
}

TEST_F(Command, WithAFullStandardOutputNothingIsWritten) {
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  for (const Arguments& arguments :
       std::vector<Arguments>{{"gather", a, "--out", files_ / "out.npy"}, {"--help"}}) {
    const Outcome outcome = finish(
        start(arguments, [] { dup2(open("/dev/full", O_WRONLY | O_CLOEXEC), STDOUT_FILENO); }));
    EXPECT_EQ(outcome.status, 2);
    expect_has(outcome.err, "standard output: No space left on device");
    EXPECT_EQ(files_.names(), Names{"a.npy"});
  }
}

TEST_F(Command, CudaWithoutADeviceIsAnErrorNeverTheHost) {
  if (list_devices().why_no_cuda.empty()) GTEST_SKIP() << "this machine has a CUDA device";
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  expect_refused({"gather", a, "--device", "cuda", "--out", files_ / "out.npy"},
                 {"device not available"});
  expect_refused({"gather", a, "--device", "cuda:7"}, {"device not available"});
  expect_has(expect_done({"gather", a}).out, "host");
}

TEST_F(Command, SignalsThatAskForTheEndAreHeededAndLeaveNothing) {
  make_large("large.npy", 100'000'000);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    SCOPED_TRACE(strsignal(signal));
    const pid_t child =
        start({"gather", files_ / "large.npy", "--verify", "--out", files_ / "out.npy"});
    wait_until([&] { return has_output_open(child); });
    kill(child, signal);
    const Outcome outcome = finish(child);
    EXPECT_EQ(outcome.status, 128 + signal) << outcome.err;
    EXPECT_EQ(files_.names(), Names{"large.npy"});
  }
}

TEST_F(Command, ASignalThatIsIgnoredIsIgnored) {
  make_large("large.npy", 50'000'000);
  const pid_t child = start({"gather", files_ / "large.npy", "--out", files_ / "out.npy"},
                            [] { std::signal(SIGHUP, SIG_IGN); });  // as nohup does
  wait_until([&] { return has_output_open(child); });
  kill(child, SIGHUP);
  EXPECT_EQ(finish(child).status, 0);
  EXPECT_EQ(files_.names(), (Names{"large.npy", "out.npy"}));
}

TEST_F(Command, KilledAtAnyTimeItLeavesNothingOrAllOfIt) {
  const int unnamed = open(files_.path().c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (unnamed < 0) GTEST_SKIP() << "this file system has no files without names";
  close(unnamed);
  constexpr std::int64_t elements = 20'000'000;
  const std::string in = make_large("in.npy", elements);
  const std::string out = files_ / "out.npy";
  const auto began = std::chrono::steady_clock::now();
  expect_done({"gather", in, "--out", out});
  const auto whole_time = std::chrono::steady_clock::now() - began;
  const auto whole_size = std::filesystem::file_size(out);
  constexpr int kills = 20;
  for (int i = 0; i < kills; ++i) {
    SCOPED_TRACE(i);
    std::filesystem::remove(out);
    const pid_t child = start({"gather", in, "--out", out});
    std::this_thread::sleep_for(whole_time * i / kills);
    kill(child, SIGKILL);
    finish(child);
    const Names names = files_.names();
    if (names == Names{"in.npy"}) continue;
    EXPECT_EQ(names, (Names{"in.npy", "out.npy"}));
    EXPECT_EQ(std::filesystem::file_size(out), whole_size);
  }
}

// A named pipe as the output holds the command up after it has mapped its inputs, until somebody
// reads from the pipe.
TEST_F(Command, AnInputThatIsCutMeanwhileIsNamedAndNothingIsWritten) {
  const std::string pipe = files_ / "pipe.npy";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  // Cut by many pages, which raises SIGBUS, and by bytes of its last page, which reads as zeros.
  for (const std::int64_t left : {std::int64_t{4096}, std::int64_t{1'000'000}}) {
    SCOPED_TRACE(left);
    const std::string in = make_large("large.npy", 1'000'001);
    const pid_t child = start({"gather", in, "--out", pipe, "--device", "host"});
    wait_until([&] { return has_mapped(child, "large.npy"); });
    ASSERT_EQ(truncate(in.c_str(), left), 0);
    const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(reader, 0);
    const Outcome outcome = finish(child);
    char byte = 0;
    EXPECT_EQ(read(reader, &byte, 1), 0);
    close(reader);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.out, "");
    expect_has(outcome.err, in + ": another program has ");
  }
}

TEST_F(Command, WithoutStandardOutputTheFileIsWritten) {
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  const std::string out = files_ / "out.npy";
  for (const std::vector<int>& closed :
       std::vector<std::vector<int>>{{STDOUT_FILENO}, {STDIN_FILENO, STDOUT_FILENO}, {0, 1, 2}}) {
    const Outcome outcome = finish(start({"gather", a, "--out", out, "--verify"}, [&] {
      for (const int descriptor : closed) close(descriptor);
    }));
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.out + outcome.err, "");
    EXPECT_EQ(values_of(out), (Values{0, 1, 2, 3, 4, 5}));
    std::filesystem::remove(out);
  }
  // What is said there is all that these do.
  for (const Arguments& arguments :
       std::vector<Arguments>{{"devices"}, {"gather", a}, {"inspect", a}, {"--help"}}) {
    const Outcome outcome = finish(start(arguments, [] { close(STDOUT_FILENO); }));
    EXPECT_EQ(outcome.status, 2);
    expect_has(outcome.err, "standard output: Bad file descriptor");
  }
}

TEST_F(Command, AResultOnStandardOutputIsAloneThere) {
  const std::string a = make_npy("a.npy", {2, 3}, 0);
  const std::string plain = files_ / "plain.npy";
  expect_done({"gather", a, "--out", plain});
  for (const char* const name : {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}) {
    SCOPED_TRACE(name);
    const Outcome outcome = run({"gather", a, "--out", name, "--verify", "--stats"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out, read_file(plain));
    for (const char* part : {"result   (2, 3)", "verify   all", "wrote    ", "total"})
      expect_has(outcome.err, part);
  }
  // Appended to what is there, as a shell's >> asks for.
  write_file(files_ / "log", "before ");
  const Outcome outcome = finish(start({"gather", a, "--out", "/dev/stdout"}, [&] {
    dup2(open((files_ / "log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC), STDOUT_FILENO);
  }));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(read_file(files_ / "log"), "before " + read_file(plain));
  // A file that is standard output by another name.
  const std::string both = files_ / "both.npy";
  const Outcome twice = finish(start({"gather", a, "--out", both}, [&] {
    dup2(open(both.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDOUT_FILENO);
  }));
  EXPECT_EQ(twice.status, 0) << twice.err;
  EXPECT_EQ(read_file(both), read_file(plain));
  expect_has(twice.err, "result   (2, 3)");
}

TEST_F(Command, ManyFilesAreStackedBeyondTheLimitOnMappings) {
  make_npy("a.npy", {2, 3}, 0);
  Arguments arguments(70'000, "a.npy");
  arguments.insert(arguments.begin(), "gather");
  arguments.insert(arguments.end(), {"--out", "out.npy", "--verify", "--device", "host"});
  const Outcome outcome =
      finish(start(arguments, [&] { std::filesystem::current_path(files_.path()); }));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  expect_has(outcome.out, "(70000, 2, 3)");
  EXPECT_EQ(files::NpyFile(files_ / "out.npy").view().nbytes(), 840'000);
}

TEST_F(Command, MoreLargeFilesThanCanBeMappedAreRefusedByTheLimitsName) {
  std::ifstream limit_file("/proc/sys/vm/max_map_count");
  std::size_t limit = 0;
  if (!(limit_file >> limit) || limit > 100'000) GTEST_SKIP() << "more can be mapped here";
  make_large("a.npy", 100'000);
  Arguments arguments(limit, "a.npy");
  arguments.insert(arguments.begin(), "gather");
  arguments.insert(arguments.end(), {"--index", ":, 0", "--device", "host"});
  const Outcome outcome =
      finish(start(arguments, [&] { std::filesystem::current_path(files_.path()); }));
  EXPECT_EQ(outcome.status, 2);
  for (const std::string& part :
       {std::string("a.npy: "), std::string("vm.max_map_count"), text(limit)})
    expect_has(outcome.err, part);
}

TEST_F(Command, WithoutThreadsTheWorkIsDoneOnOne) {
  if (!multibuffer::testing::can_refuse_calls()) GTEST_SKIP() << "no system call can be refused";
  if (has_thread_sanitizer) GTEST_SKIP() << "the thread sanitizer has a thread of its own";
  const std::string in = make_large("large.npy", 10'000'000);
  const Outcome outcome = finish(start({"gather", in, "--verify", "--out", files_ / "out.npy"}, [] {
    setenv("MULTIBUFFER_NUM_THREADS", "4", 1);
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);  // it looks for leaks on a thread
    multibuffer::testing::refuse_calls(
        {multibuffer::testing::new_threads, multibuffer::testing::new_threads_3});
  }));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  expect_has(outcome.out, "all 10,000,000 elements are equal");
}

TEST_F(Command, WithoutMemoryItSaysSo) {
  if (has_sanitizer) GTEST_SKIP() << "sanitizers need terabytes of addresses";
  const std::string in = make_large("large.npy", 3'000'000);
  const auto run_within = [&](rlim_t megabytes, const Arguments& arguments) {
    return finish(start(arguments, [&] {
      const rlimit limit{.rlim_cur = megabytes << 20, .rlim_max = megabytes << 20};
      setrlimit(RLIMIT_AS, &limit);
    }));
  };
  rlim_t least = 4;
  while (least < 1000 && run_within(least, {"--version"}).status != 0) ++least;
  bool done = false;
  bool refused = false;
  for (rlim_t more = 0; more < 20 || (!done && more < 200); ++more) {
    SCOPED_TRACE(least + more);
    const Outcome outcome =
        run_within(least + more, {"gather", in, "--verify", "--out", files_ / "out.npy"});
    if (outcome.status == 0) {
      done = true;
      EXPECT_EQ(std::filesystem::file_size(files_ / "out.npy"), 3'000'128U);
      std::filesystem::remove(files_ / "out.npy");
    } else {
      refused = true;
      EXPECT_EQ(outcome.status, 2);
      EXPECT_EQ(outcome.err.rfind("multibuffer: ", 0), 0U) << outcome.err;
    }
    EXPECT_EQ(files_.names(), Names{"large.npy"});
  }
  EXPECT_TRUE(done);
  EXPECT_TRUE(refused);
}

TEST_F(Command, AFileThatNeedsTooMuchMemoryIsNamed) {
  if (has_sanitizer) GTEST_SKIP() << "sanitizers need terabytes of addresses";
  // A header of four million bytes, which are many values.
  std::string shape = "(";
  while (shape.size() < 4'000'000) shape += "1,";
  const std::string a = files_ / "a.npy";
  write_file(
      a, npy_bytes("{'descr': '|u1', 'fortran_order': False, 'shape': " + shape + ")}", "x", 2));
  const Outcome outcome = finish(start({"gather", a}, [] {
    const rlimit limit{.rlim_cur = 100 << 20, .rlim_max = 100 << 20};
    setrlimit(RLIMIT_AS, &limit);
  }));
  EXPECT_EQ(outcome.status, 2);
  expect_has(outcome.err, a + ": out of memory");
}

TEST_F(Command, WhatIsLongInAFileIsShortWhereItIsSaid) {
  const std::string descr = "[('" + std::string(100'000, 'n') + "', '<i2')]";
  write_file(files_ / "a.npy",
             npy_bytes("{'descr': " + descr + ", 'fortran_order': False, 'shape': (1,)}", "xy", 2));
  const std::string b = make_npy("b.npy", {1}, 0);
  const Outcome done = expect_done({"gather", files_ / "a.npy", "--out", files_ / "out.npy"});
  EXPECT_LT(done.out.size(), 1000U);
  EXPECT_EQ(files::NpyFile(files_ / "out.npy").type().descr, descr);
  EXPECT_LT(expect_done({"inspect", files_ / "a.npy"}).out.size(), 3000U);
  for (const Arguments& arguments : std::vector<Arguments>{
           {"gather", files_ / "a.npy", b}, {"gather", b, "--take", files_ / "a.npy"}}) {
    expect_refused(arguments, {"... (100013 bytes)"});
    EXPECT_LT(run(arguments).err.size(), 1000U);
  }
}

TEST_F(Command, StridesDoNotCountWhereNoStepIsTaken) {
  const auto make = [&](const std::string& name, const char* shape, bool fortran_order) {
    std::string data(std::string_view(shape) == "(0, 3)" ? 0 : 14, 'x');
    write_file(files_ / name, npy_bytes_of("'<i2'", shape, data, fortran_order));
    return files_ / name;
  };
  for (const char* shape : {"(1, 7)", "(7, 1)", "(0, 3)"}) {
    SCOPED_TRACE(shape);
    const std::string c = make("c.npy", shape, false);
    const std::string f = make("f.npy", shape, true);
    for (const Arguments& files : std::vector<Arguments>{{c, f}, {f, c}, {"--concat", f, c}}) {
      Arguments arguments{"gather", "--verify"};
      arguments.insert(arguments.end(), files.begin(), files.end());
      expect_done(arguments);
    }
  }
  const std::string none = make("none.npy", "(0, 3)", true);
  const std::string some = make_npy("some.npy", {2, 3}, 0);
  const std::string out = files_ / "out.npy";
  expect_done({"gather", "--concat", none, some, "--out", out, "--verify"});
  EXPECT_EQ(values_of(out), (Values{0, 1, 2, 3, 4, 5}));
}

TEST_F(Command, ElementsOfNoBytesAreGatheredAndWritten) {
  const std::string a = files_ / "a.npy";
  write_file(a, npy_bytes_of("'|S0'", "(2, 3)", ""));
  const std::string out = files_ / "out.npy";
  const Outcome outcome = expect_done(
      {"gather", a, a, "--index", "..., :2", "--take", "1,0,1", "--out", out, "--verify"});
  expect_has(outcome.out, "(3, 2, 2) of '|S0', 0 bytes");
  EXPECT_EQ(files::NpyFile(out).type().descr, "'|S0'");
  EXPECT_EQ(read_file(out).size(), 128U);
  expect_refused({"gather", a, "--dtype", "float32"}, {"cannot be converted"});
  expect_refused({"gather", a, "--out", files_ / "out.png"}, {"a PNG holds"});
  expect_done({"inspect", a});
}

// ---- Datasets: patterns that the shell has left alone, and arrays by name

TEST_F(Command, PatternsStandForFilesInNaturalOrder) {
  make_npy("s10.npy", {2, 3}, 6);
  make_npy("s9.npy", {2, 3}, 0);
  const std::string pattern = files_ / "s*.npy";
  const std::string out = files_ / "out.npy";
  const auto values = [&] {
    const files::NpyFile file(out);
    const reference::Result all = reference::gather(file.raw_export(), {});
    std::vector<std::int16_t> numbers(all.bytes.size() / 2);
    std::memcpy(numbers.data(), all.bytes.data(), all.bytes.size());
    return std::pair(all.shape, numbers);
  };
  const Outcome outcome = expect_done({"gather", "--concat", pattern, "--take", "3,0,-1", "--out",
                                       out, "--verify", "--stats", "--device", "host"});
  expect_has(outcome.out, "from 2 files");
  expect_has(outcome.out, "all 9 elements are equal");
  EXPECT_EQ(values(),
            std::pair(Shape({3, 3}), std::vector<std::int16_t>({9, 10, 11, 0, 1, 2, 9, 10, 11})));
  for (const char* order : {"C", "F"}) {
    expect_done({"gather", pattern, "--index", ":, 1, ::-2", "--take", "1,0", "--axis", "1",
                 "--order", order, "--out", out, "--verify", "--dtype", "int16"});
    EXPECT_EQ(values(), std::pair(Shape({2, 2}), std::vector<std::int16_t>({3, 5, 9, 11})));
  }
  expect_has(expect_done({"inspect", "--concat", pattern}).out,
             "array of shape (4, 3), dtype '<i2'");
  expect_refused({"gather", files_ / "t*.npy"}, {"there are no such files"});
  expect_refused({"gather", pattern, "--placement", "packed"}, {"--placement"});
  make_npy("t[1]*.npy", {2, 3}, 0);
  make_npy("t1x.npy", {2, 3}, 9);
  expect_done({"gather", files_ / "t[[]1][*].npy", "--index", "1", "--out", out, "--verify"});
  EXPECT_EQ(values(), std::pair(Shape({3}), std::vector<std::int16_t>({3, 4, 5})));
  expect_done({"gather", files_ / "t[1]*.npy", "--out", out, "--verify"});
  EXPECT_EQ(values().first, Shape({2, 3}));
  make_npy("s11.npy", {1, 4}, 6);
  expect_refused({"gather", "--concat", pattern}, {"s11.npy", "(1, 4), not (2, 3)"});
}

TEST_F(Command, SaysWhichFormatsItReads) {
  const std::string out = expect_done({"devices"}).out;
  expect_has(out, "reads .npy");
  for (const FileFormat& format : file_formats()) {
    EXPECT_EQ(format.missing.empty(), format.remedy.empty()) << format.name;
    if (!format.missing.empty())
      expect_has(out, "cannot read " + format.name + ": " + format.remedy);
  }
}

}  // namespace
}  // namespace multibuffer
