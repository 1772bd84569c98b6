#include <multibuffer/error.hpp>

#include "host/files/input_file.hpp"
#include "host/files/stored_file.hpp"
#include "host/format/scalar_type.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

// A safetensors file is the length of a header in 8 bytes, the header in JSON, and the bytes of the
// tensors in C order, little-endian. The header has a `dtype`, a `shape` and `data_offsets` for
// each name, which count from the header's end. `__metadata__` and keys that are not known are
// skipped.
//
// Source: the format's description and safetensors/src/tensor.rs in github.com/huggingface/
// safetensors. What is read here is what lies in the file; that tensors follow each other without
// holes, which the reference implementation asks for too, is not needed to read them.

namespace multibuffer::files {
namespace {

constexpr std::int64_t length_bytes = 8;
constexpr std::uint64_t most_header_bytes = 100'000'000;  // as in the reference implementation
constexpr std::size_t most_axes = 60;                     // as in check_inside()

struct TypeName {
  std::string_view name;
  ScalarType scalar;
};
constexpr auto type_names = std::to_array<TypeName>({
    {"BOOL", ScalarType::boolean},
    {"U8", ScalarType::uint8},
    {"I8", ScalarType::int8},
    {"F8_E5M2", ScalarType::float8_e5m2},
    {"F8_E4M3", ScalarType::float8_e4m3fn},
    {"F8_E5M2FNUZ", ScalarType::float8_e5m2fnuz},
    {"F8_E4M3FNUZ", ScalarType::float8_e4m3fnuz},
    {"F8_E8M0", ScalarType::float8_e8m0fnu},
    {"U16", ScalarType::uint16},
    {"I16", ScalarType::int16},
    {"F16", ScalarType::float16},
    {"BF16", ScalarType::bfloat16},
    {"U32", ScalarType::uint32},
    {"I32", ScalarType::int32},
    {"F32", ScalarType::float32},
    {"C64", ScalarType::complex64},
    {"U64", ScalarType::uint64},
    {"I64", ScalarType::int64},
    {"F64", ScalarType::float64},
});

const ScalarRow* scalar_of(std::string_view dtype) {
  const auto* const found = std::ranges::find(type_names, dtype, &TypeName::name);
  return found == type_names.end() ? nullptr : &row_of(found->scalar);
}

/// One tensor, as the header describes it.
struct Tensor {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> offsets;  ///< of its first byte, and behind its last
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

/// Says why a header cannot be read.
struct HeaderError {
  std::string what;
};

/// Takes a header in as it is parsed: nothing is built of what is not asked for, and no nesting is
/// followed by recursion.
class HeaderHandler {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  std::vector<std::string> names;
  std::unordered_map<std::string, Tensor> tensors;

  bool null() { return other("null"); }
  bool boolean(bool) { return other("a truth value"); }
  bool number_integer(number_integer_t) { return other("a negative number"); }
  bool number_float(number_float_t, const string_t&) {
    return other("a number that is no integer of 64 bits");
  }
  bool number_unsigned(number_unsigned_t value) {
    if (is_skipping()) return true;
    if (state_ != State::numbers) refuse_value("a number");
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max()))
      refuse_value("a number beyond 63 bits");
    std::vector<std::int64_t>& numbers = key_ == Key::shape ? tensor_->shape : tensor_->offsets;
    if (numbers.size() >= (key_ == Key::shape ? most_axes : 2))
      refuse(text("the tensor ", name_, " has more than ",
                  key_ == Key::shape ? text(most_axes, " axes") : "two data_offsets"));
    numbers.push_back(static_cast<std::int64_t>(value));
    return true;
  }
  bool string(string_t& value) {
    if (is_skipping()) return true;
    if (state_ != State::value || key_ != Key::dtype) refuse_value("a string");
    tensor_->dtype = value;
    state_ = State::tensor;
    return true;
  }
  bool binary(binary_t&) { return other("bytes"); }

