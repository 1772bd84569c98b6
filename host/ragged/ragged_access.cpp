#include <multibuffer/access.hpp>

#include "host/backend/backend.hpp"
#include "host/ragged/ragged_storage.hpp"

#include <utility>

namespace multibuffer {

Accessed::Accessed(const RaggedArray& array)
    : device_(array.device()), owner_(storage_of(array).storage) {
  for (UsedMemory& used : blocks_of(storage_of(array))) blocks_.push_back(std::move(used.memory));
}

}  // namespace multibuffer
