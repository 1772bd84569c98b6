#include <multibuffer/dlpack.hpp>

#include "host/format/scalar_type.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#define MULTIBUFFER_HAS_DLPACK_HEADER 1
#endif

namespace multibuffer {
namespace {

using testing::expect_error;
using Numbers = std::vector<std::int64_t>;

DeviceBuffer numbers(const Format& format) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(6 * format.itemsize()));
  return DeviceBuffer::from_host(Device::host(), bytes.data(), Numbers{2, 3}, format);
}

TEST(DLPack, StructuresLieAsInDLPacksOwnHeader) {
#ifndef MULTIBUFFER_HAS_DLPACK_HEADER
  GTEST_SKIP() << "no <dlpack/dlpack.h> (Debian's libdlpack-dev)";
#else
  static_assert(sizeof(DLDevice) == sizeof(dlpack::Device));
  static_assert(sizeof(DLDataType) == sizeof(dlpack::DataType));
  static_assert(sizeof(DLTensor) == sizeof(dlpack::Tensor));
  static_assert(sizeof(DLManagedTensor) == sizeof(dlpack::ManagedTensor));
  static_assert(offsetof(DLTensor, device) == offsetof(dlpack::Tensor, device));
  static_assert(offsetof(DLTensor, ndim) == offsetof(dlpack::Tensor, ndim));
  static_assert(offsetof(DLTensor, dtype) == offsetof(dlpack::Tensor, dtype));
  static_assert(offsetof(DLTensor, shape) == offsetof(dlpack::Tensor, shape));
  static_assert(offsetof(DLTensor, strides) == offsetof(dlpack::Tensor, strides));
  static_assert(offsetof(DLTensor, byte_offset) == offsetof(dlpack::Tensor, byte_offset));
  static_assert(offsetof(DLManagedTensor, manager_ctx) == offsetof(dlpack::ManagedTensor, manager));
  static_assert(offsetof(DLManagedTensor, deleter) == offsetof(dlpack::ManagedTensor, deleter));
  EXPECT_EQ(static_cast<int>(kDLCPU), dlpack::device_cpu);
  EXPECT_EQ(static_cast<int>(kDLCUDA), dlpack::device_cuda);
  EXPECT_EQ(static_cast<int>(kDLCUDAHost), dlpack::device_cuda_host);
  EXPECT_EQ(static_cast<int>(kDLCUDAManaged), dlpack::device_cuda_managed);
  EXPECT_EQ(static_cast<int>(kDLInt), dlpack::code_int);
  EXPECT_EQ(static_cast<int>(kDLUInt), dlpack::code_uint);
  EXPECT_EQ(static_cast<int>(kDLFloat), dlpack::code_float);
  EXPECT_EQ(static_cast<int>(kDLComplex), dlpack::code_complex);
#endif
}

TEST(DLPack, ATensorSharesTheBuffersMemoryAndKeepsIt) {
  dlpack::ManagedTensorVersioned* managed = nullptr;
  {
    const DeviceBuffer buffer = numbers(Format("f", 4));
    managed = dlpack::to_versioned(buffer, dlpack::flag_is_copied);
    EXPECT_EQ(managed->tensor.data, buffer.data());
  }
  EXPECT_EQ(managed->version.major, 1U);
  EXPECT_EQ(managed->flags, dlpack::flag_is_copied);
  EXPECT_EQ(managed->tensor.device.type, dlpack::device_cpu);
  EXPECT_EQ(managed->tensor.dtype, (dlpack::DataType{dlpack::code_float, 32, 1}));
  EXPECT_EQ(Numbers(managed->tensor.shape, managed->tensor.shape + 2), (Numbers{2, 3}));
  EXPECT_EQ(Numbers(managed->tensor.strides, managed->tensor.strides + 2), (Numbers{3, 1}));
  static_cast<float*>(managed->tensor.data)[5] = 1;
  managed->deleter(managed);
}

TEST(DLPack, EveryTypeComesBackAsItWent) {
  for (const ScalarRow& row : scalar_table) {
    if (row.dlpack_code < 0) continue;  // long doubles
    const DeviceBuffer buffer = numbers(Format(row.format, row.size));
    EXPECT_EQ(dlpack::is_named_type(buffer.format()), row.name == row.format);
    EXPECT_FALSE(buffer.format().opaque());
    dlpack::ManagedTensor* managed = dlpack::to_legacy(buffer);
    const ArrayView view = dlpack::view(managed->tensor, false);
    EXPECT_EQ(view.format(), buffer.format());
    EXPECT_EQ(view.shape(), buffer.shape());
    EXPECT_EQ(view.base(), buffer.data());
    managed->tensor.strides = nullptr;
    EXPECT_EQ(dlpack::view(managed->tensor, false).layout(), view.layout());
    managed->deleter(managed);
  }
}

