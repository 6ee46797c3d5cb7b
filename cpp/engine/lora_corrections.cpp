#include "engine/lora_corrections.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

namespace gpustack_draw {
namespace {

constexpr std::string_view alpha_ending = ".alpha";
constexpr int max_parts = 8;

bool ends_with(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

const TensorStorage* find(const String2TensorStorage& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  return found == tensors.end() ? nullptr : &found->second;
}

TensorStorage matrix(std::string name, std::int64_t columns, std::int64_t rows) {
  const std::array<std::int64_t, 2> sides = {columns, rows};
  return {std::move(name), GGML_TYPE_F32, sides.data(), 2, 0};
}

bool is_matrix(const TensorStorage* tensor) { return tensor != nullptr && tensor->n_dims == 2; }

// The slowest dimension of a factor.
std::int64_t rank_of(const TensorStorage& factor) {
  return factor.n_dims == 0 ? 1 : factor.ne[factor.n_dims - 1];
}

// The rank by which the library divides: it forgets trailing dimensions of 1.
std::int64_t rank_of_library(const TensorStorage& factor) {
  int last = factor.n_dims - 1;
  while (last > 0 && factor.ne[last] == 1) {
    --last;
  }
  return factor.ne[std::max(last, 0)];
}

// Returns the factor whose slowest dimension the library takes as the rank; null if there is none.
const TensorStorage* rank_factor(const String2TensorStorage& tensors, const std::string& module) {
  for (const char* name : {".lora_down", ".hada_w1_b", ".lokr_w2_b", ".lokr_w1_b"}) {
    if (const TensorStorage* factor = find(tensors, module + name)) {
      return factor;
    }
  }
  return nullptr;
}

std::map<std::string, float> corrected_alphas(const String2TensorStorage& tensors) {
  std::map<std::string, float> factors;
  for (const auto& [name, unused] : tensors) {
    if (!ends_with(name, alpha_ending)) {
      continue;
    }
    const std::string module = name.substr(0, name.size() - alpha_ending.size());
    const TensorStorage* factor = rank_factor(tensors, module);
    if (factor != nullptr && rank_of(*factor) != rank_of_library(*factor)) {
      factors[name] = static_cast<float>(rank_of_library(*factor)) /
                      static_cast<float>(std::max<std::int64_t>(rank_of(*factor), 1));
    }
  }
  return factors;
}

std::string part_name(const std::string& fused, int part) {
  return part == 0 ? fused : fused + '.' + std::to_string(part);
}

// Numbers of the parts of each fused matrix: "qkv.weight", "qkv.weight.1" and "qkv.weight.2" are
// the parts 0, 1 and 2 of "qkv.weight".
std::map<std::string, std::set<int>> parts_by_matrix(const String2TensorStorage& tensors) {
  constexpr std::string_view ending = ".lora_down";
  constexpr std::string_view weight = ".weight";
  std::map<std::string, std::set<int>> parts;
  for (const auto& [name, tensor] : tensors) {
    if (!ends_with(name, ending) || !is_matrix(&tensor)) {
      continue;
    }
    std::string module = name.substr(0, name.size() - ending.size());
    int part = 0;
    const std::size_t dot = module.size() < 2 ? 0 : module.size() - 2;
    if (module[dot] == '.' && module[dot + 1] > '0' && module[dot + 1] < '0' + max_parts) {
      part = module[dot + 1] - '0';
      module.resize(dot);
    }
    if (ends_with(module, weight)) {
      parts[module].insert(part);
    }
  }
  return parts;
}

// Adds zeros for missing parts between others. All parts that can be missing are queries, keys and
// values, which have as many rows as columns.
void add_missing_parts(std::vector<AddedTensor>& added, const String2TensorStorage& tensors) {
  for (const auto& [fused, parts] : parts_by_matrix(tensors)) {
    for (int part = 0; part < *parts.rbegin(); ++part) {
      if (parts.count(part) != 0) {
        continue;
      }
      const TensorStorage* known = find(tensors, part_name(fused, *parts.begin()) + ".lora_down");
      const std::string module = part_name(fused, part);
      AddedTensor down;
      down.storage = matrix(module + ".lora_down", known->ne[0], 1);
      down.replaced = -1;
      AddedTensor up;
      up.storage = matrix(module + ".lora_up", 1, known->ne[0]);
      up.replaced = -1;
      added.push_back(std::move(down));
      added.push_back(std::move(up));
    }
  }
}

// Returns false for the convolutions of UNets, whose LoKr the library applies rightly.
bool is_linear(const std::string& module, SDVersion version) {
  if (!sd_version_is_unet(version) || module.find("diffusion_model.") == std::string::npos) {
    return true;
  }
  constexpr std::array<std::string_view, 6> linear = {".attn1.",      ".attn2.",     ".ff.net.",
                                                      ".emb_layers.", "time_embed.", "label_emb."};
  const bool is_projection = module.find(".proj_in.") != std::string::npos ||
                             module.find(".proj_out.") != std::string::npos;
  return (is_projection && !sd_version_is_sd1(version)) ||
         std::any_of(linear.begin(), linear.end(),
                     [&](std::string_view part) { return module.find(part) != std::string::npos; });
}

// Adds the product of the factors of a LoKr's matrix, "lokr_w1" or "lokr_w2".
void add_product(std::vector<AddedTensor>& added, const String2TensorStorage& tensors,
                 const std::string& name, const std::string& alpha) {
  const TensorStorage* left = find(tensors, name + "_a");
  const TensorStorage* right = find(tensors, name + "_b");
  if (!is_matrix(left) || !is_matrix(right) || left->ne[0] != right->ne[1]) {
    return;
  }
  AddedTensor product;
  product.storage = matrix(name, right->ne[0], left->ne[1]);
  product.left = left->name;
  product.right = right->name;
  product.alpha = alpha;
  product.replaced = 1;
  added.push_back(std::move(product));
}

void add_lokr_products(std::vector<AddedTensor>& added, const String2TensorStorage& tensors,
                       SDVersion version) {
  constexpr std::string_view first = ".lokr_w1_a";
  constexpr std::string_view second = ".lokr_w2_a";
  std::set<std::string> modules;
  for (const auto& [name, unused] : tensors) {
    if (ends_with(name, first) || ends_with(name, second)) {
      modules.insert(name.substr(0, name.size() - first.size()));
    }
  }
  for (const std::string& module : modules) {
    if (!is_linear(module, version)) {
      continue;
    }
    // The library applies alpha to factors only, so it goes into one of the products.
    const std::string alpha = find(tensors, module + std::string(alpha_ending)) != nullptr
                                  ? module + std::string(alpha_ending)
                                  : "";
    const bool has_second = find(tensors, module + std::string(second)) != nullptr;
    add_product(added, tensors, module + ".lokr_w2", alpha);
    add_product(added, tensors, module + ".lokr_w1", has_second ? "" : alpha);
  }
}

}  // namespace

LoraCorrections lora_corrections(const String2TensorStorage& tensors, SDVersion version) {
  LoraCorrections corrections;
  corrections.alphas = corrected_alphas(tensors);
  add_missing_parts(corrections.added, tensors);
  add_lokr_products(corrections.added, tensors, version);
  return corrections;
}

}  // namespace gpustack_draw
