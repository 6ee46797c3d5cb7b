#include "cpu/backend.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "cpu/buffer.h"
#include "cpu/graph.h"
#include "cpu/kernels/kernels.h"
#include "cpu/operations/operation.h"
#include "ggml-backend-impl.h"
#include "ggml-cpu.h"

namespace gpustack_draw::cpu {
namespace {

std::function<bool()>& cancellation() {
  static std::function<bool()> is_cancelled;
  return is_cancelled;
}

const Kernels* selected_kernels() {
  const char* name = std::getenv("GPUSTACK_DRAW_CPU");
  return name != nullptr ? kernels_named(name) : best_kernels();
}

// The kernels with int8 products, if GPUSTACK_DRAW_CPU_PRECISION allows them.
Kernels with_precision(const Kernels& target) {
  Kernels kernels = target;
  const char* name = std::getenv("GPUSTACK_DRAW_CPU_PRECISION");
  const std::string precision = name != nullptr ? name : "";
  if (precision != "float") {
    kernels.int8 = int8_kernels_for(target, /*always=*/precision == "int8");
  }
  return kernels;
}

std::function<void(double)>& progress() {
  static std::function<void(double)> on_progress;
  return on_progress;
}

bool& must_multiply_in_f32() {
  static bool must = false;
  return must;
}

// ggml's device for the same CPU, which reports its name and memory.
ggml_backend_dev_t ggml_cpu_device() { return ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0); }

GraphExecutor& executor_of(ggml_backend_t backend) {
  return *static_cast<GraphExecutor*>(backend->context);
}

ggml_status compute(ggml_backend_t backend, ggml_cgraph* graph) {
  try {
    return executor_of(backend).compute(*graph);
  } catch (const std::bad_alloc&) {
    return GGML_STATUS_ALLOC_FAILED;
  }
}

void set_threads(ggml_backend_t backend, int threads) { executor_of(backend).use_threads(threads); }

ggml_backend_t make_backend(ggml_backend_dev_t device, const char* /*params*/) {
  static ggml_guid guid = {0x67, 0x70, 0x75, 0x2d, 0x64, 0x72, 0x61, 0x77,
                           0x2d, 0x63, 0x70, 0x75, 0x00, 0x00, 0x00, 0x01};
  ggml_backend_i iface{};
  iface.get_name = [](ggml_backend_t) { return device_name; };
  iface.free = [](ggml_backend_t backend) {
    const std::unique_ptr<GraphExecutor> computer(&executor_of(backend));
    const std::unique_ptr<ggml_backend> itself(backend);
  };
  iface.graph_compute = &compute;
  const Kernels& selected = *selected_kernels();
  auto computer = std::make_unique<GraphExecutor>(
      must_multiply_in_f32() ? f32_kernels(selected) : with_precision(selected),
      GGML_DEFAULT_N_THREADS, cancellation(), progress());
  return std::make_unique<ggml_backend>(ggml_backend{&guid, iface, device, computer.release()})
      .release();
}

void properties(ggml_backend_dev_t device, ggml_backend_dev_props* props) {
  ggml_backend_dev_get_props(ggml_cpu_device(), props);
  props->name = ggml_backend_dev_name(device);
  props->description = ggml_backend_dev_description(device);
  props->caps.buffer_from_host_ptr = false;
}

const char* description(ggml_backend_dev_t /*device*/) {
  static const std::string text = std::string(ggml_backend_dev_description(ggml_cpu_device())) +
                                  ", " + selected_kernels()->name;
  return text.c_str();
}

ggml_backend_device_i device_interface() {
  ggml_backend_device_i iface{};
  iface.get_name = [](ggml_backend_dev_t) { return device_name; };
  iface.get_description = &description;
  iface.get_memory = [](ggml_backend_dev_t, std::size_t* free, std::size_t* total) {
    ggml_backend_dev_memory(ggml_cpu_device(), free, total);
  };
  iface.get_type = [](ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_CPU; };
  iface.get_props = &properties;
  iface.init_backend = &make_backend;
  iface.get_buffer_type = &buffer_type;
  iface.supports_op = [](ggml_backend_dev_t, const ggml_tensor* node) {
    // The library computes the scores itself where attention without them is not supported.
    const Operation* attention =
        node->op == GGML_OP_FLASH_ATTN_EXT ? find_operation(node->op) : nullptr;
    return (attention == nullptr || attention->supports(*node)) &&
           ggml_backend_dev_supports_op(ggml_cpu_device(), node);
  };
  iface.supports_buft = [](ggml_backend_dev_t, ggml_backend_buffer_type_t type) {
    return ggml_backend_buft_is_host(type);
  };
  return iface;
}

ggml_backend_dev_t device() {
  static ggml_backend_device fast_cpu_device = {device_interface(), fast_cpu(), nullptr};
  return &fast_cpu_device;
}

// The library looks up the function that sets the number of threads by this name.
void* find_function(ggml_backend_reg_t /*backend*/, const char* name) {
  return std::strcmp(name, "ggml_backend_set_n_threads") == 0
             ? reinterpret_cast<void*>(&set_threads)
             : nullptr;
}

}  // namespace

ggml_backend_reg_t fast_cpu() {
  static ggml_backend_reg backend = {
      GGML_BACKEND_API_VERSION,
      {/*get_name=*/[](ggml_backend_reg_t) { return device_name; },
       /*get_device_count=*/[](ggml_backend_reg_t) { return std::size_t{1}; },
       /*get_device=*/[](ggml_backend_reg_t, std::size_t) { return device(); },
       /*get_proc_address=*/&find_function},
      nullptr};
  return selected_kernels() != nullptr ? &backend : nullptr;
}

ScopedCancellation::ScopedCancellation(std::function<bool()> is_cancelled) {
  cancellation() = std::move(is_cancelled);
}

ScopedCancellation::~ScopedCancellation() { cancellation() = nullptr; }

ScopedProgress::ScopedProgress(std::function<void(double)> on_progress) {
  progress() = std::move(on_progress);
}

ScopedProgress::~ScopedProgress() { progress() = nullptr; }

ScopedF32::ScopedF32() { must_multiply_in_f32() = true; }

ScopedF32::~ScopedF32() { must_multiply_in_f32() = false; }

void release_cached_memory() { release_cached_buffer(); }

}  // namespace gpustack_draw::cpu