TEST(DLPack, WhatItCannotHoldIsRefused) {
  const auto refused = [](const Format& format, const char* part) {
    expect_error(Errc::format_unsupported, part, [&] { dlpack::to_legacy(numbers(format)); });
    expect_error(Errc::format_unsupported, part, [&] { dlpack::to_versioned(numbers(format)); });
  };
  refused(Format(">i", 4), "native()");
  refused(Format("T{i:a:}", 4), "structs");
  refused(Format("3s", 3), "no numbers");
  refused(Format("g", sizeof(long double)), "long double");
  refused(Format("i", 3), "takes 4 bytes");
  refused(Format("bfloat16", 4), "takes 2 bytes");
  refused(Format(">bfloat16", 2), "native()");
}

TEST(DLPack, StridesAreWholeElements) {
  const auto with_strides = [](Numbers strides) {
    const DeviceBuffer dense = numbers(Format("i", 4));
    return dense.reinterpret(dense.format(), {1, 2}, std::move(strides));
  };
  dlpack::ManagedTensor* const managed = dlpack::to_legacy(with_strides({13, 8}));
  EXPECT_EQ(managed->tensor.strides[1], 2);  // of one index, the stride means nothing
  managed->deleter(managed);
  expect_error(Errc::format_unsupported, "that of axis 1, 6 bytes, is no multiple of 4", [&] {
    dlpack::to_versioned(with_strides({12, 6}));
  });
}

TEST(DLPack, ATensorThatIsTakenOverIsGivenBackOnce) {
  static int given_back = 0;
  std::int32_t elements[6]{};
  std::int64_t shape[]{2, 2}, strides[]{1, 2};
  dlpack::ManagedTensorVersioned managed{
      {1, 7},
      nullptr,
      [](dlpack::ManagedTensorVersioned*) { ++given_back; },
      0,
      {elements, {dlpack::device_cpu, 0}, 2, {dlpack::code_int, 32, 1}, shape, strides, 8}};
  {
    const DeviceBuffer buffer = dlpack::take(&managed);
    EXPECT_EQ(static_cast<const void*>(buffer.data()), elements + 2);
    EXPECT_EQ(buffer.strides(), (Numbers{4, 8}));
    EXPECT_EQ(buffer.to_host().size(), 16U);
    const DeviceBuffer copy = buffer;
    EXPECT_EQ(given_back, 0);
  }
  EXPECT_EQ(given_back, 1);
  managed.flags = dlpack::flag_read_only;
  expect_error(Errc::invalid_view, "read-only", [&] { dlpack::take(&managed); });
  managed.version.major = 2;
  expect_error(Errc::invalid_view, "version 2.7", [&] { dlpack::take(&managed); });
  EXPECT_EQ(given_back, 1);  // what was refused is still the caller's
}

TEST(DLPack, AllocatesAsAPrototypeSays) {
  std::int64_t shape[]{2, 3};
  dlpack::Tensor prototype{
      nullptr, {dlpack::device_cpu, 0}, 2, {dlpack::code_bfloat, 16, 1}, shape, nullptr, 0};
  dlpack::ManagedTensorVersioned* const managed = dlpack::allocate(prototype);
  EXPECT_EQ(managed->tensor.dtype, prototype.dtype);
  EXPECT_EQ(Numbers(managed->tensor.strides, managed->tensor.strides + 2), (Numbers{3, 1}));
  std::memset(managed->tensor.data, 1, 12);
  managed->deleter(managed);
  prototype.shape = nullptr;
  expect_error(Errc::invalid_view, "no shape", [&] { dlpack::allocate(prototype); });
}

TEST(DLPack, TensorsThatAreNoArrays) {
  dlpack::Tensor tensor{nullptr, {dlpack::device_cpu, 0}, 1, {17, 4, 1}, nullptr, nullptr, 0};
  expect_error(Errc::invalid_view, "no shape", [&] { dlpack::view(tensor, true); });
  std::int64_t shape[] = {0};
  tensor.shape = shape;
  expect_error(Errc::format_unsupported, "type code 17 with 4 bits",
               [&] { dlpack::view(tensor, true); });
  tensor.dtype = {dlpack::code_float, 32, 1};
  EXPECT_EQ(dlpack::view(tensor, true).shape(), Numbers{0});
  // Found by fuzzing: the sum was undefined.
  std::byte memory{};
  tensor.data = &memory;
  tensor.byte_offset = ~std::uint64_t{0};
  expect_error(Errc::size_overflow, "the byte offset 18446744073709551615",
               [&] { dlpack::view(tensor, true); });
  tensor.byte_offset = 0;
  tensor.device.type = 8;
  expect_error(Errc::invalid_view, "device type 8", [&] { dlpack::view(tensor, true); });
}

}  // namespace
}  // namespace multibuffer
