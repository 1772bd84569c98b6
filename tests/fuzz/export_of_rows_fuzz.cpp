#include <multibuffer/multibuffer.hpp>

#include "tests/fuzz/targets.hpp"
#include "tests/testing/random_array.hpp"

#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

// A heap of rows and tables of pointers in pages that can be read, each between pages that cannot.
// Descriptors are whatever the fuzzer writes. Where every slot and element lies in the heap, the
// result is the reference's; where one does not, the library may refuse the export, and must if it
// is asked to check memory first. Nothing is known where one lies in other memory of the process.
namespace multibuffer::fuzz {
namespace {

class Heap {
 public:
  static constexpr std::int64_t page = 4096;
  static constexpr std::int64_t pages = 4;
  /// The bytes at the end of each page that are used, so that what lies behind cannot be read.
  static constexpr std::int64_t used = 512;

  Heap() {
    void* const memory =
        mmap(nullptr, (2 * pages + 1) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(memory != MAP_FAILED, "there is no memory");
    base_ = static_cast<std::byte*>(memory);
    for (std::int64_t i = 0; i < pages; ++i)
      mprotect(base_ + (2 * i + 1) * page, page, PROT_READ | PROT_WRITE);
  }
  std::byte* begin_of(std::int64_t i) const { return base_ + (2 * i + 2) * page - used; }
  /// Whether `bytes` from `address` on can be read.
  bool holds(Wide address, Wide bytes) const {
    for (std::int64_t i = 0; i < pages; ++i) {
      const auto first =
          static_cast<Wide>(reinterpret_cast<std::uintptr_t>(base_ + (2 * i + 1) * page));
      if (address >= first && address + bytes <= first + page) return true;
    }
    return false;
  }

 private:
  std::byte* base_;
};

/// A descriptor as the fuzzer writes it, and its lists.
struct Descriptor {
  std::vector<std::int64_t> shape, strides, suboffsets;
  std::string format;
  BufferExport source;

