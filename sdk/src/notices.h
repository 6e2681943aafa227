// What the library has left out, for people: see quell_on_error().
#pragma once

#include <string>

namespace quell::sdk {

// Tells `text`, once for each `key`, under no lock of the library. Thread-safe, as all here.
void WarnOnce(const std::string& key, const std::string& text);
// A member that a status is left without.
void WarnOfMember(const std::string& action, const std::string& name, const std::string& why);
void SetOnError(void (*fn)(void* arg, const char* message), void* arg);

// Around a fork; the latter also in the child.
void LockNotices();
void UnlockNotices();

}  // namespace quell::sdk
