#include "host/cli/devices_command.hpp"

#include <multibuffer/dataset.hpp>
#include <multibuffer/device.hpp>

#include "host/cli/progress.hpp"
#include "host/cli/table.hpp"
#include "host/support/text.hpp"

#include <iostream>

namespace multibuffer::cli {

int run_devices() {
  const DeviceList list = list_devices();
  Table table{{"device", "memory", "free", "processor"}};
  for (const DeviceInfo& device : list.devices) {
    table.push_back({device.name, bytes_text(device.memory_bytes),
                     device.free_bytes ? bytes_text(*device.free_bytes) : "not asked",
                     device.description});
  }
  print(std::cout, table);
  if (!list.why_no_cuda.empty()) std::cout << "no CUDA device: " << list.why_no_cuda << '\n';
  std::string reads;
  std::string misses;
  for (const FileFormat& format : file_formats()) {
    std::string& words = format.missing.empty() ? reads : misses;
    words += text(words.empty() ? "" : ", ", format.name);
    if (!format.missing.empty()) words += text(" (", format.missing, ")");
  }
  std::cout << "reads " << reads << '\n';
  if (!misses.empty()) std::cout << "built without the libraries for " << misses << '\n';
  return 0;
}

}  // namespace multibuffer::cli
