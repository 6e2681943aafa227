// Text that is safe to write to a terminal.
#pragma once

#include <string>
#include <string_view>

namespace quell::cli {

// `text` without anything that a terminal does not show as it is. Characters that move the cursor,
// change the direction of writing or cannot be seen (control and format characters, among them
// U+202E and U+200B) become their escape in JSON's spelling, as \u202e, so that JSON stays JSON and
// a person sees that something is there. Bytes that are no UTF-8 become U+FFFD. A line end stays; a
// tab or a carriage return becomes a space.
std::string TerminalText(std::string_view text);

// The same on one line: line ends become spaces, too.
std::string TerminalLine(std::string_view text);

}  // namespace quell::cli
