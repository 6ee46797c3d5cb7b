#pragma once

#include <string>

#include "cpu/kernels/kernels.h"
#include "node.h"

namespace gpustack_draw::cpu::tests {

/// Return the type of a name.
///
/// @throws std::invalid_argument ggml has no such type.
ggml_type type_named(const std::string& name);

/// Return kernels that multiply by Strassen's algorithm whatever the size of a GEMM.
Kernels with_strassen_always(const Kernels& kernels);

/// Return true if the FastCPU backend has an operation for the last node of a graph.
bool is_supported(const Graph& graph);

/// Compute a graph, whose result has memory or is a view.
///
/// @param kernels Kernels of a target; null for ggml's CPU code.
/// @param cancelled Cancels from the beginning; ggml's code is not cancelled.
/// @throws std::logic_error The progress goes back, or beyond its end.
/// @throws std::runtime_error The graph was not computed.
void compute(const Graph& graph, const Kernels* kernels, int threads, bool cancelled);

}  // namespace gpustack_draw::cpu::tests
