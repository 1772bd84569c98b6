#include <multibuffer/error.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/pack.hpp"
#include "host/bytes/nontemporal_copy.hpp"
#include "host/bytes/simd.hpp"
#include "host/cpu/describe_way.hpp"
#include "host/cpu/host_gather.hpp"
#include "host/cpu/kept_memory.hpp"
#include "host/cpu/ragged_copy.hpp"
#include "host/support/parallel.hpp"
#include "host/support/text.hpp"

#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

/// Returns the bytes of memory and of what it is swapped to.
std::int64_t all_bytes() {
  struct sysinfo system {};
  if (sysinfo(&system) != 0) return std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(system.totalram + system.totalswap) * system.mem_unit;
}

std::int64_t available_bytes() {
  return static_cast<std::int64_t>(sysconf(_SC_AVPHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

class HostMemory final : public Memory {
 public:
  explicit HostMemory(std::int64_t bytes) : Memory(allocate(bytes), bytes) {}
  ~HostMemory() override { deallocate_kept(data_, static_cast<std::size_t>(bytes_)); }
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;
  // Every call of this backend has ended when it returns.
  bool wait() noexcept override { return true; }
  void wait_for_contents() override {}

 private:
  static std::byte* allocate(std::int64_t bytes) {
    try {
      // A system that promises memory freely promises this, too, and then ends whoever uses it.
      // Every system has a few bytes, and need not be asked.
      constexpr std::int64_t few = std::int64_t{1} << 20;
      if (bytes > few && bytes > all_bytes()) throw std::bad_alloc();
      return static_cast<std::byte*>(allocate_kept(static_cast<std::size_t>(bytes)));
    } catch (const std::bad_alloc&) {
      throw OutOfMemory(
          text(bytes, " bytes on the host, which has ", available_bytes(), " available"));
    }
  }
};

/// Read once: whoever asks a device only for its kind waits for this as well. Linux has names for
/// x86 processors; of an Arm it tells numbers, and its instruction set is the most that we can say.
const std::string& processor_name() {
  // Never destroyed: threads may outlive main.
  static const std::string& name = *new std::string([]() -> std::string {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
      if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    utsname system{};
    return uname(&system) == 0 ? text(system.machine, " processor") : "processor";
  }());
  return name;
}

void copy_all(std::byte* to, const std::byte* from, std::int64_t bytes) {
  const bool nontemporal = worth_nontemporal(bytes);
  parallel_for(bytes, 1, {}, [&](std::int64_t begin, std::int64_t end) {
    copy_bytes(to + begin, from + begin, end - begin, nontemporal);
    if (nontemporal) nontemporal_fence();
  });
}

FirstMismatch compare_range(const std::byte* actual, const std::byte* expected, std::int64_t begin,
                            std::int64_t end, std::int64_t itemsize) {
  const auto equal = [&](std::int64_t from, std::int64_t to) {
    return std::memcmp(actual + from * itemsize, expected + from * itemsize,
                       static_cast<std::size_t>((to - from) * itemsize)) == 0;
  };
  FirstMismatch found;
  if (equal(begin, end)) return found;
  for (std::int64_t i = begin; i < end; ++i)
    if (!equal(i, i + 1) && found.mismatches++ == 0) found.first = i;
  return found;
}

/// Is told of `bytes_each` for each byte of the source, and tells of bytes of the result.
Watch in_result_bytes(const CopyPlan& plan, std::int64_t bytes_each, const Watch& watch) {
  Watch result{.stop = watch.stop, .progress = {}};
  if (watch.progress)
    result.progress = [&, bytes_each](std::int64_t done, std::int64_t total) {
      watch.progress(plan.dense_bytes(done / bytes_each), plan.dense_bytes(total / bytes_each));
    };
  return result;
}

/// With indices that have been checked, and that `uses` keeps.
class HostPreparedCopy final : public PreparedCopy {
 public:
  HostPreparedCopy(Backend& backend, const CopyPlan& plan, std::vector<UsedMemory> uses)
      : backend_(backend), plan_(plan), uses_(std::move(uses)) {}
  void run() override { backend_.copy(plan_, false, uses_, {}, {}); }
  void end_runs() noexcept override {}
  void wait() override {}

 private:
  Backend& backend_;  ///< the process has one
  CopyPlan plan_;
  std::vector<UsedMemory> uses_;
};

class HostPreparedRaggedCopy final : public PreparedCopy {
 public:
  HostPreparedRaggedCopy(Backend& backend, RaggedPlan plan, std::vector<UsedMemory> uses)
      : backend_(backend), plan_(std::move(plan)), uses_(std::move(uses)) {}
  void run() override { backend_.copy_ragged(plan_, false, uses_, {}, {}); }
  void end_runs() noexcept override {}
  void wait() override {}

 private:
  Backend& backend_;
  RaggedPlan plan_;
  std::vector<UsedMemory> uses_;
};

class HostBackend final : public Backend {
 public:
  DeviceKind kind() const override { return DeviceKind::host; }
  int ordinal() const override { return 0; }

  DeviceInfo info() const override {
    DeviceInfo info;
    info.kind = DeviceKind::host;
    info.name = "host";
    info.description =
        text(processor_name(), ", ", thread_count(), thread_count() == 1 ? " thread" : " threads");
    info.memory_bytes = static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
    info.free_bytes = available_bytes();
    return info;
  }

  std::shared_ptr<Memory> allocate(std::int64_t bytes, StreamRef) override {
    return std::make_shared<HostMemory>(bytes);
  }

  void upload(const Placement& placement, const std::vector<std::int64_t>& table_offsets,
              Memory& arena, StreamRef, const Watch& watch) override {
    parallel_for(placement.arena_bytes, 1, watch, [&](std::int64_t begin, std::int64_t end) {
      pack(placement, begin, end, arena.data() + begin);
    });
    for (std::size_t level = 0; level < placement.tables.size(); ++level)
      std::visit(
          [&](const auto& entries) {
            copy_all(arena.data() + table_offsets[level],
                     reinterpret_cast<const std::byte*>(entries.data()),
                     static_cast<std::int64_t>(entries.size() * sizeof(entries[0])));
          },
          placement.tables[level]);
  }

  void write(Memory& to, std::int64_t offset, const void* from, std::int64_t bytes,
             StreamRef) override {
    copy_all(to.data() + offset, static_cast<const std::byte*>(from), bytes);
  }

  void read(void* to, Memory*, const std::byte* from, std::int64_t bytes) override {
    copy_all(static_cast<std::byte*>(to), from, bytes);
  }

  std::shared_ptr<PendingWork> copy(const CopyPlan& plan, bool, const std::vector<UsedMemory>&,
                                    StreamRef, const Watch& watch) override {
    const std::int64_t bytes = plan.rows * plan.run_bytes;
    const bool nontemporal = worth_nontemporal(plan.dense_bytes(bytes));
    const std::int64_t bytes_each = plan.widening();  // it takes as long as the wider side
    const HostPlans plans(plan);
    const auto gather_part = [&](std::int64_t begin, std::int64_t end) {
      host_gather_bytes(plans.parts(), begin, end, nontemporal);
    };
    // By reference: nothing is allocated.
    parallel_for(bytes, bytes_each, in_result_bytes(plan, bytes_each, watch),
                 std::ref(gather_part));
    return nullptr;
  }

  std::shared_ptr<PreparedCopy> prepare(const CopyPlan& plan, bool, std::vector<UsedMemory> uses,
                                        StreamRef) override {
    return std::make_shared<HostPreparedCopy>(*this, plan, std::move(uses));
  }

  PlanDescription describe(const CopyPlan& plan) override { return describe_way(plan); }
  PlanDescription describe(const RaggedPlan& plan) override { return describe_way(plan); }

  std::shared_ptr<PendingWork> copy_ragged(const RaggedPlan& plan, bool,
                                           const std::vector<UsedMemory>&, StreamRef,
                                           const Watch& watch) override {
    if (plan.dense_bytes() == 0) return nullptr;
    switch (plan.direction) {
      case Direction::gather: {
        const RaggedCopy copy(plan);
        parallel_for(copy.parts(), copy.part_bytes(), watch, std::cref(copy));
      }
    }
    return nullptr;
  }

  std::shared_ptr<PreparedCopy> prepare_ragged(const RaggedPlan& plan, bool,
                                               std::vector<UsedMemory> uses, StreamRef) override {
    return std::make_shared<HostPreparedRaggedCopy>(*this, plan, std::move(uses));
  }

  FirstMismatch compare(const std::byte* actual, const std::byte* expected, std::int64_t elements,
                        std::int64_t itemsize,
                        const std::vector<std::shared_ptr<Memory>>&) override {
    std::mutex mutex;
    FirstMismatch all;
    parallel_for(elements, itemsize, {}, [&](std::int64_t begin, std::int64_t end) {
      const FirstMismatch here = compare_range(actual, expected, begin, end, itemsize);
      if (here.mismatches == 0) return;
      const std::lock_guard lock(mutex);
      all.mismatches += here.mismatches;
      if (all.first < 0 || here.first < all.first) all.first = here.first;
    });
    return all;
  }

  void check_in_place(const Placement& placement) override {
    if (placement.space == MemorySpace::device)
      throw Failure(Errc::invalid_argument, "the host cannot read device memory in place");
  }

  void synchronize(StreamRef) override {}
  void hand_over(Memory&, StreamRef, bool) override {}
  std::unique_ptr<MemoryUse> begin_use(const std::vector<UsedMemory>&, StreamRef) override {
    return nullptr;
  }
};

}  // namespace

std::shared_ptr<Backend> open_host_backend() {
  // Never destroyed: threads may outlive main.
  static const auto& backend = *new std::shared_ptr<Backend>(std::make_shared<HostBackend>());
  return backend;
}

}  // namespace multibuffer
