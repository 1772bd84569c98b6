#include "tests/testing/random_array.hpp"

#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <variant>

namespace multibuffer::testing {
namespace {

constexpr std::int64_t pointer_bytes = sizeof(void*);

std::size_t as_size(std::int64_t value) { return static_cast<std::size_t>(value); }

std::int64_t product(const std::vector<std::int64_t>& factors) {
  return std::accumulate(factors.begin(), factors.end(), std::int64_t{1}, std::multiplies<>());
}

template <class T>
void keep_distinct(std::vector<T>& values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

// ---------------------------------------------------------------------------------------------
// Random numbers

std::uint64_t Random::next() { return bytes_.empty() ? generate() : take(sizeof(std::uint64_t)); }

std::uint64_t Random::generate() {
  state_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::int64_t Random::between(std::int64_t low, std::int64_t high) {
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  const int needed = bytes_.empty() ? 8 : (static_cast<int>(std::bit_width(range)) + 7) / 8;
  const std::uint64_t drawn = needed == 8 ? next() : take(needed);
  const std::uint64_t number = range + 1 == 0 ? drawn : drawn % (range + 1);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + number);
}

/// Takes the first bytes that are left as an integer; those that are missing are 0.
std::uint64_t Random::take(int bytes) {
  const std::size_t count = std::min(bytes_.size(), as_size(bytes));
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < count; ++i) number |= std::uint64_t{bytes_[i]} << (8 * i);
  bytes_ = bytes_.subspan(count);
  return number;
}

void Random::fill(std::span<std::byte> bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t number = generate();
    std::memcpy(bytes.data() + at, &number, std::min(sizeof number, bytes.size() - at));
  }
}

// ---------------------------------------------------------------------------------------------
// Memory

struct RandomArray::Memory : TestMemory {
  using TestMemory::TestMemory;
};

/// The axes that are evaluated together, and which offsets from index 0 they reach.
struct RandomArray::Level {
  std::vector<std::size_t> axes;
  bool is_table = false;            ///< ends at an indirect axis
  std::int64_t suboffset = 0;       ///< of that axis
  std::int64_t width = 0;           ///< bytes of a slot or an element
  std::int64_t unit = 0;            ///< gcd of the strides that move; 0 if none does
  std::vector<std::int64_t> reach;  ///< distinct, ascending

