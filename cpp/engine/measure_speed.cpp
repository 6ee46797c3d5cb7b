#include "engine/measure_speed.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <stdexcept>

#include "engine/devices.h"
#include "engine/library_session.h"
#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml.h"

namespace gpustack_draw {
namespace {

// A layer of the width of many models: large enough for the full speed of a CPU, and a tenth of a
// second of a slow one.
constexpr std::int64_t width = 1024;
constexpr std::int64_t tokens = 512;
constexpr double operations = 2.0 * width * width * tokens;
constexpr double measured_seconds = 0.1;
constexpr double shortest_run_seconds = 0.002;  // a GPU needs some microseconds to start and end

struct FreeBackend {
  void operator()(ggml_backend_t backend) const noexcept { ggml_backend_free(backend); }
};
struct FreeContext {
  void operator()(ggml_context* context) const noexcept { ggml_free(context); }
};
struct FreeBuffer {
  void operator()(ggml_backend_buffer_t buffer) const noexcept { ggml_backend_buffer_free(buffer); }
};

void use_threads(ggml_backend_t backend, ggml_backend_dev_t device, int threads) {
  void* function = ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device),
                                                     "ggml_backend_set_n_threads");
  if (function != nullptr) {
    reinterpret_cast<ggml_backend_set_n_threads_t>(function)(backend, threads);
  }
}

// Returns the seconds of a number of products that follow each other.
double seconds_of(ggml_backend_t backend, ggml_cgraph* graph, int products) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < products; ++i) {
    ggml_backend_graph_compute_async(backend, graph);
  }
  ggml_backend_synchronize(backend);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double measure_speed(const std::string& device, int threads) {
  const LibrarySession session(nullptr);  // a drawing at the same time would be measured, too
  list_devices();                         // loads the backends
  ggml_backend_dev_t found = ggml_backend_dev_by_name(device.c_str());
  if (found == nullptr) {
    throw std::invalid_argument("no device named '" + device + "'");
  }
  const std::unique_ptr<ggml_backend, FreeBackend> backend(ggml_backend_dev_init(found, nullptr));
  if (backend == nullptr) {
    return 0;
  }
  use_threads(backend.get(), found, threads);
  const ggml_init_params params{8 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true};
  const std::unique_ptr<ggml_context, FreeContext> context(ggml_init(params));
  ggml_tensor* weight = ggml_new_tensor_2d(context.get(), GGML_TYPE_F16, width, width);
  ggml_tensor* input = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, width, tokens);
  ggml_tensor* product = ggml_mul_mat(context.get(), weight, input);
  ggml_cgraph* graph = ggml_new_graph(context.get());
  ggml_build_forward_expand(graph, product);
  const std::unique_ptr<ggml_backend_buffer, FreeBuffer> buffer(
      ggml_backend_alloc_ctx_tensors(context.get(), backend.get()));
  if (buffer == nullptr || !ggml_backend_supports_op(backend.get(), product)) {
    return 0;
  }
  ggml_backend_buffer_clear(buffer.get(), 0);
  seconds_of(backend.get(), graph, 1);  // starts threads, compiles shaders
  int products = 1;
  double fastest = std::numeric_limits<double>::infinity();
  for (double elapsed = 0; elapsed < measured_seconds;) {
    const double seconds = std::max(seconds_of(backend.get(), graph, products), 1e-9);
    elapsed += seconds;
    fastest = std::min(fastest, seconds / products);  // other programs interrupt the others
    if (seconds < shortest_run_seconds) {
      products *= 2;
    }
  }
  return operations / fastest;
}

}  // namespace gpustack_draw
