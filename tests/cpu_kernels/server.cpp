// The program kernel_server: computes ggml nodes for load_kernels.py as the extension of module.cpp
// does, but in a process of its own, which may be another architecture's, emulated.
//
// A request is a line of words on standard input, then the bytes that it announces. The reply is a
// line, "ok" and words or "error" and a message, then bytes likewise.

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <iterator>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "compute.h"
#include "cpu/kernels/kernels.h"
#include "node.h"

namespace gpustack_draw::cpu::tests {
namespace {

using Bytes = std::vector<char>;

template <typename T = std::int64_t>
T next(std::istream& words) {
  T value{};
  if (!(words >> value)) {
    throw std::invalid_argument("a word is missing");
  }
  return value;
}

Bytes read_bytes(std::size_t count) {
  Bytes bytes(count);
  std::cin.read(bytes.data(), static_cast<std::streamsize>(count));
  return bytes;
}

void reply(const std::string& words, const void* bytes = nullptr, std::size_t count = 0) {
  std::cout << "ok " << words << '\n';
  std::cout.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(count));
  std::cout.flush();
}

std::vector<const Kernels*> all_kernels() {
  std::vector<const Kernels*> found;
  for (const char* name : {"neon", "neon_bf16"}) {
    if (const Kernels* kernels = kernels_named(name)) {
      found.push_back(kernels);
    }
  }
  return found;
}

void reply_targets() {
  std::string names;
  for (const Kernels* kernels : all_kernels()) {
    names += std::string(kernels->name) + ' ';
  }
  reply(names + best_kernels()->name);
}

void reply_strassen_targets() {
  std::string names;
  for (const Kernels* kernels : all_kernels()) {
    if (kernels->strassen != nullptr) {
      names += std::string("strassen_") + kernels->name + ' ';
    }
  }
  reply(names);
}

/// A node, its sources and the memory of these.
class Request {
 public:
  /// Words: operation, number of numbers, numbers; number of buffers, bytes of each; number of
  /// sources, then for each its type, buffer, offset, bytes of an item, dimensions, sizes and
  /// strides, fastest first.
  explicit Request(std::istream& words) : operation_(next<std::string>(words)) {
    numbers_.resize(next<std::size_t>(words));
    std::generate(numbers_.begin(), numbers_.end(),
                  [&] { return std::strtof(next<std::string>(words).c_str(), nullptr); });
    std::vector<std::size_t> sizes(next<std::size_t>(words));
    std::generate(sizes.begin(), sizes.end(), [&] { return next<std::size_t>(words); });
    std::transform(sizes.begin(), sizes.end(), std::back_inserter(buffers_), &read_bytes);
    sources_.resize(next<std::size_t>(words));
    for (Source& source : sources_) {
      source.type = type_named(next<std::string>(words));
      const auto buffer = next<std::size_t>(words);
      buffer_of_source_.push_back(buffer);
      source.data = buffers_.at(buffer).data() + next(words);
      const auto item_bytes = next<std::size_t>(words);
      source.sizes.resize(next<std::size_t>(words));
      source.strides.resize(source.sizes.size());
      std::generate(source.sizes.begin(), source.sizes.end(), [&] { return next(words); });
      std::generate(source.strides.begin(), source.strides.end(),
                    [&] { return next<std::size_t>(words); });
      if (item_bytes != ggml_type_size(source.type)) {  // quantized rows are rows of bytes
        source.strides[0] = ggml_type_size(source.type);
        source.sizes[0] = source.sizes[0] / static_cast<std::int64_t>(source.strides[0]) *
                          ggml_blck_size(source.type);
      }
    }
  }

  Graph graph() const { return Graph(operation_, sources_, numbers_); }
  const Source& source(std::size_t i) const { return sources_.at(i); }
  std::size_t source_count() const { return sources_.size(); }
  const Bytes& buffer_of(std::size_t source) const {
    return buffers_.at(buffer_of_source_.at(source));
  }

