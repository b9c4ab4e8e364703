#include "json.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace software::json {
namespace {

struct Parser {
  const char* at;
  int depth = 0;

  void space() { at += std::strspn(at, " \t\r\n"); }

  bool word(const char* expected) {
    size_t length = std::strlen(expected);
    if (std::strncmp(at, expected, length) != 0) return false;
    at += length;
    return true;
  }

  bool string(std::string* out) {
    if (*at++ != '"') return false;
    while (*at && *at != '"') {
      if (*at == '\\') {
        at++;
        if (!*at) return false;
        if (*at == 'u') {
          char digits[5] = {};
          std::strncpy(digits, at + 1, 4);
          char* end;
          long code = std::strtol(digits, &end, 16);
          if (end != digits + 4 || code > 0x7F) return false;
          *out += static_cast<char>(code);
          at += 5;
          continue;
        }
        *out += *at == 'n' ? '\n' : *at == 't' ? '\t' : *at == 'r' ? '\r' : *at;
        at++;
      } else {
        *out += *at++;
      }
    }
    return *at++ == '"';
  }

  bool value(Value* out) {
    if (++depth > 32) return false;
    space();
    bool good = true;
    if (*at == '{') {
      out->kind = Value::OBJECT;
      at++;
      space();
      for (bool first = true; *at != '}'; first = false) {
        if (!first && *at++ != ',') return false;
        space();
        std::pair<std::string, Value> member;
        if (!string(&member.first)) return false;
        space();
        if (*at++ != ':' || !value(&member.second)) return false;
        out->members.push_back(std::move(member));
        space();
      }
      at++;
    } else if (*at == '[') {
      out->kind = Value::ARRAY;
      at++;
      space();
      for (bool first = true; *at != ']'; first = false) {
        if (!first && *at++ != ',') return false;
        out->items.emplace_back();
        if (!value(&out->items.back())) return false;
        space();
      }
      at++;
    } else if (*at == '"') {
      out->kind = Value::STRING;
      good = string(&out->text);
    } else if (word("true") || word("false")) {
      out->kind = Value::BOOLEAN;
    } else if (word("null")) {
      out->kind = Value::NULL_VALUE;
    } else {
      out->kind = Value::NUMBER;
      char* end;
      out->number = std::strtod(at, &end);
      out->integer = std::strtoll(at, nullptr, 10);
      good = end != at;
      at = end;
    }
    depth--;
    return good;
  }
};

}  // namespace

bool parse(const std::string& text, Value* out) {
  Parser parser{text.c_str()};
  if (!parser.value(out)) return false;
  parser.space();
  return parser.at == text.c_str() + text.size();
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace software::json
