#include "cpu/kernels/kernels.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "cpu/kernels/levels.h"

namespace gpustack_draw::cpu {
namespace {

// The extensions that each level's flags in CMakeLists.txt let the compiler use.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool has_avx512_bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }

struct Level {
  const Kernels* kernels;
  bool (*is_there)();
};

// The best first.
constexpr Level levels[] = {{&avx512_bf16::kernels, &has_avx512_bf16},
                            {&avx512::kernels, &has_avx512},
                            {&avx2::kernels, &has_avx2}};

}  // namespace

const Kernels* best_kernels() {
  for (const Level& level : levels) {
    if (level.is_there()) {
      return level.kernels;
    }
  }
  return nullptr;
}

const Kernels* kernels_named(const char* name) {
  for (const Level& level : levels) {
    if (std::strcmp(level.kernels->name, name) == 0 && level.is_there()) {
      return level.kernels;
    }
  }
  return nullptr;
}

Scratch::~Scratch() { std::free(memory_); }

std::byte* Scratch::take(std::size_t bytes) {
  if (bytes > bytes_) {
    constexpr std::size_t alignment = 64;
    std::free(memory_);
    bytes_ = 0;
    const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
    memory_ = static_cast<std::byte*>(std::aligned_alloc(alignment, whole));
    if (memory_ == nullptr) {
      throw std::bad_alloc();
    }
    bytes_ = whole;
  }
  return memory_;
}

}  // namespace gpustack_draw::cpu
