#include "host/python/inputs/arrow_input.hpp"

#include <multibuffer/error.hpp>

#include "host/python/support/attributes.hpp"
#include "host/python/support/errors.hpp"
#include "host/python/support/gil.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace py = pybind11;

// What a producer hands over are three C structs, each with a function that releases it, which its
// consumer calls once. A consumer may move a struct, byte for byte, as long as it marks the old one
// as released.
//
// Sources: "The Arrow C data interface", "The Arrow C stream interface", "The Arrow PyCapsule
// Interface", arrow.apache.org/docs/format.

extern "C" {

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  std::int64_t flags;
  std::int64_t n_children;
  ArrowSchema** children;
  ArrowSchema* dictionary;
  void (*release)(ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  std::int64_t length;
  std::int64_t null_count;
  std::int64_t offset;
  std::int64_t n_buffers;
  std::int64_t n_children;
  const void** buffers;
  ArrowArray** children;
  ArrowArray* dictionary;
  void (*release)(ArrowArray*);
  void* private_data;
};

struct ArrowArrayStream {
  int (*get_schema)(ArrowArrayStream*, ArrowSchema* out);
  int (*get_next)(ArrowArrayStream*, ArrowArray* out);
  const char* (*get_last_error)(ArrowArrayStream*);
  void (*release)(ArrowArrayStream*);
  void* private_data;
};

}  // extern "C"

namespace multibuffer::python {
namespace {

[[noreturn]] void refuse(PyObject* kind, const std::string& what) {
  set_python_error(kind, what.c_str());
  throw py::error_already_set();
}
[[noreturn]] void refuse_type(const std::string& what) { refuse(PyExc_TypeError, what); }
[[noreturn]] void refuse_value(const std::string& what) { refuse(PyExc_ValueError, what); }

// ---- Structs, each released once

/// One of the structs, on its own.
template <class Struct>
class Held {
 public:
  Held() = default;
  Held(Held&& other) noexcept : value_(other.value_) { other.value_.release = nullptr; }
  Held& operator=(Held&&) = delete;
  ~Held() {
    // A producer's function is free to need the GIL, as DLPack's are.
    if (!value_.release || !Py_IsInitialized()) return;
    const LettingGo guard;
    value_.release(&value_);
  }

  Struct* get() noexcept { return &value_; }
  const Struct& operator*() const noexcept { return value_; }
  const Struct* operator->() const noexcept { return &value_; }
  bool is_released() const noexcept { return value_.release == nullptr; }