 private:
  std::string operation_;
  std::vector<float> numbers_;
  std::vector<Bytes> buffers_;
  std::vector<Source> sources_;
  std::vector<std::size_t> buffer_of_source_;
};

void reply_supports(std::istream& words) {
  reply(is_supported(Request(words).graph()) ? "1" : "0");
}

Kernels kernels_of(const std::string& target) {
  for (const Kernels* kernels : all_kernels()) {
    if (kernels->name == target) {
      return *kernels;
    }
    if (kernels->strassen != nullptr && std::string("strassen_") + kernels->name == target) {
      return with_strassen_always(*kernels);
    }
  }
  throw std::invalid_argument("no target '" + target + "' can run here");
}

/// Words: "ggml" or a target, threads, source whose memory the result takes or -1, 1 if cancelled;
/// those of a Request. The reply has the result, or its buffer if it is in the memory of a source.
void reply_compute(std::istream& words) {
  const auto where = next<std::string>(words);
  const auto threads = next<int>(words);
  auto over = next(words);
  const bool cancelled = next(words) != 0;
  const Request request(words);
  const Graph graph = request.graph();
  ggml_tensor& result = graph.result();
  Bytes output;
  if (over >= 0) {
    result.data = request.source(static_cast<std::size_t>(over)).data;
  } else if (result.view_src != nullptr) {
    over = static_cast<std::int64_t>(request.source_count()) - 1;
  } else {
    output.assign(ggml_nbytes(&result), '\xff');  // NaN
    result.data = output.data();
  }
  std::optional<Kernels> kernels;
  if (where != "ggml") {
    kernels = kernels_of(where);
  }
  compute(graph, kernels ? &*kernels : nullptr, threads, cancelled);
  std::ostringstream description;
  description << over << ' ' << ggml_type_name(result.type);
  for (int i = GGML_MAX_DIMS; i-- > 0;) {
    description << ' ' << result.ne[i];
  }
  const Bytes& bytes = over < 0 ? output : request.buffer_of(static_cast<std::size_t>(over));
  description << ' ' << bytes.size();
  reply(description.str(), bytes.data(), bytes.size());
}

/// Words: a type, the length of a row and the number of rows; then the numbers.
void reply_quantize(std::istream& words) {
  const ggml_type type = type_named(next<std::string>(words));
  const auto length = next(words);
  const auto rows = next(words);
  const Bytes numbers = read_bytes(static_cast<std::size_t>(length * rows) * sizeof(float));
  Bytes blocks(ggml_row_size(type, length) * static_cast<std::size_t>(rows));
  ggml_quantize_chunk(type, reinterpret_cast<const float*>(numbers.data()), blocks.data(), 0, rows,
                      length, nullptr);
  reply(std::to_string(blocks.size()), blocks.data(), blocks.size());
}

/// Words: a type and the number of bytes; then these.
void reply_dequantize(std::istream& words) {
  const ggml_type type = type_named(next<std::string>(words));
  const Bytes blocks = read_bytes(next<std::size_t>(words));
  std::vector<float> numbers(blocks.size() / ggml_type_size(type) *
                             static_cast<std::size_t>(ggml_blck_size(type)));
  ggml_get_type_traits(type)->to_float(blocks.data(), numbers.data(),
                                       static_cast<std::int64_t>(numbers.size()));
  reply(std::to_string(numbers.size()), numbers.data(), numbers.size() * sizeof(float));
}

void answer(std::istream& words) {
  const auto request = next<std::string>(words);
  if (request == "targets") {
    reply_targets();
  } else if (request == "strassen_targets") {
    reply_strassen_targets();
  } else if (request == "supports") {
    reply_supports(words);
  } else if (request == "compute") {
    reply_compute(words);
  } else if (request == "quantize") {
    reply_quantize(words);
  } else if (request == "dequantize") {
    reply_dequantize(words);
  } else {
    throw std::invalid_argument("unknown request '" + request + "'");
  }
}

}  // namespace
}  // namespace gpustack_draw::cpu::tests

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    try {
      gpustack_draw::cpu::tests::answer(words);
    } catch (const std::exception& error) {
      std::cout << "error " << error.what() << std::endl;
    }
  }
}
