#include "compute.h"

#include <functional>
#include <memory>
#include <stdexcept>

#include "cpu/graph.h"
#include "cpu/operations/operation.h"
#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"

namespace gpustack_draw::cpu::tests {
namespace {

struct FreeAllocator {
  void operator()(ggml_gallocr_t allocator) const noexcept { ggml_gallocr_free(allocator); }
};

struct FreeBackend {
  void operator()(ggml_backend_t backend) const noexcept { ggml_backend_free(backend); }
};

ggml_status compute_with_ggml(ggml_cgraph& graph, int threads) {
  const std::unique_ptr<ggml_backend, FreeBackend> backend(ggml_backend_cpu_init());
  ggml_backend_cpu_set_n_threads(backend.get(), threads);
  return ggml_backend_graph_compute(backend.get(), &graph);
}

ggml_status compute_with_kernels(const Kernels& kernels, ggml_cgraph& graph, int threads,
                                 bool cancelled) {
  const std::function<bool()> is_cancelled = [=] { return cancelled; };
  double done = 0;
  const std::function<void(double)> on_progress = [&](double now) {
    if (now < done || now > 1) {
      throw std::logic_error("the progress of a graph goes back, or beyond its end");
    }
    done = now;
  };
  return GraphExecutor(kernels, threads, is_cancelled, on_progress).compute(graph);
}

}  // namespace

ggml_type type_named(const std::string& name) {
  for (int type = 0; type < GGML_TYPE_COUNT; ++type) {
    const char* type_name = ggml_type_name(static_cast<ggml_type>(type));
    if (type_name != nullptr && name == type_name) {
      return static_cast<ggml_type>(type);
    }
  }
  throw std::invalid_argument("ggml has no type '" + name + "'");
}

Kernels with_strassen_always(const Kernels& kernels) {
  static StrassenKernels strassen;
  strassen = *kernels.strassen;
  strassen.min_rows = strassen.min_columns = strassen.min_k = 0;
  Kernels always = kernels;
  always.strassen = &strassen;
  return always;
}

bool is_supported(const Graph& graph) {
  const Operation* operation = find_operation(graph.result().op);
  return operation != nullptr && operation->supports(graph.result());
}

void compute(const Graph& graph, const Kernels* kernels, int threads, bool cancelled) {
  const std::unique_ptr<ggml_gallocr, FreeAllocator> allocator(
      ggml_gallocr_new(ggml_backend_cpu_buffer_type()));
  ggml_gallocr_alloc_graph(allocator.get(), &graph.graph());  // intermediate results
  const ggml_status status =
      kernels == nullptr ? compute_with_ggml(graph.graph(), threads)
                         : compute_with_kernels(*kernels, graph.graph(), threads, cancelled);
  if (status != GGML_STATUS_SUCCESS) {
    throw std::runtime_error(ggml_status_to_string(status));
  }
}

}  // namespace gpustack_draw::cpu::tests