  Descriptor(testing::Random& random, const Heap& heap) {
    const int ndim = random.chance(97) ? random.between(0, 4) : random.between(-2, 66);
    const auto number = [&](std::int64_t low, std::int64_t high) {
      return random.chance(95) ? random.between(low, high)
                               : static_cast<std::int64_t>(random.next());
    };
    for (int i = 0; i < ndim; ++i) {
      shape.push_back(number(random.chance(95) ? 0 : -1, 4));
      strides.push_back(random.chance(60) ? 8 * random.between(-4, 8) : number(-40, 60));
      suboffsets.push_back(random.chance(50) ? -1 : number(-3, 40));
    }
    source.itemsize =
        random.chance(90) ? random.pick<std::int64_t>({1, 2, 4, 8, 16}) : number(-1, 600);
    format = random.pick<const char*>({"B", "h", "f", "d", "T{i:a:f:b:}", "3s", "nonsense"});
    const auto buf = reinterpret_cast<std::uintptr_t>(heap.begin_of(random.between(0, 3))) +
                     static_cast<std::uintptr_t>(number(0, Heap::used));
    // NOLINTNEXTLINE(performance-no-int-to-ptr): it may be none
    source.buf = reinterpret_cast<const void*>(random.chance(2) ? 0 : buf);
    if (random.chance(20)) source.len = random.between(0, 64) * random.between(1, 16);
    source.readonly = random.chance(50);
    source.ndim = ndim;
    source.format = random.chance(70) ? format.c_str() : nullptr;
    source.shape = random.chance(95) ? shape.data() : nullptr;
    source.strides = random.chance(90) ? strides.data() : nullptr;
    source.suboffsets = random.chance(80) ? suboffsets.data() : nullptr;
  }
};

void write_heap(testing::Random& random, const Heap& heap) {
  for (std::int64_t i = 0; i < Heap::pages; ++i) {
    std::memset(heap.begin_of(i), static_cast<int>(17 * i + 1), Heap::used);
    // Pointers: mostly into the heap, some NULL, some anywhere.
    for (int slot = 0; slot < 8; ++slot) {
      std::uintptr_t pointer =
          reinterpret_cast<std::uintptr_t>(heap.begin_of(random.between(0, 3))) +
          static_cast<std::uintptr_t>(random.between(0, 255));
      if (random.chance(3)) pointer = 0;
      if (random.chance(3)) pointer = static_cast<std::uintptr_t>(random.next()) | 1ULL << 63;
      const auto at = random.chance(80) ? 8 * static_cast<std::int64_t>(slot)
                                        : random.between(std::int64_t{0}, Heap::used - 8);
      std::memcpy(heap.begin_of(i) + at, &pointer, sizeof pointer);
    }
  }
}

/// The bytes before and behind the first element of a block.
struct Hull {
  Wide below = 0, above = 0;
};
Hull hull_of(const Layout& layout, std::int64_t itemsize) {
  Hull hull{0, itemsize};
  for (const Axis& axis : layout.axes())
    if (axis.level == layout.levels()) {
      const Wide reach = static_cast<Wide>(axis.extent - 1) * axis.stride;
      (reach < 0 ? hull.below : hull.above) += reach < 0 ? -reach : reach;
    }
  return hull;
}
Wide in_last_level(const Layout& layout, const std::vector<std::int64_t>& index) {
  Wide sum = 0;
  for (std::size_t i = 0; i < index.size(); ++i)
    if (layout.axes()[i].level == layout.levels())
      sum += static_cast<Wide>(index[i]) * layout.axes()[i].stride;
  return sum;
}

enum class Reach { all_inside, null, outside, unknown };

/// Returns what is known of bytes that do not lie in the heap.
Reach beyond(Wide address, Wide bytes) {
  if (address < 0 || address + bytes > (Wide{1} << 64)) return Reach::outside;
  std::vector<std::byte> seen(static_cast<std::size_t>(std::min<Wide>(bytes, 1 << 16)));
  const iovec to{seen.data(), seen.size()};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): it may be none
  const iovec from{reinterpret_cast<void*>(static_cast<std::uintptr_t>(address)), seen.size()};
  const ssize_t read = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
  return read == std::ssize(seen) ? Reach::unknown : Reach::outside;
}

/// Follows every index of a view in 128 bits, and says whether all that is read lies in the heap.
Reach reach_of(const ArrayView& view, const Heap& heap) {
  const Layout& layout = view.layout();
  if (layout.empty()) return Reach::all_inside;
  Wide count = 1;
  for (const Axis& axis : layout.axes()) {
    count *= axis.extent;
    if (count > 1000) return Reach::unknown;
  }
  const auto axes = layout.axes();
  std::vector<std::int64_t> index(axes.size(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    std::vector<Wide> sums(layout.origins().begin(), layout.origins().end());
    for (std::size_t axis = 0; axis < axes.size(); ++axis)
      sums[static_cast<std::size_t>(axes[axis].level)] +=
          static_cast<Wide>(index[axis]) * axes[axis].stride;
    Wide at = static_cast<Wide>(reinterpret_cast<std::uintptr_t>(view.base())) + sums[0];
    for (std::size_t level = 1; level < sums.size(); ++level) {
      if (!heap.holds(at, sizeof(void*))) return beyond(at, sizeof(void*));
      std::uint64_t pointer = 0;
      // NOLINTNEXTLINE(performance-no-int-to-ptr)
      std::memcpy(&pointer, reinterpret_cast<const void*>(static_cast<std::uintptr_t>(at)),
                  sizeof pointer);
      if (pointer == 0) return Reach::null;
      at = static_cast<Wide>(pointer) + sums[level];
    }
    // A block that one pointer leads to may travel as it lies.
    const Hull hull = hull_of(layout, view.itemsize());
    const Wide start = at - in_last_level(layout, index);
    if (!heap.holds(start - hull.below, hull.below + hull.above))
      return beyond(start - hull.below, hull.below + hull.above);
    for (std::size_t axis = index.size(); axis-- > 0;) {
      if (++index[axis] < axes[axis].extent) break;
      index[axis] = 0;
    }
  }
  return Reach::all_inside;
}

}  // namespace

void export_of_rows(Bytes bytes) {
  static const Heap heap;
  static const Device host = Device::host();
  testing::Random random(bytes);
  write_heap(random, heap);
  const Descriptor descriptor(random, heap);
  std::optional<ArrayView> view;
  try {
    view = ArrayView::from_export(descriptor.source);
  } catch (const Error&) {
    return;
  }
  const Reach reach = reach_of(*view, heap);
  UploadOptions options;
  options.placement = random.pick({PlacementKind::automatic, PlacementKind::packed,
                                   PlacementKind::preserved, PlacementKind::in_place});
  options.owner = std::make_shared<int>(0);
  options.checked = reach != Reach::all_inside || random.chance(50);
  if (reach == Reach::unknown) return;
  try {
    const DeviceArray array = upload(*view, host, options);
    require(reach == Reach::all_inside, "an export that leads out of its memory was uploaded");
    const reference::Result expected = reference::gather(descriptor.source, {});
    require(array.shape() == expected.shape, "the shape is another");
    require(copy(array).to_host() == expected.bytes, "the elements are others");
  } catch (const Error& error) {
    require(reach != Reach::all_inside, "an honest export was refused: ", error.what());
    require(reach != Reach::null || error.code() == Errc::null_pointer ||
                error.code() == Errc::invalid_view,
            error.what());
  }
}

}  // namespace multibuffer::fuzz
