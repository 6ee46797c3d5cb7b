#pragma once

#include "cpu/kernels/kernels.h"

namespace gpustack_draw::cpu {

namespace avx2 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}
namespace avx512_bf16 {
extern const Kernels kernels;
}
namespace amx_bf16 {
extern const Kernels kernels;
}

}  // namespace gpustack_draw::cpu
