#include "cpu/buffer.h"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

#include "cpu/aligned_memory.h"
#include "cpu/backend.h"
#include "ggml-backend-impl.h"

namespace gpustack_draw::cpu {
namespace {

constexpr std::size_t alignment = 64;

struct Free {
  void operator()(void* memory) const noexcept { std::free(memory); }
};

struct Memory {
  std::unique_ptr<void, Free> begin;
  std::size_t size = 0;
};

Memory allocate(std::size_t size) {
  void* begin = allocate_aligned(size);
  return {std::unique_ptr<void, Free>(begin), size};
}

/// Keeps at most one unused buffer.
class CachedBuffer {
 public:
  /// Return the cached buffer if it is large enough, else a new one. Sampling steps may take the
  /// large buffer of the decoder, so that only one exists; requests below a sixteenth of it may
  /// not, so that it stays available for the steps.
  Memory take(std::size_t size) {
    constexpr std::size_t max_excess = 16;
    const std::scoped_lock lock(mutex_);
    if (cached_.size >= size && cached_.size / max_excess <= size) {
      return std::exchange(cached_, {});
    }
    if (cached_.size < size) {
      cached_ = {};  // the new buffer replaces it
    }
    return allocate(size);
  }

  void keep(Memory memory) {
    const std::scoped_lock lock(mutex_);
    if (memory.size > cached_.size) {
      cached_ = std::move(memory);
    }
  }

  void release() {
    const std::scoped_lock lock(mutex_);
    cached_ = {};
  }

 private:
  std::mutex mutex_;
  Memory cached_;
};

CachedBuffer& cached_buffer() {
  static CachedBuffer memory;
  return memory;
}

void free_buffer(ggml_backend_buffer_t buffer) {
  Memory memory;
  memory.begin.reset(buffer->context);
  memory.size = buffer->size;
  if (buffer->usage == GGML_BACKEND_BUFFER_USAGE_COMPUTE) {
    cached_buffer().keep(std::move(memory));
  }
}

ggml_backend_buffer_t allocate_buffer(ggml_backend_buffer_type_t type, std::size_t size) {
  Memory memory = cached_buffer().take(size);
  if (!memory.begin) {
    return nullptr;
  }
  // A ggml buffer over memory that is owned here.
  ggml_backend_buffer_t buffer = ggml_backend_cpu_buffer_from_ptr(memory.begin.get(), size);
  buffer->buft = type;
  buffer->size = memory.size;
  buffer->context = memory.begin.release();
  buffer->iface.free_buffer = &free_buffer;
  return buffer;
}

}  // namespace

ggml_backend_buffer_type_t buffer_type(ggml_backend_dev_t device) {
  static ggml_backend_buffer_type type = {
      {/*get_name=*/[](ggml_backend_buffer_type_t) { return device_name; },
       /*alloc_buffer=*/&allocate_buffer,
       /*get_alignment=*/[](ggml_backend_buffer_type_t) { return alignment; },
       /*get_max_size=*/nullptr,
       /*get_alloc_size=*/nullptr,
       /*is_host=*/[](ggml_backend_buffer_type_t) { return true; }},
      device,
      nullptr};
  return &type;
}

void release_cached_buffer() { cached_buffer().release(); }

}  // namespace gpustack_draw::cpu
