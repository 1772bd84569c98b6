#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/dataset.hpp>

#include "host/cli/inputs.hpp"
#include "host/cli/progress.hpp"

#include <optional>
#include <span>
#include <string>

namespace multibuffer::cli {

/// The array that a command line names, as one view of memory, whatever files it is in.
class ArrayInput {
 public:
  /// Throws what `Inputs` and `open_dataset` throw, and `invalid_argument` for a dataset whose
  /// pieces no table of pointers can say.
  ArrayInput(std::span<const std::string> paths, Join join, Progress& progress);

  const ArrayView& view() const noexcept { return *view_; }
  const std::string& name() const noexcept { return name_; }

 private:
  std::optional<Inputs> inputs_;
  std::optional<Dataset::Mapped> mapped_;
  std::optional<ArrayView> view_;
  std::string name_;
};

}  // namespace multibuffer::cli
