#include <multibuffer/dataset.hpp>
#include <multibuffer/error.hpp>

#include "tests/fuzz/file_checks.hpp"

#include <algorithm>
#include <string_view>

namespace multibuffer::fuzz {

void description(Bytes bytes) {
  // What the descriptions in the corpus describe, and others may.
  static const std::vector<std::uint8_t> numbers(256, 7);
  static const BytesAsFile file(numbers);
  const std::string_view given(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  static const std::string good =
      Dataset::open(file.path(), {.raw = RawNumbers{Format("f", 4), {{8, 8}}}}).serialize();
  // The first byte says whether all bytes are new, or those of a good description with changes.
  std::string changed(given.substr(std::min<std::size_t>(given.size(), 1)));
  if (!given.empty() && given[0] % 2 == 0) {
    const std::string changes = std::exchange(changed, good);
    for (std::size_t i = 0; i + 1 < changes.size(); i += 2)
      changed[static_cast<std::uint8_t>(changes[i]) % changed.size()] = changes[i + 1];
  }
  try {
    const Dataset dataset = Dataset::deserialize(changed);
    require(Dataset::deserialize(dataset.serialize()).layout() == dataset.layout(),
            "a description is read otherwise");
    if (dataset.files() != std::vector<std::string>{file.path()}) return;
    std::int64_t count = 1;
    for (const std::int64_t extent : dataset.shape())
      count = std::min<std::int64_t>(513, count * std::min<std::int64_t>(extent, 513));
    if (count > 512 || dataset.itemsize() > 512) return;
    require(copy(dataset).to_host() == dataset.reference(), "a dataset is read otherwise");
  } catch (const Error&) {
  }
}

}  // namespace multibuffer::fuzz
