// A GPU backend for tests: ggml's CPU code under the name and the type of a GPU, so that a picture
// is drawn through a loaded library on every machine.

#include "engine/backend_interface.h"
#include "ggml-backend-impl.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"

namespace {

ggml_backend_device gpu;

const char* name(ggml_backend_dev_t /*device*/) { return "Loaded0"; }
enum ggml_backend_dev_type type(ggml_backend_dev_t /*device*/) {
  return GGML_BACKEND_DEVICE_TYPE_GPU;
}

ggml_backend_dev_t cpu() { return ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0); }

void properties(ggml_backend_dev_t /*device*/, ggml_backend_dev_props* found) {
  cpu()->iface.get_props(cpu(), found);
  found->name = name(&gpu);
  found->type = GGML_BACKEND_DEVICE_TYPE_GPU;
}

ggml_backend_t start(ggml_backend_dev_t /*device*/, const char* parameters) {
  GGML_LOG_WARN("the loaded backend starts\n");
  ggml_backend_t backend = cpu()->iface.init_backend(cpu(), parameters);
  backend->device = &gpu;
  return backend;
}

const char* backend_name(ggml_backend_reg_t /*backend*/) { return "Loaded"; }
std::size_t device_count(ggml_backend_reg_t /*backend*/) { return 1; }
ggml_backend_dev_t device(ggml_backend_reg_t /*backend*/, std::size_t /*index*/) { return &gpu; }

ggml_backend_reg_t backend() {
  static ggml_backend_reg loaded = {
      GGML_BACKEND_API_VERSION, {backend_name, device_count, device, nullptr}, nullptr};
  GGML_LOG_INFO("one device was found\n");
  gpu = *cpu();
  gpu.iface.get_name = name;
  gpu.iface.get_type = type;
  gpu.iface.get_props = properties;
  gpu.iface.init_backend = start;
  gpu.reg = &loaded;
  return &loaded;
}

}  // namespace

extern "C" __attribute__((visibility("default")))
const gpustack_draw::BackendInterface GPUSTACK_DRAW_BACKEND_SYMBOL;
const gpustack_draw::BackendInterface GPUSTACK_DRAW_BACKEND_SYMBOL = {ABI, &backend, &ggml_log_set,
                                                                      "matrix cores, bf16"};
