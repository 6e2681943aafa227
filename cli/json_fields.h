// Reads members of a JSON object that another program wrote: what is missing, or of another kind,
// is empty. Thread-safety: plain functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

namespace quell::cli {

// The object that `text` is, which lives in `into`; null if it is none.
const boost::json::object* ParseObject(std::string_view text, boost::json::value& into);

std::string Text(const boost::json::object& object, std::string_view key);
std::int64_t Number(const boost::json::object& object, std::string_view key);
bool Flag(const boost::json::object& object, std::string_view key);
const boost::json::object* Object(const boost::json::object& object, std::string_view key);

}  // namespace quell::cli
