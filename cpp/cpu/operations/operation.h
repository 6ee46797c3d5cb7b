#pragma once

#include "cpu/kernels/kernels.h"
#include "cpu/thread_pool.h"
#include "ggml.h"

namespace gpustack_draw::cpu {

/// Computes a range of an operation: output[begin, end), which depends only on the same range of
/// sources of the same shape.
struct RangeFunction {
  /// Return the number that `begin` and `end` are multiples of, or 0 if the node has no ranges.
  std::int64_t (*granularity)(const ggml_tensor& node);
  void (*run)(const ggml_tensor& node, const Kernels& kernels, std::int64_t begin,
              std::int64_t end);
};

/// A ggml operation computed with these kernels; unsupported nodes are left to ggml.
struct Operation {
  bool (*supports)(const ggml_tensor& node);
  void (*run)(const ggml_tensor& node, const Kernels& kernels,
              ThreadPool& pool);  ///< Null if it has ranges only.
  RangeFunction range = {};
};

namespace ops {
extern const Operation gemm;         ///< MUL_MAT
extern const Operation convolution;  ///< CONV_2D
extern const Operation attention;    ///< FLASH_ATTN_EXT
extern const Operation group_norm;   ///< GROUP_NORM
extern const Operation layer_norm;   ///< NORM
extern const Operation rms_norm;     ///< RMS_NORM
extern const Operation add;          ///< ADD
extern const Operation multiply;     ///< MUL
extern const Operation scale;        ///< SCALE
extern const Operation leaky_relu;   ///< LEAKY_RELU
extern const Operation activation;   ///< UNARY
extern const Operation copy;         ///< CONT, CPY, DUP
extern const Operation repeat;       ///< REPEAT
extern const Operation concat;       ///< CONCAT
extern const Operation upsample;     ///< UPSCALE
extern const Operation pad;          ///< PAD
}  // namespace ops

/// Return the implementation of a ggml operation, or null.
const Operation* find_operation(ggml_op op);

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

inline float* floats(const ggml_tensor& tensor) { return static_cast<float*>(tensor.data); }

/// Address of a row, by its indices in dimensions 1 to 3.
inline char* row_of(const ggml_tensor& tensor, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
  return static_cast<char*>(tensor.data) + i1 * static_cast<std::int64_t>(tensor.nb[1]) +
         i2 * static_cast<std::int64_t>(tensor.nb[2]) +
         i3 * static_cast<std::int64_t>(tensor.nb[3]);
}

/// Address of a row of f32.
inline const float* floats_at(const ggml_tensor& tensor, std::int64_t i1, std::int64_t i2,
                              std::int64_t i3) {
  return reinterpret_cast<const float*>(row_of(tensor, i1, i2, i3));
}

/// True if two tensors overlap in memory.
inline bool overlap(const ggml_tensor& a, const ggml_tensor& b) {
  const auto* a_begin = static_cast<const char*>(a.data);
  const auto* b_begin = static_cast<const char*>(b.data);
  return a_begin < b_begin + ggml_nbytes(&b) && b_begin < a_begin + ggml_nbytes(&a);
}

/// True for contiguous f32.
inline bool is_plain(const ggml_tensor& tensor) {
  return tensor.type == GGML_TYPE_F32 && ggml_is_contiguous(&tensor);
}

/// True for f32 with contiguous rows.
inline bool has_float_rows(const ggml_tensor& tensor) {
  return tensor.type == GGML_TYPE_F32 && tensor.nb[0] == sizeof(float);
}

/// Return the rows of one plane of a tensor for which has_plain_rows() is true.
Rows rows_of(const ggml_tensor& tensor, std::int64_t i2, std::int64_t i3);

/// True if the numbers of each row are contiguous and can be converted to f32.
bool has_plain_rows(const ggml_tensor& tensor);

}  // namespace gpustack_draw::cpu
