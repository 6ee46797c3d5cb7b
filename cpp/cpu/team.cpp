#include "cpu/team.h"

#include <omp.h>

namespace gpustack_draw::cpu {

std::size_t Team::thread_number() noexcept {
  return static_cast<std::size_t>(omp_get_thread_num());
}

}  // namespace gpustack_draw::cpu
