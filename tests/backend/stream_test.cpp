#include <multibuffer/access.hpp>
#include <multibuffer/device.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/stream.hpp>
#include <multibuffer/update.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

struct CUstream_st;  // CUDA's, as <cuda_runtime_api.h> declares it

namespace multibuffer {
namespace {

using CudaStream = CUstream_st*;

// What CUDA's users write for a stream says nothing about which one is meant until it has been
// given to `cuda::stream_ref`. `options.stream = 0`, `= nullptr`, `= &x` and `= stream` do not
// compile:
template <class From>
constexpr bool becomes_a_stream =
    std::is_constructible_v<StreamRef, From> || std::is_convertible_v<From, StreamRef> ||
    std::is_assignable_v<decltype((std::declval<GatherOptions&>().stream)), From> ||
    std::is_assignable_v<decltype((std::declval<UploadOptions&>().stream)), From> ||
    std::is_assignable_v<decltype((std::declval<CallOptions&>().stream)), From> ||
    std::is_invocable_v<decltype(&Device::synchronize), Device&, From> ||
    std::is_invocable_v<decltype(&DeviceBuffer::order_before), DeviceBuffer&, From> ||
    std::is_constructible_v<Access, From, std::vector<Accessed>, std::vector<Accessed>>;

static_assert(becomes_a_stream<StreamRef>);
static_assert(!becomes_a_stream<int>);
static_assert(!becomes_a_stream<std::uintptr_t>);
static_assert(!becomes_a_stream<std::nullptr_t>);
static_assert(!becomes_a_stream<int*>);
static_assert(!becomes_a_stream<void*>);
static_assert(!becomes_a_stream<CudaStream>);

TEST(Stream, OwnIsWhatIsMeantWhereNothingIsSaid) {
  EXPECT_TRUE(StreamRef().is_own());
  EXPECT_EQ(StreamRef(), StreamRef::own());
  EXPECT_EQ(StreamRef::own().number(), 0);
  EXPECT_TRUE(GatherOptions().stream.is_own());
}

TEST(Stream, NumbersAreThoseOfCudaAndNoneOfThemIsThePrivateStream) {
  EXPECT_EQ(StreamRef::legacy().number(), 1);
  EXPECT_EQ(StreamRef::per_thread().number(), 2);
  EXPECT_EQ(StreamRef::from_number(0), StreamRef::legacy());
  EXPECT_FALSE(StreamRef::from_number(0).is_own());
  EXPECT_EQ(StreamRef::from_number(4096).number(), 4096);
  EXPECT_NE(StreamRef::from_number(4096), StreamRef::from_number(4097));
}

}  // namespace
}  // namespace multibuffer