 private:
  Struct value_{};
};

/// Moves a struct out of its capsule.
template <class Struct>
void take_over(Held<Struct>& held, py::handle capsule, const char* name) {
  auto* const from = static_cast<Struct*>(PyCapsule_GetPointer(capsule.ptr(), name));
  if (!from) throw py::error_already_set();
  if (!from->release) refuse_value(text("the ", name, " has been taken over by another consumer"));
  *held.get() = *from;
  from->release = nullptr;
}

// ---- The type of a column

struct Scalar {
  std::string_view code;    ///< Arrow's; of times in a zone, what their codes begin with
  std::string_view format;  ///< PEP 3118's
  std::int64_t bytes;
};
constexpr auto scalars = std::to_array<Scalar>({
    {"c", "b", 1},
    {"C", "B", 1},
    {"s", "h", 2},
    {"S", "H", 2},
    {"i", "i", 4},
    {"I", "I", 4},
    {"l", "q", 8},
    {"L", "Q", 8},
    {"e", "e", 2},
    {"f", "f", 4},
    {"g", "d", 8},
    // NumPy has no days in 32 bits, and no times of the day.
    {"tdD", "i", 4},
    {"tts", "i", 4},
    {"ttm", "i", 4},
    {"ttu", "q", 8},
    {"ttn", "q", 8},
    {"tdm", "datetime64[ms]", 8},
    {"tss:", "datetime64[s]", 8},
    {"tsm:", "datetime64[ms]", 8},
    {"tsu:", "datetime64[us]", 8},
    {"tsn:", "datetime64[ns]", 8},
    {"tDs", "timedelta64[s]", 8},
    {"tDm", "timedelta64[ms]", 8},
    {"tDu", "timedelta64[us]", 8},
    {"tDn", "timedelta64[ns]", 8},
});

/// What elements cannot be read by what their codes begin with, and what helps.
struct Refused {
  std::string_view code;
  std::string_view what;
};
constexpr std::string_view lists_that_differ =
    "lists that differ in length; multibuffer.ragged() takes one axis of them, or cast them to "
    "fixed-size lists";
constexpr auto refused_formats = std::to_array<Refused>({
    {"b", "bools, eight of which share a byte; cast them to uint8"},
    {"n", "null, of which there are no elements"},
    {"u", "strings, which differ in length; numbers can be read"},
    {"U", "strings, which differ in length; numbers can be read"},
    {"vu", "strings, which differ in length; numbers can be read"},
    {"z", "binaries that differ in length; cast them to fixed-size binaries"},
    {"Z", "binaries that differ in length; cast them to fixed-size binaries"},
    {"vz", "binaries that differ in length; cast them to fixed-size binaries"},
    {"d:", "decimals; cast them to float64 or int64"},
    {"ti", "intervals of the calendar; cast them to durations"},
    {"+l", lists_that_differ},
    {"+L", lists_that_differ},
    {"+vl", lists_that_differ},
    {"+vL", lists_that_differ},
    {"+m", "maps, which differ in length; take their keys or their items"},
    {"+s", "structs; take one of their fields"},
    {"+u", "unions; take one of their fields"},
    {"+r", "run-end encoded; decode them (pyarrow.compute.run_end_decode)"},
});

/// How rows of any length are said; none: there are no such rows.
struct RowLists {
  bool wide = false;                        ///< their numbers have 64 bits, not 32
  bool has_sizes = false;                   ///< beside the offsets: a list view
  std::optional<std::int64_t> length = {};  ///< of each, in fixed-size lists
  std::int64_t per_item = 1;                ///< how many of such a list's elements an item has
};

/// What a schema says of a column.
struct Column {
  bool in_table = false;            ///< a struct is around it
  std::optional<RowLists> rows;     ///< around all that follows
  std::vector<std::int64_t> lists;  ///< the lengths of fixed-size lists, from the outside
  Format format = Format("B", 1);
  /// How the elements of a row or an item are seen: by the lists, of which some are tensors.
  std::vector<std::int64_t> shape;
  std::vector<int> axes;  ///< the stored axis that each axis is
};

std::string name_of(const ArrowSchema& schema) {
  return schema.name && *schema.name ? text(" '", schema.name, "'") : "";
}

const ArrowSchema& only_child(const ArrowSchema& schema, std::string_view what) {
  if (schema.n_children != 1 || !schema.children || !schema.children[0])
    refuse_value(text("an Arrow schema of ", what, " with ", schema.n_children, " children"));
  return *schema.children[0];
}

const ArrowSchema& only_column(const ArrowSchema& table) {
  if (table.n_children == 1) return only_child(table, "a table");
  if (table.n_children <= 0 || !table.children) refuse_value("an Arrow table without columns");
  std::string names;
  std::string first;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(table.n_children, 5); ++i) {
    const ArrowSchema* const child = table.children[i];
    const std::string name = child && child->name ? child->name : "";
    if (i == 0) first = name;
    names += text(i ? ", " : "", name);
  }
  refuse_type(text("an Arrow table of ", table.n_children, " columns (", names,
                   table.n_children > 5 ? ", ...)" : ")",
                   ", of which one can be read at a time: table.select(['", first, "']) or table['",
                   first, "']; a dict of columns is read at once"));
}

std::optional<std::int64_t> length_in(std::string_view format) {
  std::int64_t length = 0;
  const char* const end = format.data() + format.size();
  const auto [rest, error] = std::from_chars(format.data(), end, length);
  if (error != std::errc() || rest != end || length < 0) return {};
  return length;
}

Format format_of(const ArrowSchema& schema) {
  const std::string_view code = schema.format;
  for (const Scalar& scalar : scalars)
    if (scalar.code.ends_with(':') ? code.starts_with(scalar.code) : code == scalar.code)
      return Format(std::string(scalar.format), scalar.bytes);
  if (code.starts_with("w:")) {
    const std::optional<std::int64_t> bytes = length_in(code.substr(2));
    if (!bytes) refuse_value(text("an Arrow schema of the format '", code.substr(0, 100), "'"));
    if (*bytes == 0) refuse_type("an Arrow column of binaries of no bytes");
    return Format(text(*bytes, "s"), *bytes);
  }
  // The longest code that it begins with.
  const Refused* best = nullptr;
  for (const Refused& row : refused_formats)
    if (code.starts_with(row.code) && (!best || row.code.size() > best->code.size())) best = &row;
  refuse_type(text("an Arrow column", name_of(schema), " of ",
                   best ? std::string(best->what)
                        : text("the format '", code.substr(0, 100), "', which is not known")));
}

/// Looks for a key in a schema's metadata: numbers of 32 bits, of pairs and of bytes, in the
/// machine's byte order.
std::optional<std::string_view> metadata_of(const ArrowSchema& schema, std::string_view key) {
  const char* at = schema.metadata;
  if (!at) return {};
  const auto number = [&] {
    std::int32_t value = 0;
    std::memcpy(&value, at, sizeof(value));
    at += sizeof(value);
    if (value < 0) refuse_value("an Arrow schema whose metadata has a negative size");
    return static_cast<std::size_t>(value);
  };
  const auto word = [&] {
    const std::size_t size = number();
    const std::string_view bytes(at, size);
    at += size;
    return bytes;
  };
  for (std::size_t left = number(); left > 0; --left) {
    const std::string_view name = word();
    const std::string_view value = word();
    if (name == key) return value;
  }
  return {};
}

/// How the elements of a fixed-size list are seen.
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<int> axes;  ///< the stored axis that each axis is
  bool is_permuted() const { return !std::ranges::is_sorted(axes); }
};