  bool start_object(std::size_t) {
    if (state_ == State::start) {
      state_ = State::names;
      return true;
    }
    if (state_ == State::name && !is_metadata_) {
      state_ = State::tensor;
      return true;
    }
    return start_skipped("an object");
  }
  bool start_array(std::size_t) {
    if (state_ == State::value && (key_ == Key::shape || key_ == Key::offsets)) {
      state_ = State::numbers;
      return true;
    }
    return start_skipped("a list");
  }
  bool end_object() {
    if (skipped_ > 0) return end_skipped();
    if (state_ == State::names) {
      state_ = State::end;
      return true;
    }
    if (!tensor_->has_dtype || !tensor_->has_shape || tensor_->offsets.size() != 2)
      refuse(text("the tensor ", name_, " lacks its dtype, shape or two data_offsets"));
    state_ = State::names;
    return true;
  }
  bool end_array() {
    if (skipped_ > 0) return end_skipped();
    state_ = State::tensor;
    return true;
  }
  bool key(string_t& value) {
    if (skipped_ > 0) return true;
    if (state_ == State::names)
      begin_tensor(value);
    else
      begin_value(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    refuse(text("it is no JSON in UTF-8, at its byte ", position));
  }

 private:
  /// What comes next.
  enum class State {
    start,
    names,    ///< a name, or the end
    name,     ///< what a name stands for
    tensor,   ///< a key of a tensor, or its end
    value,    ///< what a key stands for
    numbers,  ///< a number of a list, or its end
    end,
  };
  enum class Key { dtype, shape, offsets, other };

  [[noreturn]] static void refuse(std::string what) { throw HeaderError{std::move(what)}; }
  [[noreturn]] void refuse_value(std::string_view what) const {
    if (state_ == State::start) refuse(text("it is ", what, ", not an object"));
    if (state_ == State::name) refuse(text("the tensor ", name_, " is ", what, ", not an object"));
    constexpr std::array<std::string_view, 3> words{"dtype", "shape", "data_offsets"};
    refuse(text("the tensor ", name_, " has ", what, " in its ",
                words[std::min<std::size_t>(static_cast<std::size_t>(key_), 2)]));
  }

  /// Tells whether a value is not asked for; one that is no list or object has been skipped then.
  bool is_skipping() {
    if (skipped_ > 0) return true;
    if (state_ == State::name && is_metadata_) {
      state_ = State::names;
      return true;
    }
    if (state_ == State::value && key_ == Key::other) {
      state_ = State::tensor;
      return true;
    }
    return false;
  }
  bool other(std::string_view what) {
    if (!is_skipping()) refuse_value(what);
    return true;
  }
  bool start_skipped(std::string_view what) {
    if (skipped_ == 0 && !is_skipping()) refuse_value(what);
    ++skipped_;
    return true;
  }
  bool end_skipped() {
    --skipped_;
    return true;
  }

  void begin_tensor(const std::string& name) {
    name_ = name;
    is_metadata_ = name == "__metadata__";
    state_ = State::name;
    if (is_metadata_) {
      if (std::exchange(has_metadata_, true)) refuse("it has __metadata__ twice");
      return;  // what it stands for is skipped
    }
    const auto [at, is_new] = tensors.try_emplace(name);
    if (!is_new) refuse(text("it has the tensor ", name, " twice"));
    tensor_ = &at->second;
    names.push_back(name);
  }
  void begin_value(const std::string& key) {
    state_ = State::value;
    key_ = key == "dtype"          ? Key::dtype
           : key == "shape"        ? Key::shape
           : key == "data_offsets" ? Key::offsets
                                   : Key::other;
    if (key_ == Key::other) return;
    bool& has = key_ == Key::dtype   ? tensor_->has_dtype
                : key_ == Key::shape ? tensor_->has_shape
                                     : tensor_->has_offsets;
    if (std::exchange(has, true)) refuse(text("the tensor ", name_, " has its ", key, " twice"));
  }

  State state_ = State::start;
  Key key_ = Key::other;
  std::size_t skipped_ = 0;  ///< lists and objects that are not asked for, around what comes next
  bool is_metadata_ = false, has_metadata_ = false;
  std::string name_;
  Tensor* tensor_ = nullptr;
};

class StoredSafetensors final : public StoredFile {
 public:
  explicit StoredSafetensors(const std::string& path) : file_(path) {
    const std::string header = read_header();
    HeaderHandler handler;
    try {
      nlohmann::json::sax_parse(header, &handler);
    } catch (const HeaderError& error) {
      refuse(text("a header that cannot be read: ", error.what));
    }
    names_ = std::move(handler.names);
    tensors_ = std::move(handler.tensors);
    for (const std::string& name : names_) check_tensor(name, tensors_.at(name));
  }

  std::vector<std::string> names() const override { return names_; }

