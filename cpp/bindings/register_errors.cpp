#include <cstring>

#include "bindings/module.h"
#include "engine/errors.h"

namespace py = pybind11;

namespace gpustack_draw {
namespace {

// The text quotes the library's log, which may be invalid UTF-8.
void set_error(const py::object& type, const char* text) {
  const auto length = static_cast<py::ssize_t>(std::strlen(text));
  const auto message =
      py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(text, length, "replace"));
  if (message) {
    PyErr_SetObject(type.ptr(), message.ptr());
  }
}

}  // namespace

void register_errors(py::module_& module) {
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> engine_error;
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> cancelled_error;
  engine_error.call_once_and_store_result([&]() -> py::object {
    return py::exception<EngineError>(module, "EngineError", PyExc_RuntimeError);
  });
  cancelled_error.call_once_and_store_result([&]() -> py::object {
    return py::exception<CancelledError>(module, "CancelledError", engine_error.get_stored());
  });
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> overflow_error;
  overflow_error.call_once_and_store_result([&]() -> py::object {
    return py::exception<OverflowError>(module, "OverflowError", engine_error.get_stored());
  });
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> damaged_model_error;
  damaged_model_error.call_once_and_store_result([&]() -> py::object {
    return py::exception<DamagedModelError>(module, "DamagedModelError", engine_error.get_stored());
  });
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> damaged_lora_error;
  damaged_lora_error.call_once_and_store_result([&]() -> py::object {
    return py::exception<DamagedLoraError>(module, "DamagedLoraError", engine_error.get_stored());
  });
  // NOLINTNEXTLINE(performance-unnecessary-value-param): pybind11 requires this type
  py::register_local_exception_translator([](std::exception_ptr error) {
    try {
      if (error) {
        std::rethrow_exception(error);
      }
    } catch (const CancelledError& caught) {
      set_error(cancelled_error.get_stored(), caught.what());
    } catch (const OverflowError& caught) {
      set_error(overflow_error.get_stored(), caught.what());
    } catch (const DamagedModelError& caught) {
      set_error(damaged_model_error.get_stored(), caught.what());
    } catch (const DamagedLoraError& caught) {
      set_error(damaged_lora_error.get_stored(), caught.what());
    } catch (const EngineError& caught) {
      set_error(engine_error.get_stored(), caught.what());
    }
  });
}

}  // namespace gpustack_draw
