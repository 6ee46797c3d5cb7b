#pragma once

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {

/// True if run_strassen_gemm() is faster than a GEMM in blocks. Independent of the threads, because
/// the results differ in their last bits.
bool suits_strassen(const Gemm& gemm, const Kernels& kernels);

void run_strassen_gemm(const Gemm& gemm, const Kernels& kernels, ThreadPool& pool);

}  // namespace gpustack_draw::cpu
