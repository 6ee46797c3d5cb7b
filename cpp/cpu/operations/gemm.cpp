#include <algorithm>

#include "cpu/operations/block_partition.h"
#include "cpu/operations/operation.h"
#include "cpu/operations/shared_packing.h"
#include "cpu/operations/skinny_gemm.h"
#include "cpu/operations/strassen_gemm.h"

namespace gpustack_draw::cpu {
namespace {

// GEMMs with a single row or few columns are left to ggml, which also reads each weight once.
constexpr std::int64_t min_size = 8;

bool supports(const ggml_tensor& node) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  return input.type == GGML_TYPE_F32 && node.type == GGML_TYPE_F32 && has_plain_rows(weights) &&
         has_plain_rows(input) && ggml_is_contiguous(&node) && node.ne[1] > 1 &&
         node.ne[0] >= min_size && input.ne[0] >= min_size;
}

// ggml: node[row][column] = weights[column] . input[row]. Several planes of the input may share one
// plane of weights.
Gemm of_plane(const ggml_tensor& node, std::int64_t plane, const Kernels& kernels) {
  const ggml_tensor& weights = *node.src[0];
  const ggml_tensor& input = *node.src[1];
  const std::int64_t i2 = plane % node.ne[2];
  const std::int64_t i3 = plane / node.ne[2];
  const Rows a = rows_of(input, i2, i3);
  const Rows b =
      rows_of(weights, i2 / (node.ne[2] / weights.ne[2]), i3 / (node.ne[3] / weights.ne[3]));
  const KBlocking blocking =
      kernels.k_blocking_for(input.ne[0], std::max(a.block_size, b.block_size));
  return {{a, node.ne[1], blocking},
          {b, node.ne[0], blocking},
          reinterpret_cast<float*>(row_of(node, 0, i2, i3)),
          node.ne[0]};
}

void pack_whole_operands(Gemm& gemm, const BlockPartition& blocks, const Kernels& kernels,
                         ThreadPool& pool) {
  const std::int64_t a_size = shared_size(blocks.block_columns(), kernels.packed_a_size(gemm.a));
  const std::int64_t b_size = shared_size(blocks.block_rows(), kernels.packed_b_size(gemm.b));
  Packed* panels = take_shared(a_size + b_size, pool);
  if (a_size > 0) {
    pack_whole_a(gemm.a, panels, kernels, pool);
  }
  if (b_size > 0) {
    pack_whole_b(gemm.b, panels + a_size, kernels, pool);
  }
}

void run_skinny(const ggml_tensor& node, const Kernels& kernels, ThreadPool& pool) {
  const ggml_tensor& input = *node.src[1];
  const std::int64_t input_size = kernels.skinny_input_size(input.ne[0]);
  const std::int64_t planes = node.ne[3] * node.ne[2];
  Packed* inputs = take_shared(planes * node.ne[1] * input_size, pool);
  pool.parallel_for(planes * node.ne[1], [&](std::int64_t row, Workspace&) {
    const std::int64_t plane = row / node.ne[1];
    kernels.pack_skinny_input(
        floats_at(input, row % node.ne[1], plane % node.ne[2], plane / node.ne[2]), input.ne[0],
        inputs + row * input_size);
  });
  run_skinny_gemm(planes, node.ne[0], kernels, pool, [&](std::int64_t plane) {
    const Gemm gemm = of_plane(node, plane, kernels);
    return SkinnyGemm{gemm.b.rows,       inputs + plane * node.ne[1] * input_size,
                      node.ne[1],        input.ne[0],
                      gemm.output,       1,
                      gemm.output_stride};
  });
}

void run_in_blocks(const ggml_tensor& node, const Kernels& kernels, ThreadPool& pool) {
  const BlockPartition blocks(node.ne[1], node.ne[0], kernels, pool.threads(), kernels.gemm_limits);
  const std::int64_t planes = node.ne[3] * node.ne[2];
  Gemm first = of_plane(node, 0, kernels);
  if (kernels.packs_whole_operands && planes == 1) {
    pack_whole_operands(first, blocks, kernels, pool);
  }
  pool.parallel_for(planes * blocks.count(), [&](std::int64_t task, Workspace& workspace) {
    const std::int64_t plane = task / blocks.count();
    kernels.gemm(plane == 0 ? first : of_plane(node, plane, kernels),
                 blocks.at(task % blocks.count()), workspace);
  });
}

// Packs rows [begin, end) of all planes in int8, and multiplies them.
void run_rows_in_int8(const ggml_tensor& node, std::int64_t begin, std::int64_t end,
                      const Kernels& kernels, ThreadPool& pool) {
  const Int8Kernels& int8 = *kernels.int8;
  const ggml_tensor& input = *node.src[1];
  const Format format = rows_of(*node.src[0], 0, 0).format;
  const std::int64_t rows = end - begin;
  const std::int64_t plane_size =
      ceil_div(rows, int8.mr) * int8.mr * int8.input_size(format, input.ne[0]);
  const std::int64_t planes = node.ne[3] * node.ne[2];
  Packed* inputs = take_shared(planes * plane_size, pool);
  pool.parallel_for(planes * rows, [&](std::int64_t task, Workspace&) {
    const std::int64_t plane = task / rows;
    const std::int64_t row = task % rows;
    int8.pack_input(format, floats_at(input, begin + row, plane % node.ne[2], plane / node.ne[2]),
                    input.ne[0], row, inputs + plane * plane_size);
  });
  const BlockPartition blocks(rows, node.ne[0], int8, pool.threads(), int8.limits);
  pool.parallel_for(planes * blocks.count(), [&](std::int64_t task, Workspace& workspace) {
    const std::int64_t plane = task / blocks.count();
    const Gemm gemm = of_plane(node, plane, kernels);
    int8.gemm({gemm.b.rows, inputs + plane * plane_size, input.ne[0],
               gemm.output + begin * gemm.output_stride, gemm.output_stride},
              blocks.at(task % blocks.count()), workspace);
  });
}

// In passes of equal size, so that packed inputs never take much more than max_shared_size.
void run_in_int8(const ggml_tensor& node, const Kernels& kernels, ThreadPool& pool) {
  const Format format = rows_of(*node.src[0], 0, 0).format;
  const std::int64_t row_size =
      node.ne[3] * node.ne[2] * kernels.int8->input_size(format, node.src[1]->ne[0]);
  const std::int64_t rows = node.ne[1];
  const std::int64_t passes = ceil_div(rows, std::max<std::int64_t>(1, max_shared_size / row_size));
  for (std::int64_t pass = 0; pass < passes; ++pass) {
    run_rows_in_int8(node, pass * rows / passes, (pass + 1) * rows / passes, kernels, pool);
  }
}

void run_packed(const ggml_tensor& node, const Kernels& kernels, ThreadPool& pool) {
  const Gemm gemm = of_plane(node, 0, kernels);
  if (node.ne[2] * node.ne[3] == 1 && suits_strassen(gemm, kernels)) {
    run_strassen_gemm(gemm, kernels, pool);
  } else {
    run_in_blocks(node, kernels, pool);
  }
}

// Planes whose rows follow each other and share one plane of weights are rows of one plane.
void join_planes(ggml_tensor& node, ggml_tensor& input) {
  const bool is_joined = node.src[0]->ne[2] * node.src[0]->ne[3] == 1 &&
                         input.nb[2] == static_cast<std::size_t>(input.ne[1]) * input.nb[1] &&
                         input.nb[3] == static_cast<std::size_t>(input.ne[2]) * input.nb[2];
  if (is_joined) {
    node.ne[1] = input.ne[1] = ggml_nrows(&input);
    node.ne[2] = input.ne[2] = node.ne[3] = input.ne[3] = 1;
  }
}

void run_joined(const ggml_tensor& node, const Kernels& kernels, ThreadPool& pool) {
  if (kernels.int8 != nullptr && kernels.int8->supports(rows_of(*node.src[0], 0, 0).format)) {
    run_in_int8(node, kernels, pool);
  } else if (node.ne[1] > kernels.max_skinny_columns(node.src[1]->ne[0])) {
    run_packed(node, kernels, pool);
  } else {
    run_skinny(node, kernels, pool);
  }
}

void run(const ggml_tensor& node, const Kernels& kernels, ThreadPool& pool) {
  ggml_tensor joined = node;
  ggml_tensor input = *node.src[1];
  joined.src[1] = &input;
  join_planes(joined, input);
  run_joined(joined, kernels, pool);
}

}  // namespace

const Operation ops::gemm{&supports, &run};

}  // namespace gpustack_draw::cpu
