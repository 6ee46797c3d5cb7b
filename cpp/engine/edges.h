#pragma once

#include "engine/input_pictures.h"
#include "engine/picture.h"

namespace gpustack_draw {

/// Finds the edges of a picture for a control model: white lines on black, of the same size.
///
/// @throws std::invalid_argument The picture has no pixels, or another number of samples than RGB.
Picture find_edges(const InputPicture& picture);

}  // namespace gpustack_draw