/// Reads how the lists of arrow.fixed_shape_tensor are seen; nothing for other lists. Its
/// `permutation` says which axis of the tensor as it is stored each axis is.
std::optional<Tensor> tensor_in(const ArrowSchema& schema, std::int64_t length) {
  if (metadata_of(schema, "ARROW:extension:name") != "arrow.fixed_shape_tensor") return {};
  const auto described = metadata_of(schema, "ARROW:extension:metadata");
  if (!described) return {};
  const py::dict words =
      py::module_::import("json").attr("loads")(py::bytes(described->data(), described->size()));
  Tensor tensor{integers_argument(words["shape"], "shape"), {}};
  std::int64_t size = 1;
  std::int64_t size_without_zeros = 1;  // so that the product of some of the extents fits, too
  bool fits = true;
  for (const std::int64_t extent : tensor.shape)
    fits = fits && extent >= 0 && !__builtin_mul_overflow(size, extent, &size) &&
           !__builtin_mul_overflow(size_without_zeros, std::max<std::int64_t>(extent, 1),
                                   &size_without_zeros);
  if (!fits || size != length)
    refuse_value(text("an Arrow column of tensors of shape ", tuple_text(tensor.shape),
                      ", in lists of ", length));
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) tensor.axes.push_back(static_cast<int>(i));
  if (!words.contains("permutation") || words["permutation"].is_none()) return tensor;
  std::vector<int> permutation;
  for (const std::int64_t axis : integers_argument(words["permutation"], "permutation"))
    permutation.push_back(static_cast<int>(std::clamp<std::int64_t>(axis, -1, 1 << 20)));
  if (!std::ranges::is_permutation(permutation, tensor.axes))
    refuse_value("an Arrow column of tensors whose permutation is none");
  tensor.axes = std::move(permutation);
  return tensor;
}

RowLists row_lists_of(const ArrowSchema& schema) {
  const std::string_view code = schema.format;
  if (code == "+l") return {};
  if (code == "+L") return {.wide = true};
  if (code == "+vl") return {.has_sizes = true};
  if (code == "+vL") return {.wide = true, .has_sizes = true};
  const auto length = code.starts_with("+w:") ? length_in(code.substr(3)) : std::nullopt;
  if (length) return {.length = length};
  refuse_type(text("an Arrow column", name_of(schema), " of the format '", code.substr(0, 100),
                   "', which is no list: give it as the values, with offsets= or lengths="));
}

/// Takes the first axis of a tensor as that of a row's items, and the others as an item's.
void enter_tensor(const Tensor& tensor, Column& column) {
  if (tensor.shape.empty())
    refuse_type("an Arrow column of tensors without axes, which have no items");
  column.rows->length = tensor.shape[0];
  for (std::size_t i = 1; i < tensor.shape.size(); ++i) {
    column.rows->per_item *= tensor.shape[i];
    column.axes.push_back(static_cast<int>(column.shape.size()));
    column.shape.push_back(tensor.shape[i]);
  }
}

