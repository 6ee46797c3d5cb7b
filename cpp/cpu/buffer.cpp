#include "cpu/buffer.h"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "cpu/backend.h"
#include "ggml-backend-impl.h"

namespace gpustack_draw::cpu {
namespace {

constexpr std::size_t huge_page = std::size_t{2} * 1024 * 1024;
constexpr std::size_t alignment = 64;

struct Free {
  void operator()(void* memory) const noexcept { std::free(memory); }
};

struct Memory {
  std::unique_ptr<void, Free> begin;
  std::size_t size = 0;
};

Memory allocate(std::size_t size) {
  const std::size_t unit = size < huge_page ? alignment : huge_page;
  Memory memory;
  memory.size = (size + unit - 1) / unit * unit;
  memory.begin.reset(std::aligned_alloc(unit, memory.size));
#ifdef __linux__
  if (memory.begin && unit == huge_page) {
    madvise(memory.begin.get(), memory.size, MADV_HUGEPAGE);  // a wish: nothing is lost without
  }
#endif
  return memory;
}

/// At most one buffer that nobody uses now.
class KeptMemory {
 public:
  /// The kept buffer, if it fits, else a new one. Steps may have the large one of the decoding, or
  /// both would be there at once; what is tiny beside it may not, or steps would find it taken.
  Memory take(std::size_t size) {
    constexpr std::size_t tiny = 16;
    const std::scoped_lock lock(mutex_);
    if (kept_.size >= size && kept_.size / tiny <= size) {
      return std::exchange(kept_, {});
    }
    if (kept_.size < size) {
      kept_ = {};  // the new one will take its place
    }
    return allocate(size);
  }

  void keep(Memory memory) {
    const std::scoped_lock lock(mutex_);
    if (memory.size > kept_.size) {
      kept_ = std::move(memory);
    }
  }

  void release() {
    const std::scoped_lock lock(mutex_);
    kept_ = {};
  }

 private:
  std::mutex mutex_;
  Memory kept_;
};

KeptMemory& kept_memory() {
  static KeptMemory memory;
  return memory;
}

void free_buffer(ggml_backend_buffer_t buffer) {
  Memory memory;
  memory.begin.reset(buffer->context);
  memory.size = buffer->size;
  if (buffer->usage == GGML_BACKEND_BUFFER_USAGE_COMPUTE) {
    kept_memory().keep(std::move(memory));
  }
}

ggml_backend_buffer_t allocate_buffer(ggml_backend_buffer_type_t type, std::size_t size) {
  Memory memory = kept_memory().take(size);
  if (!memory.begin) {
    return nullptr;
  }
  // Ggml's own buffer over given memory, which we free.
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

void release_kept_buffer() { kept_memory().release(); }

}  // namespace gpustack_draw::cpu
