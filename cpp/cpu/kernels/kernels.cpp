#include "cpu/kernels/kernels.h"

#include <cstdlib>
#include <cstring>
#include <new>

#ifndef __aarch64__
#include <cpuid.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#else
#include <sys/auxv.h>
#endif

#if defined(__linux__) && !defined(__aarch64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "cpu/aligned_memory.h"
#include "cpu/kernels/targets.h"

namespace gpustack_draw::cpu {
namespace {

bool always() { return true; }

struct Target {
  const Kernels* kernels;
  bool (*can_run)();
  bool (*is_preferred)();
  bool multiplies_in_f32;
};

// The extensions that the compiler flags of each target allow: see cmake/CpuTargets.cmake.
#ifdef __aarch64__

// BFMMLA, BFDOT and conversions, from Armv8.6 on.
bool has_neon_bf16() {
#ifdef __APPLE__
  int has = 0;
  std::size_t size = sizeof(has);
  return sysctlbyname("hw.optional.arm.FEAT_BF16", &has, &size, nullptr, 0) == 0 && has != 0;
#else
  constexpr unsigned long bf16 = 1UL << 14;  // HWCAP2_BF16, which older headers lack
  return (getauxval(AT_HWCAP2) & bf16) != 0;
#endif
}

// In order of preference.
constexpr Target targets[] = {{&neon_bf16::kernels, &has_neon_bf16, &always, false},
                              {&neon::kernels, &always, &always, true}};

#else

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool has_avx512_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }

// CPUID is read because not every compiler's __builtin_cpu_supports knows AVX-VNNI.
bool has_avx_vnni() {
  constexpr unsigned avx_vnni = 1U << 4;  // EAX of CPUID leaf 7, subleaf 1
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 &&
         (eax & avx_vnni) != 0;
}

bool has_avx512_bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }

// On Linux a process must request permission to use tile registers:
// https://docs.kernel.org/arch/x86/xstate.html. CPUID is read here because not every compiler's
// __builtin_cpu_supports knows AMX.
bool has_amx_bf16() {
#ifdef __linux__
  constexpr unsigned amx_bf16_and_tile = 1U << 22 | 1U << 24;  // EDX of CPUID leaf 7
  constexpr long request_permission = 0x1023;                  // ARCH_REQ_XCOMP_PERM
  constexpr long tile_data = 18;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return has_avx512_bf16() && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 &&
         (edx & amx_bf16_and_tile) == amx_bf16_and_tile &&
         syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

// On Intel CPUs bf16 vector instructions are slower than f32: 74 instead of 128 GFLOP/s, measured
// on one core of an Emerald Rapids, where AMX reaches 440.
bool is_faster_in_bf16() { return !__builtin_cpu_is("intel"); }

// In order of preference.
constexpr Target targets[] = {{&amx_bf16::kernels, &has_amx_bf16, &always, false},
                              {&avx512_bf16::kernels, &has_avx512_bf16, &is_faster_in_bf16, false},
                              {&avx512::kernels, &has_avx512, &always, true},
                              {&avx2::kernels, &has_avx2, &always, true}};

#endif

}  // namespace

const Kernels* best_kernels() {
  for (const Target& target : targets) {
    if (target.can_run() && target.is_preferred()) {
      return target.kernels;
    }
  }
  return nullptr;
}

const Kernels& f32_kernels(const Kernels& kernels) {
  for (const Target& target : targets) {
    if (target.kernels == &kernels && target.multiplies_in_f32) {
      return kernels;  // NOLINT(bugprone-return-const-ref-from-parameter): a static table
    }
  }
  for (const Target& target : targets) {
    if (target.multiplies_in_f32 && target.can_run()) {
      return *target.kernels;
    }
  }
  return kernels;  // NOLINT(bugprone-return-const-ref-from-parameter)
}

const Kernels* kernels_named(const char* name) {
  for (const Target& target : targets) {
    if (std::strcmp(target.kernels->name, name) == 0 && target.can_run()) {
      return target.kernels;
    }
  }
  return nullptr;
}

#ifdef __aarch64__
const Int8Kernels* int8_kernels_for(const Kernels& /*kernels*/, bool /*always*/) { return nullptr; }
#else
const Int8Kernels* int8_kernels_for(const Kernels& kernels, bool always) {
  // With AMX, bf16 is faster: an int8 instruction has to stop at each new scale, after 32 numbers,
  // and then multiplies no more than one of bf16.
  const bool is_amx = &kernels == &amx_bf16::kernels;
  const bool has_512_bits = is_amx || &kernels != &avx2::kernels;
  if (has_512_bits && has_avx512_vnni()) {
    return is_amx && !always ? nullptr : &avx512_vnni::int8_kernels;
  }
  if (has_512_bits && !always) {
    return nullptr;
  }
  return has_avx_vnni() ? &avx_vnni::int8_kernels : &avx2::int8_kernels;
}
#endif

Scratch::~Scratch() { std::free(memory_); }

std::byte* Scratch::take(std::size_t bytes) {
  if (bytes > bytes_) {
    std::free(memory_);
    bytes_ = 0;
    memory_ = static_cast<std::byte*>(allocate_aligned(bytes));
    if (memory_ == nullptr) {
      throw std::bad_alloc();
    }
    bytes_ = bytes;
  }
  return memory_;
}

}  // namespace gpustack_draw::cpu