/// Adds the axes of a fixed-size list.
void add_axes(const std::optional<Tensor>& tensor, std::int64_t length, Column& column) {
  const auto first = static_cast<int>(column.shape.size());
  if (!tensor) {
    column.shape.push_back(length);
    return column.axes.push_back(first);
  }
  column.shape.insert(column.shape.end(), tensor->shape.begin(), tensor->shape.end());
  for (const int axis : tensor->axes) column.axes.push_back(first + axis);
}

constexpr std::string_view permuted_tensors =
    "tensors whose axes are permuted; rows lie in the order of their axes: give a list of arrays";

/// What is asked for.
enum class Wanted { elements, rows };

Column describe(const ArrowSchema& top, Wanted wanted) {
  Column column;
  const ArrowSchema* schema = &top;
  const auto check = [&] {
    if (!schema->format) refuse_value("an Arrow schema without a format");
    if (schema->dictionary)
      refuse_type(text("an Arrow column", name_of(*schema),
                       " of dictionary-encoded elements; decode them (dictionary_decode(), or a "
                       "cast to the values' type)"));
  };
  check();
  if (std::string_view(schema->format) == "+s") {
    column.in_table = true;
    schema = &only_column(*schema);
    check();
  }
  if (wanted == Wanted::rows) {
    column.rows = row_lists_of(*schema);
    if (column.rows->length) {
      if (const auto tensor = tensor_in(*schema, *column.rows->length)) {
        if (tensor->is_permuted()) refuse_type(text("an Arrow column of ", permuted_tensors));
        enter_tensor(*tensor, column);
      }
    }
    schema = &only_child(*schema, "lists");
    check();
  }
  while (std::string_view(schema->format).starts_with("+w:")) {
    const std::optional<std::int64_t> length =
        length_in(std::string_view(schema->format).substr(3));
    if (!length)
      refuse_value(text("an Arrow schema of the format '",
                        std::string_view(schema->format).substr(0, 100), "'"));
    constexpr std::size_t most_lists = 59;  // as many axes as a dataset can have, and the rows'
    if (column.lists.size() == most_lists)
      refuse_value(text("Arrow lists that are nested deeper than ", most_lists, " times"));
    column.lists.push_back(*length);
    add_axes(tensor_in(*schema, *length), *length, column);
    schema = &only_child(*schema, "fixed-size lists");
    check();
  }
  column.format = format_of(*schema);
  if (column.rows && !std::ranges::is_sorted(column.axes))
    refuse_type(text("an Arrow column of lists of ", permuted_tensors));
  return column;
}

// ---- The elements of a batch

std::optional<std::int64_t> first_zero_bit(const std::uint8_t* bits, std::int64_t begin,
                                           std::int64_t end) {
  const auto is_zero = [&](std::int64_t i) { return (bits[i / 8] >> (i % 8) & 1) == 0; };
  std::int64_t i = begin;
  for (; i < end && i % 8 != 0; ++i)
    if (is_zero(i)) return i;
  for (std::uint64_t word = 0; end - i >= 64; i += 64) {
    std::memcpy(&word, bits + i / 8, sizeof(word));
    if (word != ~std::uint64_t{0}) break;
  }
  for (; i < end; ++i)
    if (is_zero(i)) return i;
  return {};
}

/// Follows a batch down to its elements: to the part of each array on the way that the rows take.
class Batch {
 public:
  Batch(const ArrowArray& top, std::size_t number) : array_(&top), number_(number) {
    if (top.length < 0) refuse_this("a negative length");
    rows_ = count_ = top.length;
  }
  std::int64_t rows() const noexcept { return rows_; }
  /// Where each row of any length begins among the items that have been entered, and its items.
  const std::vector<std::int64_t>& firsts() const noexcept { return firsts_; }
  const std::vector<std::int64_t>& lengths() const noexcept { return lengths_; }
  /// How many elements an item has.
  std::int64_t per_item() const noexcept { return per_row_; }