  StoredArray array(const std::string& name) const override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) refuse_unknown(name);
    const Tensor& tensor = found->second;
    const std::string full_name = text(file_.path(), "::", name);
    const ScalarRow* const scalar = scalar_of(tensor.dtype);
    if (!scalar)
      throw Failure(Errc::file_invalid,
                    text(full_name, ": elements of the type ", tensor.dtype.substr(0, 100),
                         tensor.dtype.starts_with("F4") || tensor.dtype.starts_with("F6")
                             ? ", which are smaller than a byte, cannot be read"
                             : ", which is not known"));
    const char order = scalar->size == 1 ? '|' : '<';
    const std::string descr =
        text("'", scalar->letter == 'V' ? '|' : order, scalar->letter, scalar->size, "'");
    StoredArray array = in_one_piece(descr, std::string(scalar->format), scalar->size, tensor.shape,
                                     data_begin_ + tensor.offsets[0]);
    check_inside(array, file_.bytes(), full_name);
    return array;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    throw Failure(Errc::file_invalid, text(file_.path(), ": ", what));
  }

  std::string read_header() {
    std::array<std::byte, length_bytes> start{};
    if (file_.bytes() < length_bytes)
      refuse(text("is no safetensors file, or is cut: it has ", file_.bytes(), " bytes"));
    file_.read(0, start);
    std::uint64_t length = 0;
    for (std::size_t i = start.size(); i-- > 0;)
      length = length << 8 | std::to_integer<std::uint64_t>(start[i]);
    if (length > most_header_bytes)
      refuse(text("is no safetensors file: a header of ", length, " bytes, of which ",
                  most_header_bytes, " are the most"));
    data_begin_ = length_bytes + static_cast<std::int64_t>(length);
    if (data_begin_ > file_.bytes())
      refuse(text("is cut in its header: it has ", file_.bytes(), " bytes, the header alone says ",
                  data_begin_));
    std::string header(static_cast<std::size_t>(length), '\0');
    file_.read(length_bytes, std::as_writable_bytes(std::span(header)));
    if (!header.starts_with('{')) refuse("is no safetensors file: its header is no JSON object");
    // The parser takes it for the end.
    if (header.find('\0') != std::string::npos) refuse("a header with a null character");
    return header;
  }

  /// Throws unless the bytes of a tensor lie in the file and are as many as its shape needs.
  void check_tensor(const std::string& name, const Tensor& tensor) const {
    const std::int64_t begin = tensor.offsets[0];
    const std::int64_t end = tensor.offsets[1];
    const std::int64_t there = file_.bytes() - data_begin_;
    if (begin > end)
      refuse(text("the tensor ", name, " ends at byte ", end, ", before its first, ", begin));
    if (end > there)
      refuse(text("is cut: the tensor ", name, " ends at byte ", end,
                  " behind the header, and there are ", there));
    const ScalarRow* const scalar = scalar_of(tensor.dtype);
    if (!scalar) return;
    std::int64_t size = scalar->size;
    bool fits = true;
    // An extent of 0 makes the size 0, whatever the product of the others is.
    if (std::ranges::find(tensor.shape, 0) != tensor.shape.end()) size = 0;
    for (const std::int64_t extent : tensor.shape)
      fits = fits && !__builtin_mul_overflow(size, extent, &size);
    if (!fits || size != end - begin)
      refuse(text("the tensor ", name, " of the shape ", tuple_text(tensor.shape), " and the type ",
                  tensor.dtype, " has ", end - begin, " bytes"));
  }

  [[noreturn]] void refuse_unknown(const std::string& name) const {
    std::string some;
    for (std::size_t i = 0; i < std::min<std::size_t>(names_.size(), 5); ++i)
      some += text(i ? ", " : "", names_[i]);
    throw Failure(Errc::file_invalid,
                  text(file_.path(), ": it has no tensor ", name, "; there are ",
                       names_.empty() ? "none" : some, names_.size() > 5 ? ", ..." : ""));
  }

  InputFile file_;
  std::int64_t data_begin_ = 0;
  std::vector<std::string> names_;
  std::unordered_map<std::string, Tensor> tensors_;
};

bool is_start(std::string_view first) {
  // A header of less than 2^32 bytes, which begins.
  return first.size() > length_bytes && first[length_bytes] == '{' &&
         first.substr(4, 4) == std::string_view("\0\0\0\0", 4);
}

}  // namespace

const Reader safetensors_reader{"safetensors", ".safetensors", "nlohmann-json3-dev", is_start,
                                [](const std::string& path) -> std::unique_ptr<StoredFile> {
                                  return std::make_unique<StoredSafetensors>(path);
                                }};

}  // namespace multibuffer::files
