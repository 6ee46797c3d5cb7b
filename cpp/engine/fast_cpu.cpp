#include "engine/fast_cpu.h"

#include <string_view>

#include "cpu/backend.h"

namespace gpustack_draw {

bool is_fast_cpu(ggml_backend_t backend) {
  return std::string_view(ggml_backend_name(backend)) == cpu::device_name;
}

}  // namespace gpustack_draw
