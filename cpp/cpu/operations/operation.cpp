#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {

const Operation* find_operation(ggml_op op) {
  switch (op) {
    case GGML_OP_MUL_MAT:
      return &ops::gemm;
    case GGML_OP_CONV_2D:
      return &ops::convolution;
    case GGML_OP_FLASH_ATTN_EXT:
      return &ops::attention;
    case GGML_OP_GROUP_NORM:
      return &ops::group_norm;
    case GGML_OP_NORM:
      return &ops::layer_norm;
    case GGML_OP_RMS_NORM:
      return &ops::rms_norm;
    case GGML_OP_ADD:
      return &ops::add;
    case GGML_OP_MUL:
      return &ops::multiply;
    case GGML_OP_SCALE:
      return &ops::scale;
    case GGML_OP_LEAKY_RELU:
      return &ops::leaky_relu;
    case GGML_OP_UNARY:
      return &ops::activation;
    case GGML_OP_CONT:
    case GGML_OP_CPY:
    case GGML_OP_DUP:
      return &ops::copy;
    case GGML_OP_REPEAT:
      return &ops::repeat;
    case GGML_OP_CONCAT:
      return &ops::concat;
    case GGML_OP_UPSCALE:
      return &ops::upsample;
    case GGML_OP_PAD:
      return &ops::pad;
    default:
      return nullptr;
  }
}

namespace {

Format format_of(ggml_type type) {
  switch (type) {
    case GGML_TYPE_F32:
      return Format::f32;
    case GGML_TYPE_F16:
      return Format::f16;
    case GGML_TYPE_BF16:
      return Format::bf16;
    case GGML_TYPE_Q8_0:
      return Format::q8_0;
    case GGML_TYPE_Q4_0:
      return Format::q4_0;
    case GGML_TYPE_Q4_1:
      return Format::q4_1;
    case GGML_TYPE_Q5_0:
      return Format::q5_0;
    case GGML_TYPE_Q5_1:
      return Format::q5_1;
    case GGML_TYPE_Q2_K:
      return Format::q2_k;
    case GGML_TYPE_Q3_K:
      return Format::q3_k;
    case GGML_TYPE_Q4_K:
      return Format::q4_k;
    case GGML_TYPE_Q5_K:
      return Format::q5_k;
    case GGML_TYPE_Q6_K:
      return Format::q6_k;
    default:
      return Format::other;
  }
}

}  // namespace

bool has_plain_rows(const ggml_tensor& tensor) {
  return tensor.nb[0] == ggml_type_size(tensor.type) &&
         (tensor.type == GGML_TYPE_F32 || ggml_get_type_traits(tensor.type)->to_float != nullptr);
}

Rows rows_of(const ggml_tensor& tensor, std::int64_t i2, std::int64_t i3) {
  Rows rows{row_of(tensor, 0, i2, i3), static_cast<std::int64_t>(tensor.nb[1])};
  rows.format = format_of(tensor.type);
  rows.dequantize = ggml_get_type_traits(tensor.type)->to_float;
  rows.block_size = ggml_blck_size(tensor.type);
  rows.block_bytes = static_cast<std::int64_t>(ggml_type_size(tensor.type));
  return rows;
}

}  // namespace gpustack_draw::cpu
