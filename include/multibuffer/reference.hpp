#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/gather_modes.hpp>
#include <multibuffer/watch.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/// The oracle. It takes the raw export and the list of view operations, composes the operations on
/// indices, and follows the original pointers for every element by a transcription of PEP 3118's
/// `get_item_pointer`. It shares no code with the pipeline it checks, and is not fast. Unlike a
/// view, it reshapes whatever the strides.
namespace multibuffer::reference {

/// Index arrays as plain lists: `values` in C order of `shape`.
struct Index {
  std::vector<std::int64_t> values;
  std::vector<std::int64_t> shape;
};
struct Group {
  std::vector<int> axes;
  std::vector<Index> indices;
  std::optional<int> position;  ///< as in `IndexGroup`
};

/// A dense C-ordered result in host memory.
struct Result {
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

struct Options {
  IndexMode mode = IndexMode::raise;    ///< of index arrays
  Overflow overflow = Overflow::wrap;   ///< of conversions
  std::optional<Scaling> scaling = {};  ///< of conversions, and then of every element
  Watch watch = {};
};

/// The addresses of all elements of `source` after `operations` and `groups`, in C order.
struct Addresses {
  std::vector<std::int64_t> shape;
  std::vector<const std::byte*> elements;
};
Addresses addresses(const BufferExport& source, std::span<const ViewOperation> operations,
                    std::span<const Group> groups = {}, const Options& options = {});

/// The elements themselves.
Result gather(const BufferExport& source, std::span<const ViewOperation> operations,
              std::span<const Group> groups = {}, const Options& options = {});

/// Converts a result's elements as `GatherOptions::format`, `overflow` and `scaling` do, by an
/// implementation of its own. Numbers alone: throws `format_unsupported` for all others,
/// unless the two formats are the same.
Result converted(Result result, const Format& from, const Format& to, const Options& options = {});

}  // namespace multibuffer::reference
