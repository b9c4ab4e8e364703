// What the software cuDNN and the process with the vendor's library say to each other: a length, then numbers and
// texts.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace software::cudnn {

enum Question : int64_t { HEURISTICS = 1, ENGINE_INFO = 2, MAKE_PLAN = 3, RESTORE_PLAN = 4 };

class MessageWriter {
 public:
  std::string bytes;
  void add(int64_t number) { bytes.append(reinterpret_cast<const char*>(&number), 8); }
  void add(const std::string& text) {
    add(static_cast<int64_t>(text.size()));
    bytes += text;
  }
  void add(const std::vector<int64_t>& numbers) {
    add(static_cast<int64_t>(numbers.size()));
    for (int64_t n : numbers) add(n);
  }
};

class MessageReader {
 public:
  explicit MessageReader(const std::string& bytes) : bytes_(bytes) {}
  int64_t number() {
    int64_t value = 0;
    if (next_ + 8 > bytes_.size()) {
      good = false;
      return 0;
    }
    std::memcpy(&value, bytes_.data() + next_, 8);
    next_ += 8;
    return value;
  }
  std::string text() {
    auto length = static_cast<uint64_t>(number());
    if (!good || length > bytes_.size() - next_) {
      good = false;
      return "";
    }
    next_ += length;
    return bytes_.substr(next_ - length, length);
  }
  std::vector<int64_t> numbers() {
    int64_t count = number();
    std::vector<int64_t> all;
    for (int64_t i = 0; good && i < count; i++) all.push_back(number());
    return all;
  }
  bool good = true;

 private:
  const std::string& bytes_;
  size_t next_ = 0;
};

inline bool transfer(int fd, char* bytes, size_t count, bool out) {
  while (count) {
    ssize_t done = out ? write(fd, bytes, count) : read(fd, bytes, count);
    if (done <= 0) return false;
    bytes += done;
    count -= static_cast<size_t>(done);
  }
  return true;
}

inline bool sendMessage(int fd, const std::string& message) {
  uint64_t length = message.size();
  std::string framed(reinterpret_cast<char*>(&length), 8);
  framed += message;
  return transfer(fd, framed.data(), framed.size(), true);
}

inline bool receiveMessage(int fd, std::string* message) {
  uint64_t length = 0;
  if (!transfer(fd, reinterpret_cast<char*>(&length), 8, false) || length > (uint64_t{1} << 28)) return false;
  message->resize(length);
  return transfer(fd, message->data(), length, false);
}

}  // namespace software::cudnn
