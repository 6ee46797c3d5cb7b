#include "engine/threads.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#ifdef __linux__
#include <sched.h>
#else
#include "stable-diffusion.h"
#endif

namespace gpustack_draw {

int usable_cores() {
#ifdef __linux__
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    std::set<std::string> cores;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed)) {
        continue;
      }
      // Hyper-threads of one core list the same siblings. Without /sys each CPU counts as a core.
      std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                         "/topology/thread_siblings_list");
      std::string siblings;
      cores.insert(std::getline(file, siblings) ? siblings : std::to_string(cpu));
    }
    return std::max(1, static_cast<int>(cores.size()));
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#else
  return std::max(1, static_cast<int>(sd_get_num_physical_cores()));
#endif
}

}  // namespace gpustack_draw
