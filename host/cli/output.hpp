#pragma once

#include <multibuffer/device_buffer.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/gather_modes.hpp>
#include <multibuffer/watch.hpp>

#include "host/cli/file_kind.hpp"
#include "host/files/whole_file.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace multibuffer::cli {

/// What a result is, before there is one.
struct ResultType {
  std::vector<std::int64_t> shape;
  Format format;
  std::string descr;  ///< the format as .npy spells it
  Order order = Order::C;
  Overflow overflow = Overflow::wrap;  ///< where the format is not that of the inputs
  bool has_no_bytes = false;           ///< elements of no bytes, each of which is one in memory

  std::int64_t nbytes() const;
};

/// The file that a result goes to. Made before the work is done, so that what cannot be written
/// fails at once; there is nothing under its name until `write` returns.
class OutputFile {
 public:
  /// Throws `invalid_argument` (a name that tells no kind of file, or an array that this kind
  /// cannot hold) or `file_unwritable`.
  OutputFile(const std::string& path, ResultType type);

  /// `bytes` are the elements in the type's order.
  void write(std::span<const std::byte> bytes, const Watch& watch);
  const std::string& path() const noexcept { return file_.path(); }
  /// Of the whole file.
  std::int64_t written() const noexcept { return file_.written(); }

 private:
  FileKind kind_;
  ResultType type_;
  files::WholeFile file_;
};

}  // namespace multibuffer::cli
