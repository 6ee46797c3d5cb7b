#include "engine/attention_keys.h"

#include <string_view>

#include "cpu/backend.h"

namespace gpustack_draw {

std::int64_t padded_keys(std::int64_t keys, std::int64_t block, ggml_backend_t backend) {
  const bool takes_any = std::string_view(ggml_backend_name(backend)) == cpu::device_name;
  return takes_any ? keys : (keys + block - 1) / block * block;
}

}  // namespace gpustack_draw
