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

/// The shape and the elements of a result, known before it is computed.
struct ResultType {
  std::vector<std::int64_t> shape;
  Format format;
  std::string descr;  ///< the format as .npy spells it
  Order order = Order::C;
  Overflow overflow = Overflow::wrap;  ///< used if the format differs from the inputs'
  bool has_no_bytes = false;           ///< in files; in memory each element has one byte

  std::int64_t nbytes() const;
};

/// The file that a result goes to. It is opened before the work is done, so that an unwritable file
/// fails at once; nothing has its name until `write` returns.
class OutputFile {
 public:
  /// Throws `invalid_argument` (a name of no known kind, or an array that the kind cannot hold) or
  /// `file_unwritable`.
  OutputFile(const std::string& path, ResultType type);

  /// Writes the file. `bytes` are the elements in the type's order.
  void write(std::span<const std::byte> bytes, const Watch& watch);
  const std::string& path() const noexcept { return file_.path(); }
  /// Returns the bytes of the whole file.
  std::int64_t written() const noexcept { return file_.written(); }

 private:
  FileKind kind_;
  ResultType type_;
  files::WholeFile file_;
};

}  // namespace multibuffer::cli
