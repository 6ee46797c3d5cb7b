#include <algorithm>
#include <cstring>

#include "cpu/operations/operation.h"
#include "cpu/operations/rows.h"

namespace gpustack_draw::cpu {
namespace {

float number_in(const ggml_tensor& node, std::size_t place) {
  float number = 0;
  std::memcpy(&number, node.op_params + place, sizeof(number));
  return number;
}

bool takes_contiguous(const ggml_tensor& node) {
  return is_plain(node) && ggml_is_contiguous(node.src[0]);
}

bool takes_rows(const ggml_tensor& node) { return is_plain(node) && has_float_rows(*node.src[0]); }

// Groups of channels; the last one may have fewer.
void run_group_norm(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  const std::int64_t plane = node.ne[0] * node.ne[1];
  const std::int64_t channels = node.ne[2];
  const std::int64_t groups = node.op_params[0];
  const std::int64_t group = divided_up(channels, groups);
  const float epsilon = number_in(node, 1);
  team.run(node.ne[3] * groups, [&](std::int64_t task, Workspace& /*workspace*/) {
    const std::int64_t first = task % groups * group;
    const std::int64_t count = (std::min(channels, first + group) - first) * plane;
    const std::int64_t begin = (task / groups * channels + first) * plane;
    if (count > 0) {
      kernels.normalise(floats(*node.src[0]) + begin, floats(node) + begin, count, epsilon);
    }
  });
}

template <typename Normalise>
void run_rows(const ggml_tensor& node, Team& team, const Normalise& normalise) {
  for_rows(node, team, [&](std::int64_t i, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
    normalise(floats_at(*node.src[0], i1, i2, i3), floats(node) + i * node.ne[0]);
  });
}

void run_layer_norm(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  const float epsilon = number_in(node, 0);
  run_rows(node, team, [&](const float* input, float* output) {
    kernels.normalise(input, output, node.ne[0], epsilon);
  });
}

void run_rms_norm(const ggml_tensor& node, const Kernels& kernels, Team& team) {
  const float epsilon = number_in(node, 0);
  run_rows(node, team, [&](const float* input, float* output) {
    kernels.normalise_rms(input, output, node.ne[0], epsilon);
  });
}

}  // namespace

const Operation group_norm{&takes_contiguous, &run_group_norm};
const Operation layer_norm{&takes_rows, &run_layer_norm};
const Operation rms_norm{&takes_rows, &run_rms_norm};

}  // namespace gpustack_draw::cpu
