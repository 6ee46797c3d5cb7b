#pragma once

#include "cpu/kernels/kernels.h"
#include "cpu/team.h"
#include "ggml.h"

namespace gpustack_draw::cpu {

/// How to do an operation in parts: of the output the numbers from `begin` up to, not including,
/// `end`, for which of sources of its shape no others are read.
struct Parts {
  /// What parts begin and end at multiples of, or 0 where the node can't be done in parts.
  std::int64_t (*unit)(const ggml_tensor& node);
  void (*run)(const ggml_tensor& node, const Kernels& kernels, std::int64_t begin,
              std::int64_t end);
};

/// One of ggml's operations, done with our kernels. What `takes` refuses is left to ggml.
struct Operation {
  bool (*takes)(const ggml_tensor& node);
  void (*run)(const ggml_tensor& node, const Kernels& kernels, Team& team);  ///< Or null, with:
  Parts parts = {};
};

extern const Operation matrix_product;  ///< MUL_MAT
extern const Operation convolution;     ///< CONV_2D
extern const Operation attention;       ///< FLASH_ATTN_EXT
extern const Operation group_norm;      ///< GROUP_NORM
extern const Operation layer_norm;      ///< NORM
extern const Operation rms_norm;        ///< RMS_NORM
extern const Operation addition;        ///< ADD
extern const Operation multiplication;  ///< MUL
extern const Operation scaling;         ///< SCALE
extern const Operation activation;      ///< UNARY
extern const Operation copy;            ///< CONT, CPY, DUP
extern const Operation repetition;      ///< REPEAT
extern const Operation concatenation;   ///< CONCAT
extern const Operation enlargement;     ///< UPSCALE
extern const Operation padding;         ///< PAD

/// What is done for an operation of ggml's, or null.
const Operation* operation_for(ggml_op op);

inline std::int64_t divided_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

inline float* floats(const ggml_tensor& tensor) { return static_cast<float*>(tensor.data); }

/// A place in a tensor, by its indices from the second dimension on.
inline char* row_of(const ggml_tensor& tensor, std::int64_t i1, std::int64_t i2, std::int64_t i3) {
  return static_cast<char*>(tensor.data) + i1 * static_cast<std::int64_t>(tensor.nb[1]) +
         i2 * static_cast<std::int64_t>(tensor.nb[2]) +
         i3 * static_cast<std::int64_t>(tensor.nb[3]);
}

/// The same of a tensor in f32.
inline const float* floats_at(const ggml_tensor& tensor, std::int64_t i1, std::int64_t i2,
                              std::int64_t i3) {
  return reinterpret_cast<const float*>(row_of(tensor, i1, i2, i3));
}

/// Whether two lie in the same memory, if only in part.
inline bool overlap(const ggml_tensor& a, const ggml_tensor& b) {
  const auto* a_begin = static_cast<const char*>(a.data);
  const auto* b_begin = static_cast<const char*>(b.data);
  return a_begin < b_begin + ggml_nbytes(&b) && b_begin < a_begin + ggml_nbytes(&a);
}

/// Whether it is in f32, without gaps.
inline bool is_plain(const ggml_tensor& tensor) {
  return tensor.type == GGML_TYPE_F32 && ggml_is_contiguous(&tensor);
}

/// Whether it is in f32, the numbers of a row side by side.
inline bool has_float_rows(const ggml_tensor& tensor) {
  return tensor.type == GGML_TYPE_F32 && tensor.nb[0] == sizeof(float);
}

/// The rows of a tensor's plane; only rows whose numbers lie side by side can be given.
Rows rows_of(const ggml_tensor& tensor, std::int64_t i2, std::int64_t i3);

/// Whether rows_of() can be used.
bool has_plain_rows(const ggml_tensor& tensor);

}  // namespace gpustack_draw::cpu
