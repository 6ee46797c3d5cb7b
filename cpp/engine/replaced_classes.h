// Classes of the library's stable-diffusion.cpp that derived ones replace.
//
// The build includes this file in front of that source (cmake/EngineLibrary.cmake). The macros at
// the end of each header replace a class by its name.

#pragma once

#include "kept_conditions.h"
#include "paired_unet.h"
