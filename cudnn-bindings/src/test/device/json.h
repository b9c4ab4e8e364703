// As much of JSON as descriptions of devices and plans need.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace software::json {

struct Value {
  enum Kind { NULL_VALUE, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT } kind = NULL_VALUE;
  double number = 0;
  int64_t integer = 0;
  std::string text;
  std::vector<Value> items;
  std::vector<std::pair<std::string, Value>> members;

  const Value* find(const std::string& key) const {
    for (auto& m : members)
      if (m.first == key) return &m.second;
    return nullptr;
  }
  std::vector<int64_t> longs() const {
    std::vector<int64_t> all;
    for (auto& item : items) all.push_back(item.integer);
    return all;
  }
};

// False where the text is not one JSON value.
bool parse(const std::string& text, Value* out);

// The text as a JSON string, quotes included.
std::string quoted(const std::string& text);

}  // namespace software::json
