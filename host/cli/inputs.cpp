#include "host/cli/inputs.hpp"

#include <multibuffer/error.hpp>

#include "host/cli/file_kind.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <new>
#include <string_view>

namespace multibuffer::cli {
namespace {

// Recognises files by their first bytes if their name does not tell.
FileKind kind_of_input(const std::string& path) {
  if (const std::optional<FileKind> kind = kind_of_name(path)) return *kind;
  const files::MappedFile file(path);
  const std::string_view start(reinterpret_cast<const char*>(file.bytes().data()),
                               std::min<std::size_t>(file.bytes().size(), 8));
  if (start.starts_with("\x93NUMPY")) return FileKind::npy;
  if (start.starts_with("\x89PNG")) return FileKind::png;
  throw Failure(Errc::file_invalid, text(path, ": neither a .npy file nor a PNG"));
}

}  // namespace

// Opens a file, and names it if memory runs out, because a command may have many inputs.
Inputs::Input Inputs::open(const std::string& path, const Watch& watch) {
  try {
    return open_any(path, watch);
  } catch (const std::bad_alloc&) {
    throw Failure(Errc::file_unreadable, text(path, ": out of memory"));
  }
}

Inputs::Input Inputs::open_any(const std::string& path, const Watch& watch) {
  if (kind_of_input(path) == FileKind::png) {
    files::PngFile file(path, watch);
    const ArrayView view = file.view();
    const std::string descr = file.descr();
    return {path, std::move(file), descr, view, false};
  }
  files::NpyFile file(path);
  const ArrayView view = file.view();
  const std::string descr = file.type().descr;
  const bool has_no_bytes = file.type().itemsize == 0;
  return {path, std::move(file), descr, view, has_no_bytes};
}

Inputs::Inputs(std::span<const std::string> paths, Join join, const Watch& watch) : join_(join) {
  if (paths.empty()) throw Failure(Errc::invalid_argument, "no input");
  inputs_.reserve(paths.size());
  for (const std::string& path : paths) inputs_.push_back(open(path, watch));
  check_alike();
  if (inputs_.size() == 1) {
    view_ = inputs_.front().view;
  } else {
    this->join();
  }
}

void Inputs::join() {
  const bool pictures = std::holds_alternative<files::PngFile>(inputs_.front().file);
  if (join_ == Join::concatenate && pictures) return join_rows();
  std::vector<ArrayView> views;
  for (const Input& input : inputs_) views.push_back(input.view);
  stack_ = join_ == Join::stack ? stack(views) : concatenate(views);
  view_ = stack_->view();
}

// Joins pictures, whose rows are pointers already, by one longer table of row pointers.
void Inputs::join_rows() {
  for (const Input& input : inputs_) {
    const auto* const rows = reinterpret_cast<const void* const*>(input.view.base());
    rows_.insert(rows_.end(), rows, rows + input.view.shape()[0]);
  }
  rows_shape_ = inputs_.front().view.shape();
  rows_shape_[0] = static_cast<std::int64_t>(rows_.size());
  view_ = ArrayView::from_export(raw_export());
}

void Inputs::check_alike() const {
  // An empty array has no layout to compare with.
  const auto some = std::ranges::find_if(
      inputs_, [](const Input& input) { return !input.view.layout().empty(); });
  const Input& first = some == inputs_.end() ? inputs_.front() : *some;
  if (join_ == Join::concatenate && first.view.ndim() == 0) {
    throw Failure(Errc::invalid_argument,
                  text(first.path, ": an array without axes has no axis 0 to join along"));
  }
  for (const Input& other : inputs_) {
    const std::string what = difference(first, other);
    if (what.empty()) continue;
    throw Failure(Errc::invalid_argument,
                  text(first.path, " and ", other.path, " cannot be ",
                       join_ == Join::stack ? "stacked" : "joined", ": ", what));
  }
}

// Describes the difference of two inputs in a sentence; empty if there is none.
std::string Inputs::difference(const Input& first, const Input& other) const {
  const auto pair = [](std::string_view what, const auto& a, const auto& b) {
    return text(what, " ", a, " and ", b);
  };
  if (first.descr != other.descr) {
    return pair("their element types differ:", files::shortened(first.descr),
                files::shortened(other.descr));
  }
  const std::vector<std::int64_t> a = first.view.shape();
  const std::vector<std::int64_t> b = other.view.shape();
  std::string shapes = pair("their shapes differ:", tuple_text(a), tuple_text(b));
  if (a.size() != b.size()) return shapes;
  const std::size_t free_axes = join_ == Join::concatenate ? 1 : 0;
  for (std::size_t axis = free_axes; axis < a.size(); ++axis) {
    if (a[axis] != b[axis]) {
      const char* const hint = free_axes ? "" : "; --concat joins arrays of different lengths";
      return text(shapes, " (axis ", axis, ")", axis == 0 ? hint : "");
    }
  }
  if (first.file.index() != other.file.index()) {
    return "one is a PNG, whose rows are pointers, the other a .npy file";
  }
  // One pointer for each array is enough only if all have the same strides, along axes of more than
  // one element.
  if (first.view.layout().empty() || other.view.layout().empty()) return {};
  for (std::size_t axis = free_axes; axis < a.size(); ++axis) {
    if (a[axis] == 1 ||
        first.view.layout().axes()[axis].stride == other.view.layout().axes()[axis].stride)
      continue;
    return "they lie in memory differently (Fortran order); save them in C order "
           "(numpy.ascontiguousarray)";
  }
  return {};
}

BufferExport Inputs::raw_export() const {
  if (stack_) return stack_->raw_export();
  BufferExport source =
      std::visit([](const auto& file) { return file.raw_export(); }, inputs_.front().file);
  if (rows_.empty()) return source;
  source.buf = rows_.data();
  source.len.reset();
  source.shape = rows_shape_.data();
  return source;
}

std::string Inputs::description() const {
  if (inputs_.size() == 1) return inputs_.front().path;
  return text(inputs_.size(), " files ", join_ == Join::stack ? "stacked" : "joined");
}

std::int64_t Inputs::decoded_bytes() const {
  std::int64_t bytes = 0;
  for (const Input& input : inputs_) {
    if (const auto* const png = std::get_if<files::PngFile>(&input.file)) bytes += png->nbytes();
  }
  return bytes;
}

void Inputs::check_unchanged() const {
  for (const Input& input : inputs_) {
    if (const auto* const npy = std::get_if<files::NpyFile>(&input.file)) {
      npy->file().check_unchanged();
    }
  }
}

void Inputs::read_ahead() const {
  for (const Input& input : inputs_) {
    if (const auto* const npy = std::get_if<files::NpyFile>(&input.file)) npy->file().read_ahead();
  }
}

}  // namespace multibuffer::cli
