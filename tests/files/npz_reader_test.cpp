#include <multibuffer/dataset.hpp>
#include <multibuffer/error.hpp>

#include "host/files/stored_file.hpp"
#include "host/support/text.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/scratch.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace multibuffer::files {
namespace {

using multibuffer::testing::bytes_of;
using multibuffer::testing::cases;
using multibuffer::testing::expect_error;
using multibuffer::testing::npy_bytes_of;
using multibuffer::testing::Scratch;
using multibuffer::testing::write_file;

using Shape = std::vector<std::int64_t>;

template <class T>
std::string number(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

struct Entry {
  std::string name;
  std::string bytes;
  std::uint16_t method = 0;
  std::uint16_t flags = 0;
  std::uint64_t declared_size = 0;  ///< where it is not that of `bytes`
};

std::string local_header(const Entry& entry) {
  const auto size = static_cast<std::uint32_t>(entry.bytes.size());
  return "PK\x03\x04" + number<std::uint16_t>(20) + number(entry.flags) + number(entry.method) +
         std::string(4, '\0') + number<std::uint32_t>(0) + number(size) + number(size) +
         number(static_cast<std::uint16_t>(entry.name.size())) + number<std::uint16_t>(0) +
         entry.name;
}

/// What the directory says of a member that begins at `offset`; in 64 bits where `wide`.
std::string directory_entry(const Entry& entry, std::uint64_t offset, bool wide = false) {
  const std::uint64_t size = entry.declared_size ? entry.declared_size : entry.bytes.size();
  const std::string extra = wide ? number<std::uint16_t>(1) + number<std::uint16_t>(24) +
                                       number(size) + number(size) + number(offset)
                                 : "";
  const auto narrow = [&](std::uint64_t value) {
    return number(wide ? 0xffffffffU : static_cast<std::uint32_t>(value));
  };
  return "PK\x01\x02" + number<std::uint16_t>(20) + number<std::uint16_t>(20) +
         number(entry.flags) + number(entry.method) + std::string(4, '\0') +
         number<std::uint32_t>(0) + narrow(size) + narrow(size) +
         number(static_cast<std::uint16_t>(entry.name.size())) +
         number(static_cast<std::uint16_t>(extra.size())) + number<std::uint16_t>(0) +
         std::string(8, '\0') + narrow(offset) + entry.name + extra;
}

std::string end_of_directory(std::uint64_t entries, std::uint64_t size, std::uint64_t offset) {
  return "PK\x05\x06" + std::string(4, '\0') + number(static_cast<std::uint16_t>(entries)) +
         number(static_cast<std::uint16_t>(entries)) + number(static_cast<std::uint32_t>(size)) +
         number(static_cast<std::uint32_t>(offset)) + number<std::uint16_t>(0);
}

/// The same in 64 bits, with the locator that leads there.
std::string wide_end_of_directory(std::uint64_t entries, std::uint64_t size, std::uint64_t offset) {
  return "PK\x06\x06" + number<std::uint64_t>(44) + number<std::uint16_t>(45) +
         number<std::uint16_t>(45) + std::string(8, '\0') + number(entries) + number(entries) +
         number(size) + number(offset) + "PK\x06\x07" + number<std::uint32_t>(0) +
         number(offset + size) + number<std::uint32_t>(1) + "PK\x05\x06" + std::string(4, '\0') +
         std::string(12, '\xff') + number<std::uint16_t>(0);
}

std::string archive(const std::vector<Entry>& entries) {
  std::string bytes;
  std::string directory;
  for (const Entry& entry : entries) {
    directory += directory_entry(entry, bytes.size());
    bytes += local_header(entry) + entry.bytes;
  }
  return bytes + directory + end_of_directory(entries.size(), directory.size(), bytes.size());
}

Entry npy_of(const std::string& name, const std::vector<std::int32_t>& values) {
  return {name + ".npy", npy_bytes_of("'<i4'", text("(", values.size(), ",)"), bytes_of(values))};
}

class Npz : public ::testing::Test {
 protected:
  std::unique_ptr<StoredFile> open(const std::string& bytes) {
    write_file(path_, bytes);
    return open_stored_file(path_);
  }
  std::vector<std::int32_t> elements(const std::string& name) {
    const std::vector<std::byte> bytes = Dataset::open(path_ + "::" + name).reference();
    std::vector<std::int32_t> values(bytes.size() / sizeof(std::int32_t));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  Scratch scratch_;
  std::string path_ = scratch_ / "a.npz";
};

TEST_F(Npz, StoredMembersAreArraysByName) {
  const auto file = open(archive({npy_of("b", {1, 2, 3}),
                                  {"readme.txt", "hello"},
                                  npy_of("sub/folder/a", {4, 5}),
                                  npy_of("\xc3\xa9t\xc3\xa9", {-6})}));
  EXPECT_EQ(file->names(), (std::vector<std::string>{"b", "sub/folder/a", "\xc3\xa9t\xc3\xa9"}));
  EXPECT_EQ(file->array("b").descr, "'<i4'");
  EXPECT_EQ(elements("b"), (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_EQ(elements("sub/folder/a"), (std::vector<std::int32_t>{4, 5}));
  EXPECT_EQ(elements("\xc3\xa9t\xc3\xa9"), (std::vector<std::int32_t>{-6}));
  expect_error(Errc::file_invalid, "no array readme.txt; there are b, sub/folder/a",
               [&] { file->array("readme.txt"); });
}

TEST_F(Npz, AFileOfAnotherNameIsToldByItsFirstBytes) {
  const std::string path = scratch_ / "data.zip";
  write_file(path, archive({npy_of("a", {1})}));
  EXPECT_EQ(open_stored_file(path)->names(), std::vector<std::string>{"a"});
}

TEST_F(Npz, WhatDoesNotLieThereAsItIsIsRefusedWhenItIsAskedFor) {
  Entry compressed = npy_of("compressed", {1});
  compressed.method = 8;
  Entry encrypted = npy_of("encrypted", {1});
  encrypted.flags = 1;
  const auto file = open(archive({compressed,
                                  encrypted,
                                  npy_of("twice", {1}),
                                  npy_of("twice", {2}),
                                  {"not.npy", "hello"},
                                  {"empty.npy", ""},
                                  {"object.npy", npy_bytes_of("'|O'", "(1,)", "12345678")},
                                  npy_of("plain", {7})}));
  EXPECT_EQ(file->names().size(), 7U);
  const auto expect_refused = [&](const std::string& name, const std::string& part) {
    expect_error(Errc::file_invalid, text("::", name, ": ", part), [&] { file->array(name); });
  };
  expect_refused("compressed", "is compressed");
  expect_error(Errc::file_invalid, "numpy.savez, not", [&] { file->array("compressed"); });
  expect_refused("encrypted", "is encrypted");
  expect_refused("twice", "the archive has several members of this name");
  expect_refused("not", "is no .npy file");
  expect_refused("empty", "is empty");
  expect_refused("object", "");
  EXPECT_EQ(elements("plain"), std::vector<std::int32_t>{7});
}

TEST_F(Npz, AnArrayMustLieWithinItsMember) {
  Entry cut = npy_of("cut", {1, 2, 3, 4});
  cut.bytes.resize(cut.bytes.size() - 1);
  EXPECT_NO_THROW(open(archive({cut})));
  expect_error(Errc::file_invalid, "cut: its shape", [&] {
    open(archive({cut, npy_of("behind", {1, 2, 3})}))->array("cut");
  });
}

TEST_F(Npz, AnArchiveMayBeginBehindOtherBytes) {
  const auto file = open("#!/bin/sh\n" + archive({npy_of("a", {1, 2})}));
  EXPECT_EQ(file->names(), std::vector<std::string>{"a"});
  EXPECT_EQ(elements("a"), (std::vector<std::int32_t>{1, 2}));
}

TEST_F(Npz, MembersMayOverlap) {
  const Entry inner = npy_of("inner", {1, 2});
  const std::string inner_bytes = local_header(inner) + inner.bytes;
  const Entry outer{"outer.npy",
                    npy_bytes_of("'|u1'", text("(", inner_bytes.size(), ",)"), inner_bytes)};
  const std::string bytes = local_header(outer) + outer.bytes;
  const std::string directory =
      directory_entry(outer, 0) + directory_entry(inner, bytes.size() - inner_bytes.size());
  const auto file = open(bytes + directory + end_of_directory(2, directory.size(), bytes.size()));
  EXPECT_EQ(file->array("outer").shape[0], static_cast<std::int64_t>(inner_bytes.size()));
  EXPECT_EQ(elements("inner"), (std::vector<std::int32_t>{1, 2}));
}

TEST_F(Npz, SizesAndOffsetsBeyondTheFileAreRefused) {
  const Entry entry = npy_of("a", {1, 2});
  const std::string bytes = local_header(entry) + entry.bytes;
  for (const std::uint64_t offset :
       {std::uint64_t{1}, std::uint64_t{10'000}, std::uint64_t{1} << 40, ~std::uint64_t{0} >> 1,
        ~std::uint64_t{0}}) {
    SCOPED_TRACE(offset);
    const std::string directory = directory_entry(entry, offset, true);
    const auto file =
        open(bytes + directory + wide_end_of_directory(1, directory.size(), bytes.size()));
    expect_error(Errc::file_invalid, "::a: is damaged", [&] { file->array("a"); });
  }
  for (const std::uint64_t size :
       {std::uint64_t{10'000}, std::uint64_t{1} << 40, ~std::uint64_t{0} >> 1, ~std::uint64_t{0}}) {
    SCOPED_TRACE(size);
    Entry larger = entry;
    larger.declared_size = size;
    // The member's own header has its size as well, unless it says that it does not know.
    std::string start = local_header(entry);
    for (std::size_t i = 18; i < 26; ++i) start[i] = '\xff';
    const std::string directory = directory_entry(larger, 0, true);
    const auto file =
        open(start + entry.bytes + directory +
             wide_end_of_directory(1, directory.size(), start.size() + entry.bytes.size()));
    expect_error(Errc::file_invalid, "::a: is damaged", [&] { file->array("a"); });
  }
}

TEST_F(Npz, MembersBeyondFourGigabytesAreRead) {
  const Entry first = npy_of("first", {1, 2});
  const Entry far = npy_of("far", {-3, 4, 5});
  const std::uint64_t offset = (std::uint64_t{1} << 32) + 12'345;
  const std::string directory =
      directory_entry(first, 0, true) + directory_entry(far, offset, true);
  const std::string behind = local_header(far) + far.bytes;
  write_file(path_, local_header(first) + first.bytes);
  std::filesystem::resize_file(path_, offset);  // a hole
  std::ofstream(path_, std::ios::binary | std::ios::app)
      << behind << directory << wide_end_of_directory(2, directory.size(), offset + behind.size());
  EXPECT_EQ(elements("first"), (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(elements("far"), (std::vector<std::int32_t>{-3, 4, 5}));
}

TEST_F(Npz, AMillionMembersAreReadInTime) {
  const auto members = cases(std::size_t{1'000'000});
  std::string directory;
  Entry entry = npy_of("", {1});
  for (std::size_t i = 0; i < members; ++i) {
    entry.name = text(i, ".npy");
    directory += directory_entry(entry, 0);
  }
  const std::string start = local_header(entry) + entry.bytes;
  const auto began = std::chrono::steady_clock::now();
  const auto file =
      open(start + directory + wide_end_of_directory(members, directory.size(), start.size()));
  ASSERT_EQ(file->names().size(), members);
  EXPECT_EQ(file->names().back(), text(members - 1));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60));
}

TEST_F(Npz, MoreMembersThanThereAreAreNotWaitedFor) {
  const Entry entry = npy_of("a", {1});
  const std::string start = local_header(entry) + entry.bytes;
  const std::string directory = directory_entry(entry, 0);
  expect_error(Errc::file_invalid, "is a damaged ZIP archive", [&] {
    open(start + directory +
         wide_end_of_directory(~std::uint64_t{0} >> 1, directory.size(), start.size()));
  });
}

TEST_F(Npz, WhatIsNoArchiveIsRefused) {
  expect_error(Errc::file_invalid, "is empty", [&] { open(""); });
  expect_error(Errc::file_invalid, "no ZIP archive", [&] { open("hello"); });
  expect_error(Errc::file_invalid, "no ZIP archive", [&] { open(std::string(100'000, 'P')); });
  expect_error(Errc::file_invalid, "damaged ZIP archive",
               [&] { open(std::string(5, 'x') + end_of_directory(0, 6, 0)); });
  expect_error(Errc::file_invalid, "null character", [&] {
    open(archive({{std::string("a\0b.npy", 7), "x"}}));
  });
  EXPECT_TRUE(open(end_of_directory(0, 0, 0))->names().empty());
  expect_error(Errc::file_unreadable, "", [&] { open_stored_file(scratch_ / "none.npz"); });
}

/// Opens all that a file says it has; each array lies in the file, or is refused.
void read_all(const std::string& path, std::int64_t bytes) {
  try {
    const auto file = open_stored_file(path);
    for (const std::string& name : file->names()) {
      try {
        check_inside(file->array(name), bytes, name);
        const Dataset dataset = Dataset::open(path + "::" + name);
        if (dataset.nbytes() <= 4096) dataset.reference();
      } catch (const Error& error) {
        EXPECT_TRUE(error.code() == Errc::file_invalid || error.code() == Errc::size_overflow ||
                    error.code() == Errc::invalid_argument || error.code() == Errc::file_unreadable)
            << error.what();
      }
    }
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::file_invalid) << error.what();
  }
}

TEST_F(Npz, EveryTruncationIsRefused) {
  const std::string whole = archive({npy_of("a", {1, 2}), {"b.txt", "b"}, npy_of("c", {3})});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    expect_error(Errc::file_invalid, path_, [&] { open(whole.substr(0, size)); });
  }
}

TEST_F(Npz, WhateverBytesChangeNothingOutsideOfTheFileIsRead) {
  const std::vector<Entry> entries{npy_of("a", {1, 2}), {"b.txt", "b"}, npy_of("c", {3})};
  std::string start;
  std::string directory;
  for (const Entry& entry : entries) {
    directory += directory_entry(entry, start.size(), true);
    start += local_header(entry) + entry.bytes;
  }
  const std::string wide =
      start + directory + wide_end_of_directory(entries.size(), directory.size(), start.size());
  const std::string narrow = archive(entries);
  std::mt19937 random(1);
  for (int round = 0; round < cases(3'000); ++round) {
    std::string bytes = round % 2 ? wide : narrow;
    const auto changes = 1 + random() % 3;
    for (std::uint32_t i = 0; i < changes; ++i)
      bytes[random() % bytes.size()] =
          random() % 4 ? static_cast<char>(random()) : (random() % 2 ? '\0' : '\xff');
    write_file(path_, bytes);
    read_all(path_, static_cast<std::int64_t>(bytes.size()));
    if (HasFailure()) FAIL() << "in round " << round;
  }
}

}  // namespace
}  // namespace multibuffer::files
