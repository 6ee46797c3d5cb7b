/* Replaces ggml_backend_graph_compute() in a measuring build: graphs are built and their buffers
 * reserved, but nothing is computed, so that large pictures take no time. Link with
 * -Wl,--wrap=ggml_backend_graph_compute,--wrap=ggml_aligned_malloc,--wrap=ggml_aligned_free */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "ggml-backend.h"
#include "ggml.h"

enum ggml_status __wrap_ggml_backend_graph_compute(ggml_backend_t backend,
                                                   struct ggml_cgraph* graph) {
  (void)backend;
  /* Numbers that were never computed may be NaN, which the engine refuses. */
  struct ggml_tensor* result = ggml_graph_get_tensor(graph, "ggml_runner_final_result_tensor");
  if (result != NULL && ggml_is_contiguous(result)) {
    ggml_backend_tensor_memset(result, 0, 0, ggml_nbytes(result));
  }
  return GGML_STATUS_SUCCESS;
}

/* Buffers may exceed the memory of the machine, since nobody writes to them. */
void* __wrap_ggml_aligned_malloc(size_t size) {
  void* memory = mmap(NULL, size > 0 ? size : 1, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

void __wrap_ggml_aligned_free(void* memory, size_t size) {
  if (memory != NULL) {
    munmap(memory, size > 0 ? size : 1);
  }
}
