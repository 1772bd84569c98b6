#pragma once

#include <multibuffer/device.hpp>

#include <gtest/gtest.h>

#include <string>

namespace multibuffer::testing {

/// Tests of a device, "host" or "cuda". Those of "cuda" are skipped where there is none.
class OnDevice : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (on_device() && list_devices().devices.size() == 1)
      GTEST_SKIP() << "no CUDA device: " << list_devices().why_no_cuda;
  }
  bool on_device() const { return std::string(GetParam()) == "cuda"; }
  Device device() const { return Device::open(GetParam()); }
};

}  // namespace multibuffer::testing
