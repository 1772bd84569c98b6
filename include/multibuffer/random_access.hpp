#pragma once

#include <multibuffer/host_device.hpp>

#ifndef __CUDACC_RTC__
#include <iterator>
#endif

namespace multibuffer {

/// What random access iterators have alike, for one that has `position()`, `operator*` and
/// `operator+=`. Two of them are compared, and subtracted, by their positions: they must belong to
/// one view.
template <class Derived>
class RandomAccess {
  using Int64 = device_code::Int64;

 public:
#ifndef __CUDACC_RTC__
  using iterator_category = std::random_access_iterator_tag;
#endif
  using difference_type = Int64;

  MULTIBUFFER_HOST_DEVICE constexpr Derived& operator-=(Int64 n) { return self() += -n; }
  MULTIBUFFER_HOST_DEVICE constexpr Derived& operator++() { return self() += 1; }
  MULTIBUFFER_HOST_DEVICE constexpr Derived& operator--() { return self() += -1; }
  MULTIBUFFER_HOST_DEVICE constexpr Derived operator++(int) {
    const Derived before = self();
    ++self();
    return before;
  }
  MULTIBUFFER_HOST_DEVICE constexpr Derived operator--(int) {
    const Derived before = self();
    --self();
    return before;
  }
  MULTIBUFFER_HOST_DEVICE constexpr decltype(auto) operator[](Int64 n) const {
    Derived there = static_cast<const Derived&>(*this);
    there += n;
    return *there;
  }
  MULTIBUFFER_HOST_DEVICE friend constexpr Derived operator+(Derived it, Int64 n) {
    return it += n;
  }
  MULTIBUFFER_HOST_DEVICE friend constexpr Derived operator+(Int64 n, Derived it) {
    return it += n;
  }
  MULTIBUFFER_HOST_DEVICE friend constexpr Derived operator-(Derived it, Int64 n) {
    return it += -n;
  }
  MULTIBUFFER_HOST_DEVICE friend constexpr Int64 operator-(const Derived& a, const Derived& b) {
    return a.position() - b.position();
  }
  MULTIBUFFER_HOST_DEVICE friend constexpr bool operator==(const Derived& a, const Derived& b) {
    return a.position() == b.position();
  }
  MULTIBUFFER_HOST_DEVICE friend constexpr bool operator!=(const Derived& a, const Derived& b) {
    return a.position() != b.position();
  }
  MULTIBUFFER_HOST_DEVICE friend constexpr bool operator<(const Derived& a, const Derived& b) {
    return a.position() < b.position();
  }
  MULTIBUFFER_HOST_DEVICE friend constexpr bool operator>(const Derived& a, const Derived& b) {
    return a.position() > b.position();
  }
  MULTIBUFFER_HOST_DEVICE friend constexpr bool operator<=(const Derived& a, const Derived& b) {
    return a.position() <= b.position();
  }
  MULTIBUFFER_HOST_DEVICE friend constexpr bool operator>=(const Derived& a, const Derived& b) {
    return a.position() >= b.position();
  }

 private:
  friend Derived;
  RandomAccess() = default;
  MULTIBUFFER_HOST_DEVICE constexpr Derived& self() { return static_cast<Derived&>(*this); }
};

}  // namespace multibuffer
