// What the engine says to the local API, as JSON.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "quell/quell.h"
#include "record.h"

namespace quell::sdk {

// Adds a member to an object that is open.
void AppendField(std::string& out, std::string_view key, std::string_view text);

// The caller holds the record's mutex.
std::string NewTaskJson(const Record& record, const std::string& parent,
                        const std::vector<std::string>& parent_chain);  // New, or resumed.
// Of members that are JSON already.
std::string ObjectJson(const std::map<std::string, std::string>& members);
std::string ResourcesJson(const CpuFigures& figures);
const char* OutcomeText(quell_outcome outcome);

}  // namespace quell::sdk
