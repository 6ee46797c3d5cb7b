#pragma once

namespace gpustack_draw {

/// Physical cores this process may run on (its CPU affinity, one thread a core), at least 1.
/// More threads than that make drawing slower, not faster.
int usable_cores();

}  // namespace gpustack_draw
