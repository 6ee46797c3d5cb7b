#include "engine/graph_stop.h"

#include <utility>

namespace gpustack_draw {

GraphStop* GraphStop::current_ = nullptr;

GraphStop::GraphStop(std::function<bool()> should_stop, std::function<bool()> must_succeed)
    : should_stop_(std::move(should_stop)), must_succeed_(std::move(must_succeed)) {
  current_ = this;
}

GraphStop::~GraphStop() { current_ = nullptr; }

}  // namespace gpustack_draw
