// Calls of the program's own functions, which may throw whatever they like.
#pragma once

#include <cxxabi.h>
#include <exception>
#include <string>

namespace quell::sdk {

// Why `call` did not return; empty: it did. A thread that is being cancelled still unwinds.
template <typename Call>
std::string Survives(Call call) {
  try {
    call();
    return {};
  } catch (abi::__forced_unwind&) {
    throw;  // lint: allow(throw): the thread is being cancelled, and must unwind.
  } catch (const std::exception& error) {
    const std::string what = error.what();
    return what.empty() ? "an exception without words" : what;
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

}  // namespace quell::sdk