  std::int64_t low() const { return reach.front(); }
  std::int64_t bytes() const { return reach.back() - reach.front() + width; }
};

RandomArray::~RandomArray() = default;

// ---------------------------------------------------------------------------------------------
// Arrays

RandomArray::RandomArray(Random& random, const ArrayOptions& options) {
  const MemoryMode mode =
      options.memory.value_or(random.chance(30) ? MemoryMode::guarded : MemoryMode::ordinary);
  memory_ = std::make_unique<Memory>(mode);
  choose_shape(random, options);
  choose_format(random);
  const std::vector<Level> levels = choose_strides(random, options);
  if (product(shape_) > 0) {
    build(random, levels);
  } else {
    const auto nowhere = random.pick<std::uintptr_t>({0, 1, 0x1000});
    source_.buf = reinterpret_cast<const void*>(nowhere);  // NOLINT(performance-no-int-to-ptr)
  }
  publish(random);
}

void RandomArray::choose_shape(Random& random, const ArrayOptions& options) {
  const bool many = !options.ndim && random.chance(3);
  const int ndim = options.ndim.value_or(many               ? random.between(7, 64)
                                         : random.chance(4) ? 0
                                                            : random.between(1, 6));
  for (int axis = 0; axis < ndim; ++axis) {
    const bool wide = many ? random.chance(15) : random.chance(85);
    shape_.push_back(
        !wide  ? 1
        : many ? 2
               : random.between(std::int64_t{2}, random.chance(20) ? options.max_extent : 5));
  }
  while (product(shape_) > options.max_elements) --*std::ranges::max_element(shape_);
  if (options.zero_extents && ndim > 0 && random.chance(4)) {
    shape_[as_size(random.between(0, ndim - 1))] = 0;
  }

  // Mostly few levels, where there are many axes.
  const int density = many && random.chance(80) ? 8 : random.pick({0, 30, 60, 60, 100});
  for (int axis = 0; axis < ndim; ++axis) {
    indirect_.push_back(options.indirect ? (*options.indirect >> axis & 1) != 0
                                         : random.chance(density));
  }
}

void RandomArray::choose_format(Random& random) {
  itemsize_ = random.chance(60) ? random.pick<std::int64_t>({1, 2, 4, 8, 16})
                                : random.between(std::int64_t{1}, std::int64_t{48});
  const std::string bytes = std::to_string(itemsize_) + "s";
  switch (itemsize_) {
    case 1:
      format_ = random.pick<const char*>({"", "B", "b", "?", "c", "float8_e4m3fn", "float8_e5m2"});
      break;
    case 2:
      format_ = random.pick<const char*>({"h", ">H", "e", ">e", "bfloat16", ">bfloat16", "<u"});
      break;
    case 4:
      format_ = random.pick<const char*>({"i", ">I", "f", "T{b:a:3x}", "4B"});
      break;
    case 8:
      format_ = random.pick<const char*>(
          {"q", "Q", ">d", "d", "Zf", "T{<f:x:<f:y:}", "datetime64[s]", ">timedelta64[25us]"});
      break;
    default:
      format_ = random.chance(30) ? "unknown" : bytes;
  }
}

std::vector<RandomArray::Level> RandomArray::choose_strides(Random& random,
                                                            const ArrayOptions& options) {
  strides_.assign(shape_.size(), 0);
  suboffsets_.clear();
  std::vector<Level> levels(1);
  for (std::size_t axis = 0; axis < shape_.size(); ++axis) {
    levels.back().axes.push_back(axis);
    suboffsets_.push_back(random.pick<std::int64_t>({-1, -1, -8}));
    if (!indirect_[axis]) continue;
    suboffsets_[axis] = random.chance(50) ? 0 : random.between(0, random.pick({16, 4096}));
    levels.back().is_table = true;
    levels.back().suboffset = suboffsets_[axis];
    levels.emplace_back();
  }

  for (Level& level : levels) {
    level.width = level.is_table ? pointer_bytes : itemsize_;
    // Slots never overlap in part, so that every one of them can hold its own pointer; elements
    // may.
    enum class Kind { nested, lattice, any };
    const Kind kind =
        level.is_table
            ? random.pick({Kind::nested, Kind::nested, Kind::lattice})
            : random.pick({Kind::nested, Kind::nested, Kind::nested, Kind::lattice, Kind::any});
    const std::int64_t pad =
        random.chance(60) ? 0 : random.pick<std::int64_t>({1, 3, 4, 8, random.between(0, 40)});
    const bool sparse = random.next() % 1000 < 4;
    std::int64_t unit = level.width + pad;
    if (sparse) unit *= random.between(std::int64_t{1000}, std::int64_t{40000});

    std::vector<std::size_t> order = level.axes;
    if (random.chance(70)) {
      std::ranges::reverse(order);  // C order: the last axis is the innermost
    } else {
      random.shuffle(order);
    }
    std::int64_t span = unit;  // what the axes so far take
    std::int64_t last = 0;
    for (const std::size_t axis : order) {
      const std::int64_t extent = shape_[axis];
      std::int64_t stride = 0;
      if (extent == 1 && random.chance(50)) {
        stride = random.pick<std::int64_t>({0, 1, 7, std::int64_t{1} << 40, 12345678901});
      } else if (random.chance(7)) {
        stride = 0;
      } else if (kind == Kind::lattice) {
        stride = unit * random.between(1, 5);
      } else if (kind == Kind::any) {
        stride = random.between(std::int64_t{0}, 2 * level.width + 3);
      } else if (last != 0 && random.chance(10)) {
        stride = last;  // sliding windows
        span += stride * std::max<std::int64_t>(extent - 1, 0);
      } else {
        stride = span + (random.chance(85) ? 0 : random.between(std::int64_t{0}, unit));
        span = stride * std::max<std::int64_t>(extent, 1);
        last = stride;
      }
      const bool negative =
          options.negative ? (*options.negative >> axis & 1) != 0 : random.chance(25);
      strides_[axis] = negative ? -stride : stride;
    }

    level.reach = {0};
    for (const std::size_t axis : level.axes) {
      std::vector<std::int64_t> further;
      for (const std::int64_t offset : level.reach) {
        for (std::int64_t i = 0; i < shape_[axis]; ++i) {
          further.push_back(offset + i * strides_[axis]);
        }
      }
      keep_distinct(further);
      level.reach = std::move(further);
      if (shape_[axis] > 1) level.unit = std::gcd(level.unit, strides_[axis]);
    }
  }
  return levels;
}

/// Memory for `count` blocks of a level, as the positions of their index 0: separate, shared, in a
/// row, or over each other.
std::vector<std::byte*> RandomArray::place_blocks(Random& random, const Level& level,
                                                  std::size_t count) {
  const auto prepare = [&](std::byte* at, std::int64_t bytes) {
    if (bytes >= TestMemory::sparse_from) return at;
    const std::span block(at, as_size(bytes));
    if (!level.is_table) {
      random.fill(block);
    } else {
      std::ranges::fill(block, random.pick({std::byte{0}, std::byte{1}, std::byte{0xff}}));
    }
    return at;
  };

  enum class Kind { separate, shared, row, windows };
  Kind kind = random.pick({Kind::separate, Kind::shared, Kind::row, Kind::row, Kind::windows});
  // Tables may only share memory where slots then coincide or do not touch.
  const std::int64_t step = level.is_table ? (level.unit == 0 ? pointer_bytes : level.unit) : 1;
  const bool large = level.bytes() >= TestMemory::sparse_from;
  if (kind == Kind::windows && level.is_table && step < pointer_bytes) kind = Kind::row;
  if (kind == Kind::separate && count > 40) kind = Kind::row;
  if (large) kind = Kind::shared;

  std::vector<std::byte*> starts;
  const auto add_separate = [&] {
    starts.push_back(prepare(memory_->allocate(random, level.bytes()), level.bytes()) -
                     level.low());
  };
  switch (kind) {
    case Kind::separate:
      for (std::size_t i = 0; i < count; ++i) add_separate();
      break;
    case Kind::shared: {
      const auto most = std::min<std::int64_t>(static_cast<std::int64_t>(count), large ? 2 : 5);
      for (std::int64_t i = random.between(std::int64_t{1}, most); i > 0; --i) add_separate();
      for (std::size_t i = starts.size(); i < count; ++i) {
        starts.push_back(
            starts[as_size(random.between(std::int64_t{0}, most - 1)) % starts.size()]);
      }
      random.shuffle(starts);
      break;
    }
    case Kind::row:
    case Kind::windows: {
      const std::int64_t gap =
          random.chance(60) ? 0 : random.pick<std::int64_t>({1, 7, 8, 256, random.between(0, 64)});
      const std::int64_t pitch =
          kind == Kind::row
              ? level.bytes() + gap
              : step * random.between(std::int64_t{1},
                                      std::max<std::int64_t>(level.bytes() / step / 2, 1));
      const std::int64_t bytes = pitch * (static_cast<std::int64_t>(count) - 1) + level.bytes();
      std::byte* const first = prepare(memory_->allocate(random, bytes), bytes) - level.low();
      for (std::size_t i = 0; i < count; ++i) {
        starts.push_back(first + pitch * static_cast<std::int64_t>(i));
      }
      if (random.chance(15)) std::ranges::reverse(starts);
      if (random.chance(30)) random.shuffle(starts);
      break;
    }
  }
  // A few slots point where others do.
  for (int aliases = random.chance(25) ? random.between(1, 3) : 0; aliases > 0; --aliases) {
    const auto last = static_cast<std::int64_t>(starts.size()) - 1;
    starts[as_size(random.between(std::int64_t{0}, last))] =
        starts[as_size(random.between(std::int64_t{0}, last))];
  }
  return starts;
}

void RandomArray::build(Random& random, const std::vector<Level>& levels) {
  std::vector<std::byte*> starts = place_blocks(random, levels.front(), 1);
  source_.buf = starts.front();
  for (std::size_t k = 0; k < levels.size(); ++k) {
    const Level& level = levels[k];
    std::vector<std::byte*> reached;
    for (std::byte* start : starts) {
      for (const std::int64_t offset : level.reach) reached.push_back(start + offset);
    }
    keep_distinct(reached);

    if (!level.is_table) {
      // Mapped memory is too large to be filled but for its elements.
      if (!memory_->has_maps()) {
        for (std::byte* element : reached) random.fill({element, as_size(itemsize_)});
      }
      return;
    }
    starts = place_blocks(random, levels[k + 1], reached.size());
    for (std::size_t i = 0; i < reached.size(); ++i) {
      const std::uint64_t pointer =
          reinterpret_cast<std::uintptr_t>(starts[i]) - static_cast<std::uint64_t>(level.suboffset);
      std::memcpy(reached[i], &pointer, sizeof pointer);
      slots_.push_back({reached[i], pointer});
    }
    keep_distinct(starts);
  }
}

/// Fills in the export, with NULLs where the protocol allows them.
void RandomArray::publish(Random& random) {
  source_.ndim = static_cast<int>(shape_.size());
  source_.itemsize = itemsize_;
  source_.format = format_.empty() ? nullptr : format_.c_str();
  if (random.chance(70)) source_.len = product(shape_) * itemsize_;
  if (shape_.empty()) return;  // NULL shape, strides and suboffsets
  source_.shape = shape_.data();
  source_.strides = strides_.data();
  const bool is_direct = std::ranges::find(indirect_, true) == indirect_.end();
  if (!is_direct || random.chance(30)) {
    source_.suboffsets = suboffsets_.data();
    return;
  }
  std::vector<std::int64_t> c_order(shape_.size());
  std::int64_t stride = itemsize_;
  for (std::size_t axis = shape_.size(); axis-- > 0; stride *= shape_[axis]) c_order[axis] = stride;
  if (strides_ == c_order && random.chance(50)) source_.strides = nullptr;
}

std::string RandomArray::describe() const {
  return text("shape ", tuple_text(shape_), ", strides ", tuple_text(strides_), ", suboffsets ",
              tuple_text(suboffsets_), ", itemsize ", itemsize_, ", format \"", format_, "\", ",
              memory_->mode() == MemoryMode::guarded ? "guarded" : "ordinary", " memory at ",
              source_.buf);
}

void RandomArray::poison_all_but(std::vector<const std::byte*> reached) {
  std::ranges::sort(reached);
  for (const Slot& slot : slots_) {
    if (!std::ranges::binary_search(reached, slot.address)) {
      std::memset(slot.address, 1, sizeof slot.pointer);
    }
  }
}

void RandomArray::heal() {
  for (const Slot& slot : slots_) std::memcpy(slot.address, &slot.pointer, sizeof slot.pointer);
}

std::vector<ArrayOptions> every_indirection(int max_ndim) {
  std::vector<ArrayOptions> result;
  for (int ndim = 0; ndim <= max_ndim; ++ndim) {
    for (std::uint64_t indirect = 0; indirect < std::uint64_t{1} << ndim; ++indirect) {
      for (const std::uint64_t negative : {0x00U, 0xffU, 0x55U, 0xaaU, 0x24U}) {
        ArrayOptions& options = result.emplace_back();
        options.ndim = ndim;
        options.indirect = indirect;
        options.negative = negative;
        options.zero_extents = false;
        options.max_elements = 120;
      }
    }
  }
  return result;
}

// ---------------------------------------------------------------------------------------------
// View operations

namespace {

std::optional<std::int64_t> random_bound(Random& random, std::int64_t extent) {
  if (random.chance(30)) return std::nullopt;
  if (random.chance(3)) {
    return random.pick({std::numeric_limits<std::int64_t>::min(),
                        std::numeric_limits<std::int64_t>::max(), std::int64_t{1} << 40});
  }
  return random.between(-extent - 2, extent + 2);
}

Slice random_slice(Random& random, std::int64_t extent) {
  Slice slice{random_bound(random, extent), random_bound(random, extent), 1};
  if (random.chance(70)) slice.step = random.pick<std::int64_t>({-1, 2, -2, 3, -3, 1});
  if (random.chance(3)) {
    slice.step = random.pick({std::numeric_limits<std::int64_t>::min(),
                              std::numeric_limits<std::int64_t>::max(), std::int64_t{1} << 60});
  }
  return slice;
}

std::int64_t length_of(const Slice& slice, std::int64_t extent) {
  return Layout({{extent, 1, 0}}, {0}).slice(0, slice).shape()[0];
}

int random_axis(Random& random, std::size_t ndim) {
  const int count = static_cast<int>(ndim);
  return random.between(random.chance(20) ? -count : 0, count - 1);
}

std::vector<int> random_axes(Random& random, std::size_t ndim) {
  std::vector<int> axes(ndim);
  std::iota(axes.begin(), axes.end(), 0);
  random.shuffle(axes);
  return axes;
}

}  // namespace

std::vector<ViewOperation> random_operations(Random& random, const std::vector<std::int64_t>& shape,
                                             int count) {
  std::vector<ViewOperation> operations;
  std::vector<std::int64_t> now = shape;
  for (; count > 0; --count) {
    const int kind = now.empty() ? 9 : random.between(0, 9);
    if (kind <= 4) {
      const int axis = random_axis(random, now.size());
      std::int64_t& extent = now[as_size(axis < 0 ? axis + static_cast<int>(now.size()) : axis)];
      Slice slice = random_slice(random, extent);
      // Too many empty arrays would leave little to look at.
      if (length_of(slice, extent) == 0 && random.chance(90)) slice = {{}, {}, -1};
      operations.push_back(SliceAxis{axis, slice});
      extent = length_of(slice, extent);
    } else if (kind <= 6) {
      const int axis = random_axis(random, now.size());
      const auto at = now.begin() + (axis < 0 ? axis + static_cast<int>(now.size()) : axis);
      if (*at == 0) continue;
      operations.push_back(IndexAxis{axis, random.between(-*at, *at - 1)});
      now.erase(at);
    } else if (kind <= 8) {
      Permute permute{random_axes(random, now.size())};
      std::vector<std::int64_t> permuted;
      for (const int axis : permute.axes) permuted.push_back(now[as_size(axis)]);
      now = permuted;
      operations.push_back(std::move(permute));
    } else if (now.size() < 64) {
      const int axis = random_axis(random, now.size() + 1);
      const int from_front = axis < 0 ? axis + static_cast<int>(now.size()) + 1 : axis;
      now.insert(now.begin() + from_front, 1);
      operations.push_back(InsertAxis{axis});
    }
  }
  return operations;
}

std::string describe(const std::vector<ViewOperation>& operations) {
  const auto bound = [](const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : std::string();
  };
  struct Visitor {
    decltype(bound)& show;
    std::string operator()(const SliceAxis& op) const {
      return text("slice(", op.axis, ", ", show(op.slice.start), ":", show(op.slice.stop), ":",
                  op.slice.step, ")");
    }
    std::string operator()(const IndexAxis& op) const {
      return text("index(", op.axis, ", ", op.index, ")");
    }
    std::string operator()(const Permute& op) const { return text("permute", tuple_text(op.axes)); }
    std::string operator()(const InsertAxis& op) const {
      return text("insert_axis(", op.axis, ")");
    }
    std::string operator()(const Reshape& op) const {
      return text("reshape", tuple_text(op.shape));
    }
  };
  std::string result;
  for (const ViewOperation& operation : operations) {
    result += "." + std::visit(Visitor{bound}, operation);
  }
  return result;
}

// ---------------------------------------------------------------------------------------------
// Requests

namespace {

/// A shape that broadcasts to `common`, with no fewer than all elements where `whole`.
std::vector<std::int64_t> random_part(Random& random, const std::vector<std::int64_t>& common,
                                      bool whole) {
  std::vector<std::int64_t> shape = common;
  if (whole) return shape;
  for (std::int64_t& extent : shape) {
    if (random.chance(25)) extent = 1;
  }
  while (!shape.empty() && shape.front() == 1 && random.chance(60)) shape.erase(shape.begin());
  return shape;
}

std::int64_t random_index(Random& random, std::int64_t extent, IndexMode mode, bool narrow) {
  if (mode == IndexMode::raise) return random.between(-extent, extent - 1);
  if (random.chance(5)) {
    using Wide = std::numeric_limits<std::int64_t>;
    using Narrow = std::numeric_limits<std::int32_t>;
    return narrow ? random.pick<std::int64_t>({Narrow::min(), Narrow::max()})
                  : random.pick<std::int64_t>({Wide::min(), Wide::max()});
  }
  return random.between(-3 * extent - 2, 3 * extent + 2);
}

}  // namespace

RandomRequest::RandomRequest(Random& random, const std::vector<std::int64_t>& shape)
    : mode_(random.pick({IndexMode::raise, IndexMode::clip, IndexMode::wrap})) {
  std::vector<int> axes = random_axes(random, shape.size());
  // In a third of the cases neighbours, for which NumPy has a rule of its own.
  if (random.chance(35)) std::ranges::sort(axes);
  std::int64_t budget = 1500 / std::max<std::int64_t>(product(shape), 1) + 8;
  for (int count = random.between(1, 3); count > 0 && !axes.empty(); --count) {
    const int most = std::min(static_cast<int>(axes.size()), 4);
    const int taken = random.between(1, most);
    reference::Group group;
    const int skip = random.between(0, static_cast<int>(axes.size()) - taken);
    group.axes.assign(axes.begin() + skip, axes.begin() + skip + taken);
    axes.erase(axes.begin() + skip, axes.begin() + skip + taken);

    std::vector<std::int64_t> common;
    const bool many = shape.size() > 50;  // a result has at most 64 axes
    for (int rank = many ? 1 : random.pick({0, 1, 1, 1, 2, 3}); rank > 0; --rank) {
      common.push_back(random.chance(3) ? 0 : random.between(1, 4));
      if (product(common) > budget) common.back() = 1;
    }
    const bool no_element =
        std::ranges::any_of(group.axes, [&](int axis) { return shape[as_size(axis)] == 0; });
    if (no_element && common.empty()) common.push_back(0);
    if (no_element) common.back() = 0;
    budget = std::max<std::int64_t>(budget / std::max<std::int64_t>(product(common), 1), 1);

    // An index array with elements needs an axis with some; and one array has the whole shape.
    auto& narrow = narrow_.emplace_back();
    for (std::size_t i = 0; i < group.axes.size(); ++i) {
      const std::int64_t extent = shape[as_size(group.axes[i])];
      reference::Index index;
      index.shape = random_part(random, common, i == 0 || extent == 0);
      const bool is_narrow = random.chance(40);
      for (std::int64_t n = product(index.shape); n > 0; --n) {
        index.values.push_back(random_index(random, extent, mode_, is_narrow));
      }
      narrow.emplace_back();
      if (is_narrow) {
        narrow.back().emplace();
        for (const std::int64_t value : index.values) {
          narrow.back()->push_back(static_cast<std::int32_t>(value));
        }
      }
      group.indices.push_back(std::move(index));
    }
    if (random.chance(30)) group.position = random.between(0, static_cast<int>(shape.size()));
    groups_.push_back(std::move(group));
  }
}

Request RandomRequest::request() const {
  Request request;
  request.mode = mode_;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const reference::Group& group = groups_[g];
    IndexGroup& converted = request.groups.emplace_back();
    converted.axes = group.axes;
    converted.position = group.position;
    for (std::size_t i = 0; i < group.indices.size(); ++i) {
      const reference::Index& index = group.indices[i];
      if (const auto& narrow = narrow_[g][i]) {
        converted.indices.emplace_back(std::span<const std::int32_t>(*narrow), index.shape);
      } else {
        converted.indices.emplace_back(std::span<const std::int64_t>(index.values), index.shape);
      }
    }
  }
  return request;
}

