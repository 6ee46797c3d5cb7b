// The int8 kernels of one target; see target.cpp.

#include "cpu/kernels/int8_gemm_kernel.h"
#include "cpu/kernels/targets.h"

#define AS_TEXT(name) #name
#define NAME_OF(target) AS_TEXT(target)

namespace gpustack_draw::cpu::TARGET_NAMESPACE {
namespace {

constexpr Int8Kernels make_int8_kernels() {
  Int8Kernels table{};
  table.name = NAME_OF(TARGET_NAMESPACE);
  table.mr = int8_mr;
  table.nr = nr;
  table.limits = int8_limits;
  table.supports = &supports_int8;
  table.input_size = &int8_input_size;
  table.pack_input = &pack_int8_input;
  table.gemm = &int8_gemm;
  return table;
}

}  // namespace

constexpr Int8Kernels int8_kernels = make_int8_kernels();

}  // namespace gpustack_draw::cpu::TARGET_NAMESPACE
