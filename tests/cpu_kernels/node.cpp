#include "node.h"

#include <functional>
#include <map>
#include <stdexcept>

namespace gpustack_draw::cpu::tests {
namespace {

using Tensors = std::vector<ggml_tensor*>;
using Numbers = std::vector<float>;
using Make = std::function<ggml_tensor*(ggml_context*, const Tensors&, const Numbers&)>;

ggml_tensor* tensor_over(ggml_context* context, const Source& source) {
  ggml_tensor* tensor = ggml_new_tensor(context, source.type, static_cast<int>(source.sizes.size()),
                                        source.sizes.data());
  for (std::size_t i = 0; i < source.sizes.size(); ++i) {
    tensor->nb[i] = source.strides[i];
  }
  for (std::size_t i = source.sizes.size(); i < GGML_MAX_DIMS; ++i) {
    tensor->nb[i] = tensor->nb[i - 1] * static_cast<std::size_t>(tensor->ne[i - 1]);
  }
  tensor->data = source.data;
  return tensor;
}

int whole(float number) { return static_cast<int>(number); }

// A program of elementwise operations on square pictures: `numbers` are triples of (operation,
// first operand, second operand), where operands are earlier results.
ggml_tensor* elementwise_program(ggml_context* c, const Tensors& t, const Numbers& numbers) {
  // Computed as well, so that their memory can be reused once they were read.
  const auto channels = [&] { return ggml_scale(c, t[1], 2); };  // [1, 1, channels]
  const auto row = [&] { return ggml_scale(c, t[2], 3); };
  Tensors done = {t[0]};
  for (std::size_t i = 0; i + 2 < numbers.size(); i += 3) {
    ggml_tensor*& a = done.at(static_cast<std::size_t>(numbers[i + 1]) % done.size());
    ggml_tensor* b = done.at(static_cast<std::size_t>(numbers[i + 2]) % done.size());
    switch (whole(numbers[i])) {
      case 0:
        done.push_back(ggml_add(c, a, b));
        break;
      case 1:
        done.push_back(ggml_tanh(c, ggml_mul(c, a, b)));
        break;
      case 2:
        done.push_back(ggml_silu(c, a));
        break;
      case 3:  // in place: the old value is not read again
        a = ggml_relu_inplace(c, ggml_scale(c, a, 0.5F));
        break;
      case 4:
        done.push_back(ggml_group_norm(c, a, 3, 0.1F));
        break;
      case 5:
        done.push_back(ggml_norm(c, a, 0.1F));
        break;
      case 6:
        done.push_back(ggml_cont(c, ggml_transpose(c, a)));
        break;
      case 7:
        done.push_back(ggml_add(c, a, channels()));
        break;
      default:
        done.push_back(ggml_mul(c, a, row()));
    }
  }
  return done.back();
}

const std::map<std::string, Make>& operations() {
  static const std::map<std::string, Make> all = {
      {"mul_mat", [](ggml_context* c, const Tensors& t,
                     const Numbers&) { return ggml_mul_mat(c, t[0], t[1]); }},
      {"conv_2d",
       [](ggml_context* c, const Tensors& t, const Numbers& n) {
         return ggml_conv_2d_direct(c, t[0], t[1], whole(n[0]), whole(n[1]), whole(n[2]),
                                    whole(n[3]), whole(n[4]), whole(n[5]));
       }},
      {"flash_attn",
       [](ggml_context* c, const Tensors& t, const Numbers& n) {
         return ggml_flash_attn_ext(c, t[0], t[1], t[2], t.size() > 3 ? t[3] : nullptr, n[0], n[1],
                                    n[2]);
       }},
      {"norm", [](ggml_context* c, const Tensors& t,
                  const Numbers& n) { return ggml_norm(c, t[0], n[0]); }},
      {"rms_norm", [](ggml_context* c, const Tensors& t,
                      const Numbers& n) { return ggml_rms_norm(c, t[0], n[0]); }},
      {"group_norm", [](ggml_context* c, const Tensors& t,
                        const Numbers& n) { return ggml_group_norm(c, t[0], whole(n[0]), n[1]); }},
      {"add",
       [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_add(c, t[0], t[1]); }},
      {"mul",
       [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_mul(c, t[0], t[1]); }},
      {"scale", [](ggml_context* c, const Tensors& t,
                   const Numbers& n) { return ggml_scale_bias(c, t[0], n[0], n[1]); }},
      {"leaky_relu", [](ggml_context* c, const Tensors& t,
                        const Numbers& n) { return ggml_leaky_relu(c, t[0], n[0], false); }},
      {"silu",
       [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_silu(c, t[0]); }},
      {"gelu",
       [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_gelu(c, t[0]); }},
      {"gelu_quick",
       [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_gelu_quick(c, t[0]); }},
      {"relu",
       [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_relu(c, t[0]); }},
      {"sigmoid",
       [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_sigmoid(c, t[0]); }},
      {"tanh",
       [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_tanh(c, t[0]); }},
      {"elu", [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_elu(c, t[0]); }},
      {"cont",
       [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_cont(c, t[0]); }},
      {"dup", [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_dup(c, t[0]); }},
      {"repeat", [](ggml_context* c, const Tensors& t,
                    const Numbers&) { return ggml_repeat(c, t[0], t[1]); }},
      {"concat", [](ggml_context* c, const Tensors& t,
                    const Numbers& n) { return ggml_concat(c, t[0], t[1], whole(n[0])); }},
      {"pad",
       [](ggml_context* c, const Tensors& t, const Numbers& n) {
         return ggml_pad_ext(c, t[0], whole(n[0]), whole(n[1]), whole(n[2]), whole(n[3]),
                             whole(n[4]), whole(n[5]), whole(n[6]), whole(n[7]));
       }},
      {"pad_circular",
       [](ggml_context* c, const Tensors& t, const Numbers& n) {
         return ggml_pad_circular(c, t[0], whole(n[0]), 0, 0, 0);
       }},
      {"interpolate",
       [](ggml_context* c, const Tensors& t, const Numbers& n) {
         return ggml_interpolate(c, t[0], whole(n[0]), whole(n[1]), whole(n[2]), whole(n[3]),
                                 static_cast<std::uint32_t>(whole(n[4])));
       }},
      // Nodes of this backend alternate with nodes left to ggml (elu, sqr), with views in between.
      {"alternating",
       [](ggml_context* c, const Tensors& t, const Numbers&) {
         ggml_tensor* x = ggml_silu(c, ggml_mul_mat(c, t[0], t[1]));
         x = ggml_cont(c, ggml_transpose(c, ggml_elu(c, ggml_sqr(c, x))));
         x = ggml_cont(c, ggml_view_2d(c, x, x->ne[0] / 2, x->ne[1], x->nb[1], 0));
         return ggml_sqr(c, ggml_add(c, x, ggml_scale(c, x, 2)));
       }},
      // A convolution of an upsampled picture, which is read again if n[1] is not 0.
      {"upsampled",
       [](ggml_context* c, const Tensors& t, const Numbers& n) {
         ggml_tensor* x = ggml_upscale(c, ggml_relu(c, t[1]), whole(n[0]), GGML_SCALE_MODE_NEAREST);
         ggml_tensor* y = ggml_conv_2d_direct(c, t[0], x, 1, 1, 1, 1, 1, 1);
         return n[1] == 0 ? y : ggml_add(c, y, x);
       }},
      {"elementwise_program", &elementwise_program},
      {"cpy",
       [](ggml_context* c, const Tensors& t, const Numbers&) { return ggml_cpy(c, t[0], t[1]); }},
  };
  return all;
}

}  // namespace

Graph::Graph(const std::string& operation, const std::vector<Source>& sources,
             const Numbers& numbers)
    : context_(ggml_init({std::size_t{1} << 20, nullptr, /*no_alloc=*/true})),
      result_(nullptr),
      graph_(ggml_new_graph(context_.get())) {
  const auto found = operations().find(operation);
  if (found == operations().end()) {
    throw std::invalid_argument("unknown operation '" + operation + "'");
  }
  Tensors tensors;
  for (const Source& source : sources) {
    tensors.push_back(tensor_over(context_.get(), source));
  }
  result_ = found->second(context_.get(), tensors, numbers);
  ggml_build_forward_expand(graph_, result_);
}

}  // namespace gpustack_draw::cpu::tests
