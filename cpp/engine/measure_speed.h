#pragma once

#include <string>

namespace gpustack_draw {

/// Measures the speed of a device with matrix products, for about a tenth of a second.
///
/// @param device Name of the device, in any case.
/// @param threads Threads of a CPU, 1 or more.
/// @return Floating-point operations per second; 0 if the device cannot compute the product.
///
/// @throws std::invalid_argument No device has that name.
/// @throws EngineError Called inside a callback.
double measure_speed(const std::string& device, int threads);

}  // namespace gpustack_draw