  /// Enters the one column of a table.
  void enter_column() {
    const std::int64_t begin = check(1);
    enter_child();
    begin_ = begin;
  }
  /// Enters the elements of fixed-size lists.
  void enter_lists(std::int64_t length) {
    begin_ = multiply(check(1), length);
    count_ = multiply(count_, length);
    per_row_ = multiply(per_row_, length);
    enter_child();
  }
  /// Enters the items of rows of any length, from the first that a row has to the last.
  void enter_rows(const RowLists& lists) {
    if (lists.length) {
      const std::int64_t elements = multiply(*lists.length, lists.per_item);
      begin_ = multiply(check(1), elements);
      lengths_.assign(static_cast<std::size_t>(count_), *lists.length);
      multiply(count_, *lists.length);
      count_ = multiply(count_, elements);
      for (std::size_t i = 0; i < lengths_.size(); ++i)
        firsts_.push_back(static_cast<std::int64_t>(i) * *lists.length);
    } else if (lists.wide) {
      read_rows<std::int64_t>(check(lists.has_sizes ? 3 : 2), lists.has_sizes);
    } else {
      read_rows<std::int32_t>(check(lists.has_sizes ? 3 : 2), lists.has_sizes);
    }
    per_row_ = lists.per_item;
    enter_child();
  }
  /// Returns the address of the first element.
  const std::byte* elements(std::int64_t itemsize) {
    const std::int64_t begin = multiply(check(2), itemsize);
    multiply(count_, itemsize);
    const void* const buffer = array_->buffers[1];
    if (count_ == 0) return nullptr;
    if (!buffer) refuse_this("elements at no address");
    std::uintptr_t address = 0;
    std::uintptr_t end = 0;
    if (__builtin_add_overflow(reinterpret_cast<std::uintptr_t>(buffer),
                               static_cast<std::uintptr_t>(begin), &address) ||
        __builtin_add_overflow(address, static_cast<std::uintptr_t>(count_ * itemsize), &end))
      refuse_this("elements beyond all addresses");
    return reinterpret_cast<const std::byte*>(address);
  }

 private:
  [[noreturn]] void refuse_this(std::string_view what) const {
    refuse_value(text("the Arrow producer's batch ", number_, " has ", what));
  }
  std::int64_t multiply(std::int64_t a, std::int64_t b) const {
    std::int64_t result = 0;
    if (__builtin_mul_overflow(a, b, &result)) refuse_this("sizes that do not fit in 64 bits");
    return result;
  }

  template <class Number>
  void read_rows(std::int64_t begin, bool has_sizes) {
    const auto number_in = [&](std::size_t buffer, std::int64_t at) {
      Number value;
      std::memcpy(&value, static_cast<const Number*>(array_->buffers[buffer]) + at, sizeof value);
      return std::int64_t{value};
    };
    if (count_ > 0 && (!array_->buffers[1] || (has_sizes && !array_->buffers[2])))
      refuse_this("lists whose offsets are at no address");
    std::int64_t least = std::numeric_limits<std::int64_t>::max(), most = 0;
    for (std::int64_t row = 0; row < count_; ++row) {
      const std::int64_t first = number_in(1, begin + row);
      const std::int64_t length =
          has_sizes ? number_in(2, begin + row) : number_in(1, begin + row + 1) - first;
      std::int64_t end = 0;
      if (first < 0 || length < 0 || __builtin_add_overflow(first, length, &end))
        refuse_this(text("the offset ", first, " and the length ", length, " for its row ", row));
      firsts_.push_back(first);
      lengths_.push_back(length);
      if (length == 0) continue;
      least = std::min(least, first);
      most = std::max(most, end);
    }
    begin_ = std::min(least, most);
    count_ = most - begin_;
    // A row without items may be anywhere.
    for (std::size_t i = 0; i < firsts_.size(); ++i)
      firsts_[i] = lengths_[i] == 0 ? 0 : firsts_[i] - begin_;
  }

  /// The first row with an element that is null, and whether there is such an element at all, be it
  /// in a gap between rows.
  struct Null {
    std::optional<std::int64_t> row;
    bool exists = false;
  };
  Null find_null(const std::uint8_t* bits, std::int64_t begin) const {
    const auto first = bits ? first_zero_bit(bits, begin, begin + count_) : std::nullopt;
    if (!first) return {};
    if (firsts_.empty()) return {(*first - begin) / per_row_, true};
    for (std::size_t i = 0; i < firsts_.size(); ++i) {
      const std::int64_t at = begin + firsts_[i] * per_row_;
      if (first_zero_bit(bits, at, at + lengths_[i] * per_row_))
        return {static_cast<std::int64_t>(i), true};
    }
    return {{}, true};
  }

