#pragma once

#include "cpu/kernels/kernels.h"

namespace gpustack_draw::cpu {

namespace avx2 {
extern const Kernels kernels;
extern const Int8Kernels int8_kernels;
}  // namespace avx2
namespace avx_vnni {
extern const Int8Kernels int8_kernels;
}
namespace avx512 {
extern const Kernels kernels;
}
namespace avx512_vnni {
extern const Int8Kernels int8_kernels;
}
namespace avx512_bf16 {
extern const Kernels kernels;
}
namespace amx_bf16 {
extern const Kernels kernels;
}
namespace neon {
extern const Kernels kernels;
}
namespace neon_bf16 {
extern const Kernels kernels;
}

}  // namespace gpustack_draw::cpu
