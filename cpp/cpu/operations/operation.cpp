#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {

const Operation* operation_for(ggml_op op) {
  switch (op) {
    case GGML_OP_MUL_MAT:
      return &matrix_product;
    case GGML_OP_CONV_2D:
      return &convolution;
    case GGML_OP_FLASH_ATTN_EXT:
      return &attention;
    case GGML_OP_GROUP_NORM:
      return &group_norm;
    case GGML_OP_NORM:
      return &layer_norm;
    case GGML_OP_RMS_NORM:
      return &rms_norm;
    case GGML_OP_ADD:
      return &addition;
    case GGML_OP_MUL:
      return &multiplication;
    case GGML_OP_SCALE:
      return &scaling;
    case GGML_OP_UNARY:
      return &activation;
    case GGML_OP_CONT:
    case GGML_OP_CPY:
    case GGML_OP_DUP:
      return &copy;
    case GGML_OP_REPEAT:
      return &repetition;
    case GGML_OP_CONCAT:
      return &concatenation;
    case GGML_OP_UPSCALE:
      return &enlargement;
    case GGML_OP_PAD:
      return &padding;
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
      return Format::blocks;
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
  rows.dequantise = ggml_get_type_traits(tensor.type)->to_float;
  rows.block_numbers = ggml_blck_size(tensor.type);
  rows.block_bytes = static_cast<std::int64_t>(ggml_type_size(tensor.type));
  return rows;
}

}  // namespace gpustack_draw::cpu
