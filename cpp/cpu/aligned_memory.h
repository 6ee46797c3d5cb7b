#pragma once

#include <cstddef>
#include <cstdlib>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace gpustack_draw::cpu {

/// Allocate memory that is aligned for vectors, from 2 MiB on in huge pages where available.
///
/// @param size Bytes, which are rounded up.
/// @return Memory for std::free(), or null if there is too little.
inline void* allocate_aligned(std::size_t& size) {
  constexpr std::size_t huge_page = std::size_t{2} * 1024 * 1024;
  constexpr std::size_t alignment = 64;
  const std::size_t unit = size < huge_page ? alignment : huge_page;
  size = (size + unit - 1) / unit * unit;
  void* memory = std::aligned_alloc(unit, size);
#ifdef __linux__
  if (memory != nullptr && unit == huge_page) {
    madvise(memory, size, MADV_HUGEPAGE);  // best effort
  }
#endif
  return memory;
}

}  // namespace gpustack_draw::cpu
