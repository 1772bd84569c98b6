#include <multibuffer/error.hpp>
#include <multibuffer/stack.hpp>

#include "host/support/checked.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

namespace multibuffer {

/// The pointers, and the words of the raw export.
struct Stack::Table {
  std::vector<const std::byte*> pointers;
  std::string format;
  std::vector<std::int64_t> shape, strides, suboffsets;
  std::string why_no_export;  ///< empty: `raw_export` can say this array
};

namespace {

constexpr auto pointer_bytes = static_cast<std::int64_t>(sizeof(const std::byte*));

/// A part's layout seen from behind a table of pointers: the table's axes and levels in front,
/// counted from the table's index 0.
Layout behind_table(const Layout& table, const Layout& part, std::size_t skipped_axes) {
  std::vector<Axis> axes(table.axes().begin(), table.axes().end());
  for (Axis axis : part.axes().subspan(skipped_axes)) {
    axis.level += table.levels() + 1;
    axes.push_back(axis);
  }
  std::vector<std::int64_t> origins(table.origins().begin(), table.origins().end());
  origins[0] = 0;
  // The pointers already contain the offset that the part adds before its first dereference.
  origins.push_back(0);
  const auto rest = part.origins().subspan(1);
  origins.insert(origins.end(), rest.begin(), rest.end());
  return Layout(std::move(axes), std::move(origins));
}

/// Stacks over `count` pointers, one after the other.
Layout behind_pointers(const Layout& part, std::int64_t count, std::size_t skipped_axes) {
  return behind_table(Layout({{count, pointer_bytes, 0}}, {0}), part, skipped_axes);
}

const std::byte* start_of(const ArrayView& part) {
  return part.layout().empty() ? nullptr : part.base() + part.layout().origins()[0];
}

std::string axes_text(const ArrayView& part) {
  std::vector<std::int64_t> strides;
  for (const Axis& axis : part.layout().axes()) strides.push_back(axis.stride);
  return text("shape ", tuple_text(part.shape()), ", strides ", tuple_text(strides), ", format '",
              part.format().text(), "' of ", part.itemsize(), " bytes, ", part.layout().levels(),
              " levels of pointers");
}

/// Throws unless a part equals the part `model` in everything but its address and, with
/// `skipped_axes`, the first axes. Strides do not count where no step is taken.
void check_alike(std::span<const ArrayView> parts, std::size_t model, std::size_t number,
                 std::size_t skipped_axes) {
  const ArrayView& first = parts[model];
  const ArrayView& part = parts[number];
  const Layout& a = first.layout();
  const Layout& b = part.layout();
  const auto differ = [&](const std::string& what) {
    throw Failure(Errc::invalid_view,
                  text("part ", number, " differs from part ", model, " in ", what, ": ",
                       axes_text(part), " instead of ", axes_text(first)));
  };
  if (!same_meaning(first.format(), part.format())) differ("format");
  if (first.space() != part.space()) differ("memory space");
  if (a.ndim() != b.ndim()) differ("number of axes");
  if (a.levels() != b.levels()) differ("levels of pointers");
  const bool any_empty = a.empty() || b.empty();
  for (std::size_t i = skipped_axes; i < a.axes().size(); ++i) {
    const Axis& x = a.axes()[i];
    const Axis& y = b.axes()[i];
    if (x.extent != y.extent) differ(text("the extent of axis ", i));
    if (x.level != y.level) differ(text("the level of axis ", i));
    if (!any_empty && x.extent > 1 && x.stride != y.stride) differ(text("the stride of axis ", i));
  }
  for (std::size_t k = 1; k < a.origins().size(); ++k)
    if (!any_empty && a.origins()[k] != b.origins()[k]) differ(text("the suboffset of level ", k));
}

/// The layout in the words of the protocol, or why there are none.
std::string say_as_export(const Layout& layout, std::vector<std::int64_t>& shape,
                          std::vector<std::int64_t>& strides,
                          std::vector<std::int64_t>& suboffsets) {
  int level = 0;
  for (std::size_t i = 0; i < layout.axes().size(); ++i) {
    const Axis& axis = layout.axes()[i];
    // Nor has level 0, if the first axis is behind a single pointer.
    if (axis.level > (shape.empty() ? level : level + 1))
      return text("level ", level, " has no axis of its own");
    if (axis.level < level) return text("axis ", i, " is evaluated before the axes in front of it");
    if (axis.level == level + 1) {
      const std::int64_t suboffset = layout.origins()[static_cast<std::size_t>(axis.level)];
      if (suboffset < 0) return text("the suboffset ", suboffset, " of axis ", i - 1);
      suboffsets.back() = suboffset;
      level = axis.level;
    }
    shape.push_back(axis.extent);
    strides.push_back(axis.stride);
    suboffsets.push_back(-1);
  }
  const std::int64_t last = layout.origins().back();
  if (layout.levels() == level + 1 &&
      !shape.empty()) {  // the last axis is itself a table of single elements
    if (last < 0) return text("the suboffset ", last, " of the last axis");
    suboffsets.back() = last;
    ++level;
  }
  return layout.levels() == level ? "" : "a level has no axis of its own";
}

}  // namespace

Stack::Stack(std::shared_ptr<const Table> table, ArrayView view)
    : table_(std::move(table)), view_(std::move(view)) {}

BufferExport Stack::raw_export() const {
  if (!table_->why_no_export.empty())
    throw Failure(Errc::invalid_view,
                  text("a buffer export cannot express this array: ", table_->why_no_export));
  return {.buf = view_.base(),
          .len = view_.nbytes(),
          .itemsize = view_.itemsize(),
          .readonly = view_.readonly(),
          .ndim = view_.ndim(),
          .format = table_->format.c_str(),
          .shape = table_->shape.data(),
          .strides = table_->strides.data(),
          .suboffsets = table_->suboffsets.data()};
}

Stack Stack::over(std::vector<const std::byte*> pointers, const ArrayView& part, Layout layout,
                  bool readonly) {
  auto table = std::make_shared<Table>();
  table->pointers = std::move(pointers);
  table->format = part.format().text();
  table->why_no_export = say_as_export(layout, table->shape, table->strides, table->suboffsets);
  ArrayView view(table->pointers.data(), part.format(), std::move(layout), readonly, part.space());
  return Stack(std::move(table), std::move(view));
}

Stack stack(std::span<const ArrayView> parts) {
  if (parts.empty()) throw Failure(Errc::invalid_argument, "a stack of no arrays has no shape");
  std::vector<const std::byte*> pointers;
  pointers.reserve(parts.size());
  bool readonly = false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check_alike(parts, 0, i, 0);
    pointers.push_back(start_of(parts[i]));
    readonly = readonly || parts[i].readonly();
  }
  Layout layout = behind_pointers(parts[0].layout(), std::ssize(parts), 0);
  return Stack::over(std::move(pointers), parts[0], std::move(layout), readonly);
}

