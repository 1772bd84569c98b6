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
    if (format.missing.empty())
      reads += text(reads.empty() ? "" : ", ", format.name);
    else
      misses += text("cannot read ", format.name, ": ", format.remedy, '\n');
  }
  std::cout << "reads " << reads << '\n' << misses;
  return 0;
}

}  // namespace multibuffer::cli
