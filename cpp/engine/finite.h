#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gpustack_draw {

/// Returns true if no number is NaN or infinity, that is, has all bits of its exponent set. Returns
/// early per block instead of per number, so that compilers vectorize the inner loop.
template <typename Bits>
bool have_finite_exponents(const void* numbers, std::size_t count, Bits exponent) noexcept {
  constexpr std::size_t block = 1024;
  const auto* bytes = static_cast<const unsigned char*>(numbers);
  for (std::size_t begin = 0; begin < count; begin += block) {
    const std::size_t end = begin + block < count ? begin + block : count;
    Bits bad = 0;
    for (std::size_t i = begin; i < end; ++i) {
      Bits bits;
      std::memcpy(&bits, bytes + i * sizeof(Bits), sizeof(Bits));
      bad = static_cast<Bits>(bad | static_cast<Bits>((bits & exponent) == exponent));
    }
    if (bad != 0) {
      return false;
    }
  }
  return true;
}

inline bool are_finite(const float* numbers, std::size_t count) noexcept {
  return have_finite_exponents<std::uint32_t>(numbers, count, 0x7f800000U);
}

}  // namespace gpustack_draw