  /// Checks the array that we are at, and that no element of our part is null. Returns where that
  /// begins in the buffers.
  std::int64_t check(std::int64_t buffers) const {
    const ArrowArray& array = *array_;
    std::int64_t end = 0;
    if (array.length < 0 || array.offset < 0 ||
        __builtin_add_overflow(array.length, array.offset, &end))
      refuse_this("a length or an offset that is negative or too large");
    if (begin_ > array.length || array.length - begin_ < count_)
      refuse_this(text(array.length, " elements where ", begin_, " + ", count_, " are needed"));
    if (array.n_buffers != buffers || !array.buffers)
      refuse_this(text(array.n_buffers, " buffers where its type has ", buffers));
    if (array.dictionary) refuse_this("a dictionary that its schema has not");
    const std::int64_t begin = array.offset + begin_;
    check_nulls(begin);
    return begin;
  }
  void check_nulls(std::int64_t begin) const {
    const ArrowArray& array = *array_;
    if (array.null_count == 0 || count_ == 0) return;
    if (array.null_count < -1 || array.null_count > array.length)
      refuse_this(text(array.null_count, " nulls"));
    const auto* const bits = static_cast<const std::uint8_t*>(array.buffers[0]);
    const Null null = find_null(bits, begin);
    if (null.row)
      refuse_this(text("a null in its row ", *null.row, "; drop the nulls or fill them first"));
    const bool is_whole = begin == array.offset && count_ == array.length;
    if (array.null_count > 0 && !null.exists && (is_whole || !bits))
      refuse_this(text(array.null_count, " nulls, in rows that it does not name"));
  }
  void enter_child() {
    if (array_->n_children != 1 || !array_->children || !array_->children[0])
      refuse_this(text(array_->n_children, " children where its type has 1"));
    array_ = array_->children[0];
    if (!array_->release) refuse_this("a column that has been released");
  }

  const ArrowArray* array_;
  std::size_t number_;
  std::int64_t begin_ = 0;  ///< of our part, in the array's elements
  std::int64_t count_ = 0;  ///< of the elements in our part
  std::int64_t rows_ = 0;
  std::int64_t per_row_ = 1;  ///< how many of the elements are one row or, in rows, one item
  std::vector<std::int64_t> firsts_, lengths_;
};

ArrayView view_of(const Column& column, std::int64_t rows, const std::byte* elements) {
  std::vector<std::int64_t> shape{rows};
  shape.insert(shape.end(), column.shape.begin(), column.shape.end());
  ArrayView view = ArrayView::dense(elements, shape, column.format);
  if (std::ranges::is_sorted(column.axes)) return view;
  std::vector<int> axes{0};
  for (const int axis : column.axes) axes.push_back(axis + 1);
  return view.permute(axes);
}

ArrayView view_of(const Column& column, const ArrowArray& array, std::size_t number) {
  Batch batch(array, number);
  if (column.in_table) batch.enter_column();
  for (const std::int64_t length : column.lists) batch.enter_lists(length);
  const std::byte* const elements = batch.elements(column.format.itemsize());
  return view_of(column, batch.rows(), elements);
}

// ---- Producers

/// All that is kept of what producers have handed over.
struct Kept {
  std::vector<Held<ArrowArray>> arrays;
};

struct Collected {
  static constexpr Wanted wanted = Wanted::elements;
  std::shared_ptr<Kept> kept = std::make_shared<Kept>();
  std::vector<ArrayView> parts;
  std::optional<Column> last;  ///< for a column without rows

  void add(const Column& column, Held<ArrowArray> array) {
    ArrayView part = view_of(column, *array, kept->arrays.size());
    kept->arrays.push_back(std::move(array));
    if (part.shape()[0] > 0) parts.push_back(std::move(part));
  }
};

struct CollectedRows {
  static constexpr Wanted wanted = Wanted::rows;
  std::shared_ptr<Kept> kept = std::make_shared<Kept>();
  ArrowRows rows;
  std::optional<Column> last;

  void add(const Column& column, Held<ArrowArray> array) {
    Batch batch(*array, kept->arrays.size());
    if (column.in_table) batch.enter_column();
    batch.enter_rows(*column.rows);
    for (const std::int64_t length : column.lists) batch.enter_lists(length);
    const std::int64_t itemsize = column.format.itemsize();
    const std::byte* const elements = batch.elements(itemsize);
    const std::int64_t item_bytes = batch.per_item() * itemsize;
    for (const std::int64_t first : batch.firsts())
      rows.starts.push_back(elements ? elements + first * item_bytes : nullptr);
    rows.lengths.insert(rows.lengths.end(), batch.lengths().begin(), batch.lengths().end());
    kept->arrays.push_back(std::move(array));
  }
};

