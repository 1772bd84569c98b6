#include <multibuffer/access.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>
#include <multibuffer/error.hpp>

#include "host/backend/backend.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <utility>

namespace multibuffer {

Accessed::Accessed(const DeviceArray& array) : device_(array.device()), owner_(storage_of(array)) {
  for (UsedMemory& used : blocks_of(*storage_of(array))) blocks_.push_back(std::move(used.memory));
}

Accessed::Accessed(const DeviceBuffer& buffer)
    : device_(buffer.device()), owner_(owner_of(buffer)), readonly_(buffer.readonly()) {
  // Work on memory that is not the library's cannot be waited for later.
  if (!memory_of(buffer)) buffer.synchronize();
  if (memory_of(buffer)) blocks_.push_back(memory_of(buffer));
}

Access::Access(StreamRef stream, std::vector<Accessed> reads, std::vector<Accessed> writes) {
  std::vector<UsedMemory> used;
  const auto add = [&](std::vector<Accessed>& all, bool writing) {
    for (Accessed& each : all) {
      if (writing && each.readonly_)
        throw Failure(Errc::invalid_argument, "a read-only buffer cannot be written to");
      for (const std::shared_ptr<Memory>& block : each.blocks_) used.push_back({block, writing});
      accessed_.push_back(std::move(each));
      const Device& device = accessed_.back().device_;
      if (device != accessed_.front().device_)
        throw Failure(Errc::invalid_argument,
                      text("an access to memory of ", accessed_.front().device_.name(), " and of ",
                           device.name(), "; open one for each device"));
    }
  };
  add(reads, false);
  add(writes, true);
  if (!accessed_.empty()) use_ = backend_of(accessed_.front().device_).begin_use(used, stream);
}

Access::~Access() = default;
Access::Access(Access&&) noexcept = default;

void Access::end() {
  if (const std::unique_ptr<MemoryUse> use = std::move(use_)) use->end();
  accessed_.clear();
}

}  // namespace multibuffer
