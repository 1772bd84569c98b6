#include "host/cli/dataset_input.hpp"

#include "host/cli/file_kind.hpp"
#include "host/files/stored_file.hpp"
#include "host/support/text.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

namespace multibuffer::cli {
namespace {

bool exists(const std::string& name) {
  struct stat status {};
  return stat(name.c_str(), &status) == 0;
}

bool names_dataset(const std::string& input) {
  if (!exists(input))
    return input.find_first_of("*?[") != std::string::npos || input.find("::") != std::string::npos;
  struct stat status {};
  if (kind_of_name(input) || stat(input.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
    return false;
  const files::Reader* const reader = files::recognised(input);
  return reader != &files::npy_reader && reader != &files::png_reader;
}

/// Tells whether an input is a pattern for files. In patterns, "[*]" is the star itself.
bool names_files(const std::string& input) {
  for (std::size_t at = 0; at != std::string::npos; at = input.find("::", at + 1))
    if (at > 0 && exists(input.substr(0, at))) return false;
  std::string_view file(input);
  file = file.substr(0, file.find("::"));
  for (; !file.empty(); file.remove_prefix(1)) {
    if (file.size() >= 3 && file[0] == '[' && file[2] == ']') {
      file.remove_prefix(2);
    } else if (std::string_view("*?[").find(file[0]) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool is_dataset(std::span<const std::string> inputs) {
  return std::ranges::any_of(inputs, names_dataset);
}

Dataset open_dataset(std::span<const std::string> inputs, Join join) {
  OpenOptions options;
  // One input is itself, and not a stack of one.
  const bool is_one = inputs.size() == 1 && !names_files(inputs[0]);
  options.join = is_one ? Join::concatenate : join;
  return Dataset::open(inputs, options);
}

std::string describe_dataset(const Dataset& dataset, std::span<const std::string> inputs) {
  const std::size_t files = dataset.files().size();
  if (inputs.size() == 1 && files == 1) return inputs[0];
  return text(files, files == 1 ? " file" : " files");
}

reference::Result expected_of(const Dataset& dataset, const std::optional<Take>& take) {
  if (!take) return {dataset.shape(), dataset.reference()};
  // The axis in front, entry for entry; then it goes back to where its indices' axes belong.
  const auto axis = static_cast<std::size_t>(take->axis);
  std::vector<int> front(dataset.shape().size());
  std::iota(front.begin(), front.end(), 0);
  std::rotate(front.begin(), front.begin() + take->axis, front.begin() + take->axis + 1);
  const Dataset moved = dataset.permute(front);
  std::vector<std::int64_t> shape = take->shape;
  for (std::size_t i = 1; i < moved.shape().size(); ++i) shape.push_back(moved.shape()[i]);
  std::vector<std::byte> bytes;
  for (const std::int64_t index : take->indices) {
    const std::vector<std::byte> entry = moved.index(0, index).reference();
    bytes.insert(bytes.end(), entry.begin(), entry.end());
  }
  std::vector<int> back;
  const std::size_t taken = take->shape.size();
  for (std::size_t i = 0; i < axis; ++i) back.push_back(static_cast<int>(taken + i));
  for (std::size_t i = 0; i < taken; ++i) back.push_back(static_cast<int>(i));
  for (std::size_t i = taken + axis; i < shape.size(); ++i) back.push_back(static_cast<int>(i));
  static constexpr std::byte nothing{};
  const std::string format = dataset.format().text();
  const BufferExport source{.buf = bytes.empty() ? &nothing : bytes.data(),
                            .len = {},
                            .itemsize = dataset.itemsize(),
                            .ndim = static_cast<int>(shape.size()),
                            .format = format.c_str(),
                            .shape = shape.data()};
  return reference::gather(source, std::vector<ViewOperation>{Permute{back}}, {});
}

}  // namespace multibuffer::cli