/// Calls a stream's functions without the GIL, which a producer in Python takes by itself: other
/// threads that it waits for may need it.
class Stream {
 public:
  explicit Stream(py::handle capsule) { take_over(stream_, capsule, "arrow_array_stream"); }
  ~Stream() {
    const GilReleased released;
    stream_->release(stream_.get());
    stream_.get()->release = nullptr;
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Held<ArrowSchema> schema() {
    Held<ArrowSchema> schema;
    if (!stream_->get_schema || !stream_->get_next)
      refuse_value("an Arrow stream without its functions");
    check(
        without_gil([&](const Watch&) { return stream_->get_schema(stream_.get(), schema.get()); }),
        "before its schema");
    if (schema.is_released()) refuse_value("an Arrow stream without a schema");
    return schema;
  }
  /// Returns the next batch; one that is released where there are no more.
  Held<ArrowArray> next(std::size_t number) {
    Held<ArrowArray> array;
    check(without_gil([&](const Watch&) { return stream_->get_next(stream_.get(), array.get()); }),
          text("at batch ", number));
    return array;
  }

 private:
  void check(int error, const std::string& where) {
    if (PyErr_Occurred()) throw py::error_already_set();
    if (error == 0) return;
    const char* const words =
        stream_->get_last_error ? stream_->get_last_error(stream_.get()) : nullptr;
    const std::string what = words ? words : std::generic_category().message(error);
    refuse(PyExc_OSError, text("the Arrow stream broke off ", where, ": ", what));
  }

  Held<ArrowArrayStream> stream_;
};

template <class All>
void read_stream(const py::object& object, All& collected) {
  const py::object capsule = object.attr("__arrow_c_stream__")();
  Stream stream(capsule);
  const Held<ArrowSchema> schema = stream.schema();
  const Column column = describe(*schema, All::wanted);
  for (std::size_t number = 0;; ++number) {
    Held<ArrowArray> array = stream.next(number);
    if (array.is_released()) break;
    collected.add(column, std::move(array));
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
  collected.last = column;
}

template <class All>
void read_array(const py::object& object, All& collected) {
  const py::object pair = object.attr("__arrow_c_array__")();
  if (!PyTuple_Check(pair.ptr()) || PyTuple_GET_SIZE(pair.ptr()) != 2)
    refuse_type("__arrow_c_array__() returns a tuple of two capsules");
  Held<ArrowSchema> schema;
  Held<ArrowArray> array;
  take_over(schema, PyTuple_GET_ITEM(pair.ptr(), 0), "arrow_schema");
  take_over(array, PyTuple_GET_ITEM(pair.ptr(), 1), "arrow_array");
  const Column column = describe(*schema, All::wanted);
  collected.add(column, std::move(array));
  collected.last = column;
}

bool type_has(py::handle object, const char* method) {
  // The type is asked, since a table has its columns for attributes, under any name.
  return has_attribute(reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())), method);
}

template <class All>
void read_all(const py::object& object, All& collected) {
  if (type_has(object, "__arrow_c_stream__"))
    read_stream(object, collected);
  else
    read_array(object, collected);
}

}  // namespace

bool is_arrow(py::handle object) {
  return type_has(object, "__arrow_c_stream__") || type_has(object, "__arrow_c_array__");
}

ArrowColumn arrow_column(const py::object& objects) {
  Collected collected;
  for (const py::handle each : objects)
    read_all(py::reinterpret_borrow<py::object>(each), collected);
  if (collected.parts.empty() && collected.last)
    collected.parts.push_back(view_of(*collected.last, 0, nullptr));
  return {std::move(collected.parts), std::move(collected.kept)};
}

ArrowRows arrow_rows(const py::object& object) {
  CollectedRows collected;
  read_all(object, collected);
  ArrowRows rows = std::move(collected.rows);
  rows.format = collected.last->format;
  rows.item_shape = collected.last->shape;
  rows.owner = std::move(collected.kept);
  return rows;
}

}  // namespace multibuffer::python