std::string RandomRequest::describe() const {
  std::string result = text("mode ", mode_ == IndexMode::raise  ? "raise"
                                     : mode_ == IndexMode::clip ? "clip"
                                                                : "wrap");
  for (const reference::Group& group : groups_) {
    result += text("; axes ", tuple_text(group.axes));
    if (group.position) result += text(" at ", *group.position);
    for (const reference::Index& index : group.indices) {
      result += text(" ", tuple_text(index.values), " of shape ", tuple_text(index.shape));
    }
  }
  return result;
}

// ---------------------------------------------------------------------------------------------
// Conversions

RandomConversion::RandomConversion(Random& random, const Format& from)
    : overflow(random.pick({Overflow::wrap, Overflow::saturate})) {
  if (from.opaque() || from.type().is_struct) return;
  const ScalarKind kind = from.type().kind;
  if (is_date(from.type())) {
    if (random.chance(70)) format.emplace(random.pick<const char*>({"q", ">q"}), 8);
    return;
  }
  const bool is_complex = kind == ScalarKind::complex;
  const bool is_real = kind == ScalarKind::real && from.itemsize() <= 8;
  if (kind != ScalarKind::boolean && kind != ScalarKind::signed_integer &&
      kind != ScalarKind::unsigned_integer && !is_real && !is_complex)
    return;
  if (random.chance(30)) return;
  struct Target {
    const char* text;
    std::int64_t itemsize;
  };
  const Target target = is_complex
                            ? random.pick<Target>({{"Zf", 8}, {"Zd", 16}, {">Zf", 8}, {">Zd", 16}})
                            : random.pick<Target>({{"?", 1},
                                                   {"b", 1},
                                                   {"B", 1},
                                                   {"h", 2},
                                                   {"H", 2},
                                                   {"i", 4},
                                                   {"I", 4},
                                                   {"q", 8},
                                                   {"Q", 8},
                                                   {"e", 2},
                                                   {"f", 4},
                                                   {"d", 8},
                                                   {"bfloat16", 2},
                                                   {">bfloat16", 2},
                                                   {"float8_e4m3fn", 1},
                                                   {"float8_e5m2fnuz", 1},
                                                   {"float8_e8m0fnu", 1},
                                                   {">h", 2},
                                                   {">I", 4},
                                                   {">d", 8},
                                                   {">e", 2},
                                                   {"Zf", 8},
                                                   {"Zd", 16}});
  format.emplace(target.text, target.itemsize);
}

std::string RandomConversion::describe() const {
  if (!format) return "no conversion";
  return text("to \"", format->text(), overflow == Overflow::saturate ? "\", saturating" : "\"");
}

}  // namespace multibuffer::testing
