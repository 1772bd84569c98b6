#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace multibuffer {

/// Writes JSON, one value after the other: `object()`, `key("a").number(1)`, `end()`. The text is
/// ASCII; bytes that are no UTF-8 become U+FFFD. Whoever calls sees to the nesting.
class JsonWriter {
 public:
  JsonWriter& object() { return open('{', '}'); }
  JsonWriter& list() { return open('[', ']'); }
  JsonWriter& end();
  JsonWriter& key(std::string_view name);
  JsonWriter& number(std::int64_t value);
  JsonWriter& real(double value);
  JsonWriter& words(std::string_view value);
  JsonWriter& truth(bool value);
  JsonWriter& null();
  /// An unsigned number as a string in hexadecimal.
  JsonWriter& address(std::uint64_t value);

  const std::string& text() const noexcept { return out_; }

 private:
  JsonWriter& open(char bracket, char closing);
  void separate();
  void quote(std::string_view value);

  std::string out_;
  std::string closings_;
  bool needs_comma_ = false;
};

}  // namespace multibuffer