Stack stack(const ArrayView& part, std::vector<const std::byte*> starts) {
  if (starts.empty()) throw Failure(Errc::invalid_argument, "a stack of no arrays has no shape");
  if (!part.layout().empty()) {
    const auto null = std::ranges::find(starts, nullptr);
    if (null != starts.end())
      throw Failure(Errc::invalid_view,
                    text("the address of part ", null - starts.begin(), " is NULL, but the shape ",
                         tuple_text(part.shape()), " has elements"));
  }
  Layout layout = behind_pointers(part.layout(), std::ssize(starts), 0);
  return Stack::over(std::move(starts), part, std::move(layout), part.readonly());
}

Stack stack_at(const ArrayView& table, const ArrayView& part) {
  if (table.itemsize() != pointer_bytes || table.space() != MemorySpace::host)
    throw Failure(Errc::invalid_view,
                  text("a table of pointers has elements of ", pointer_bytes,
                       " bytes in host memory, not of ", table.itemsize(),
                       table.space() == MemorySpace::host ? "" : " in device memory"));
  Layout layout = behind_table(table.layout(), part.layout(), 0);
  auto own = std::make_shared<Stack::Table>();
  own->format = part.format().text();
  own->why_no_export = say_as_export(layout, own->shape, own->strides, own->suboffsets);
  ArrayView view(start_of(table), part.format(), std::move(layout), part.readonly(), part.space());
  return Stack(std::move(own), std::move(view));
}

Stack concatenate(std::span<const ArrayView> parts) {
  if (parts.empty())
    throw Failure(Errc::invalid_argument, "a concatenation of no arrays has no shape");
  if (parts[0].ndim() == 0)
    throw Failure(Errc::invalid_view, "part 0 has no axis 0 to concatenate along");
  // The first that has elements, since the strides of others say nothing.
  const auto some =
      std::ranges::find_if(parts, [](const ArrayView& part) { return !part.layout().empty(); });
  const std::size_t model =
      some == parts.end() ? 0 : static_cast<std::size_t>(some - parts.begin());
  std::int64_t count = 0;
  bool readonly = false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check_alike(parts, model, i, 1);
    if (parts[i].layout().axes()[0].level != 0)
      throw Failure(Errc::invalid_view, text("axis 0 of part ", i, " lies behind a pointer table"));
    count = checked_add(count, parts[i].layout().axes()[0].extent, "the extent of axis 0");
    readonly = readonly || parts[i].readonly();
  }
  Layout layout = behind_pointers(parts[model].layout(), count, 1);
  std::vector<const std::byte*> pointers;
  if (!layout.empty()) pointers.reserve(static_cast<std::size_t>(count));
  for (const ArrayView& part : parts) {
    if (part.layout().empty()) continue;
    const Axis& axis = part.layout().axes()[0];
    const std::byte* start = start_of(part);
    for (std::int64_t i = 0; i < axis.extent; ++i) pointers.push_back(start + i * axis.stride);
  }
  return Stack::over(std::move(pointers), parts[model], std::move(layout), readonly);
}

}  // namespace multibuffer
