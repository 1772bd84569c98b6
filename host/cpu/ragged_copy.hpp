#pragma once

#include "host/backend/ragged_plan.hpp"
#include "host/cpu/convert_items.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace multibuffer {

/// How the rows of a ragged plan are copied. The first whose needs a plan meets is taken.
enum class RaggedWay { gather, convert, nontemporal, copy };
RaggedWay choose_way(const RaggedPlan& plan);
/// The name of a way, and what `choose_way` asks of what is copied by it, in words.
const char* name_of(RaggedWay way);
std::string needs_of(RaggedWay way);

/// Runs a ragged plan that has items, whose memory is all this process's. The dense side is cut
/// into parts, which threads share: so they have equally many bytes to write, however unequal rows
/// are. A part is a byte where rows are copied as they are, a number where they are converted, and
/// a run where items have gaps.
class RaggedCopy {
 public:
  /// Keeps `plan`, which must live as long as this.
  explicit RaggedCopy(const RaggedPlan& plan);

  std::int64_t parts() const { return plan_.items * item_parts_; }
  std::int64_t part_bytes() const { return part_bytes_; }
  /// Writes parts [begin, end) of the dense side. Several threads may write others.
  void operator()(std::int64_t begin, std::int64_t end) const;

 private:
  template <class Visit>
  void walk(std::int64_t begin, std::int64_t end, Visit& visit) const;
  template <class Sink>
  void copy_into(std::int64_t begin, std::int64_t end) const;
  /// Compiled for wide vectors.
  void copy_wide(std::int64_t begin, std::int64_t end) const;
  void write_wide(std::int64_t begin, std::int64_t end) const;

  const RaggedPlan& plan_;
  std::optional<ConvertItems> convert_;
  std::int64_t item_parts_ = 1;
  std::int64_t part_bytes_ = 1;  ///< on the dense side
  RaggedWay way_;
  std::vector<std::byte> fill_;  ///< elements of padding, one after the other
};

}  // namespace multibuffer
