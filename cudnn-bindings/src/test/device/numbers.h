// Element types of cuDNN and cuBLAS and how their values become floats and back. Rounding is to nearest, ties to even,
// as the conversion instructions of GPUs round; TF32 alone rounds ties away from zero (cvt.rna.tf32.f32).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(__F16C__) && defined(__AVX__)
#include <immintrin.h>
#endif

namespace software {

enum class Type { FLOAT, DOUBLE, HALF, BFLOAT16, INT8, INT32, FP8_E4M3, FP8_E5M2, UNKNOWN };

inline int64_t sizeOf(Type type) {
  switch (type) {
    case Type::DOUBLE: return 8;
    case Type::FLOAT:
    case Type::INT32: return 4;
    case Type::HALF:
    case Type::BFLOAT16: return 2;
    default: return 1;
  }
}

inline uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

inline float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline float halfToFloat(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 31, mantissa = half & 1023;
  if (exponent == 31) return floatOf(sign | 0x7F800000u | mantissa << 13 | (mantissa ? 0x00400000u : 0u));
  if (exponent == 0) {
    float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -value : value;
  }
  return floatOf(sign | (exponent + 112) << 23 | mantissa << 13);
}

inline uint16_t floatToHalf(float value) {
  uint32_t bits = bitsOf(value);
  auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<uint16_t>(sign | 0x7E00u | (magnitude >> 13 & 0x3FFu));
  if (magnitude >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7C00u);
  if (magnitude < 0x38800000u) {
    // Below 2^-14 the spacing of halves is 2^-24, and adding 0.5 makes that the spacing of floats.
    return static_cast<uint16_t>(sign | (bitsOf(floatOf(magnitude) + 0.5f) - 0x3F000000u));
  }
  uint32_t rounded = magnitude + 0xFFFu + (magnitude >> 13 & 1u);
  return static_cast<uint16_t>(sign | (rounded - 0x38000000u) >> 13);
}

inline float bfloat16ToFloat(uint16_t value) { return floatOf(static_cast<uint32_t>(value) << 16); }

inline uint16_t floatToBfloat16(float value) {
  uint32_t bits = bitsOf(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

inline float roundToTf32(float value) {
  uint32_t bits = bitsOf(value);
  if ((bits & 0x7F800000u) == 0x7F800000u) return value;
  return floatOf((bits + 0x1000u) & 0xFFFFE000u);
}

// fp8 of the kinds E4M3 (no infinity, 448 is the largest) and E5M2; too large values saturate (cvt.satfinite).
inline float fp8ToFloat(uint8_t value, bool e4m3) {
  if (!e4m3) return halfToFloat(static_cast<uint16_t>(value << 8));
  int exponent = value >> 3 & 15, mantissa = value & 7;
  float magnitude = exponent == 15 && mantissa == 7 ? NAN
                    : exponent == 0                 ? std::ldexp(static_cast<float>(mantissa), -9)
                                                    : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  return value & 0x80 ? -magnitude : magnitude;
}

inline uint8_t floatToFp8(float value, bool e4m3) {
  auto sign = static_cast<uint8_t>(std::signbit(value) ? 0x80 : 0);
  float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<uint8_t>(sign | 0x7F);
  const int bits = e4m3 ? 3 : 2, bias = e4m3 ? 7 : 15;
  const float largest = e4m3 ? 448.0f : 57344.0f;
  if (magnitude >= largest) return static_cast<uint8_t>(sign | (e4m3 ? 0x7E : 0x7B));
  int exponent = magnitude == 0 ? 1 - bias : std::ilogb(magnitude);
  if (exponent < 1 - bias) exponent = 1 - bias;
  // nearbyint rounds ties to even; a carry into the next exponent is what the addition below makes of it.
  auto steps = static_cast<int>(std::nearbyint(std::ldexp(magnitude, bits - exponent)));
  return static_cast<uint8_t>(sign | (((exponent + bias - 1) << bits) + steps));
}

inline float load(Type type, const void* from, int64_t index) {
  switch (type) {
    case Type::FLOAT: return static_cast<const float*>(from)[index];
    case Type::DOUBLE: return static_cast<float>(static_cast<const double*>(from)[index]);
    case Type::HALF: return halfToFloat(static_cast<const uint16_t*>(from)[index]);
    case Type::BFLOAT16: return bfloat16ToFloat(static_cast<const uint16_t*>(from)[index]);
    case Type::INT8: return static_cast<float>(static_cast<const int8_t*>(from)[index]);
    case Type::INT32: return static_cast<float>(static_cast<const int32_t*>(from)[index]);
    case Type::FP8_E4M3: return fp8ToFloat(static_cast<const uint8_t*>(from)[index], true);
    case Type::FP8_E5M2: return fp8ToFloat(static_cast<const uint8_t*>(from)[index], false);
    default: return NAN;
  }
}

inline int32_t saturate(float value, float low, float high, int32_t lowest, int32_t highest) {
  if (std::isnan(value)) return 0;
  float rounded = std::nearbyint(value);
  return rounded <= low ? lowest : rounded >= high ? highest : static_cast<int32_t>(rounded);
}

inline void store(Type type, void* to, int64_t index, float value) {
  switch (type) {
    case Type::FLOAT: static_cast<float*>(to)[index] = value; break;
    case Type::DOUBLE: static_cast<double*>(to)[index] = static_cast<double>(value); break;
    case Type::HALF: static_cast<uint16_t*>(to)[index] = floatToHalf(value); break;
    case Type::BFLOAT16: static_cast<uint16_t*>(to)[index] = floatToBfloat16(value); break;
    case Type::INT8:
      static_cast<int8_t*>(to)[index] = static_cast<int8_t>(saturate(value, -128, 127, -128, 127));
      break;
    case Type::INT32:
      static_cast<int32_t*>(to)[index] = saturate(value, -0x1p31f, 0x1p31f, INT32_MIN, INT32_MAX);
      break;
    case Type::FP8_E4M3: static_cast<uint8_t*>(to)[index] = floatToFp8(value, true); break;
    case Type::FP8_E5M2: static_cast<uint8_t*>(to)[index] = floatToFp8(value, false); break;
    default: break;
  }
}

// What a value is after it was stored as this type and read again.
inline float roundTo(Type type, float value) {
  if (type == Type::FLOAT) return value;
  alignas(8) unsigned char cell[8];
  store(type, cell, 0, value);
  return load(type, cell, 0);
}

// count elements, stride elements apart, as floats.
inline void loadRow(Type type, const void* from, int64_t index, int64_t stride, int64_t count, float* to) {
  int64_t i = 0;
  if (stride == 1) {
    switch (type) {
      case Type::FLOAT:
        std::memcpy(to, static_cast<const float*>(from) + index, static_cast<size_t>(count) * 4);
        return;
      case Type::BFLOAT16: {
        const uint16_t* row = static_cast<const uint16_t*>(from) + index;
        for (; i < count; i++) to[i] = bfloat16ToFloat(row[i]);
        return;
      }
#if defined(__F16C__) && defined(__AVX__)
      case Type::HALF: {
        const uint16_t* row = static_cast<const uint16_t*>(from) + index;
        for (; i + 8 <= count; i += 8)
          _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i))));
        break;
      }
#endif
      default: break;
    }
  }
  for (; i < count; i++) to[i] = load(type, from, index + i * stride);
}

inline void storeRow(Type type, void* to, int64_t index, int64_t stride, int64_t count, const float* from) {
  int64_t i = 0;
  if (stride == 1) {
    switch (type) {
      case Type::FLOAT: std::memcpy(static_cast<float*>(to) + index, from, static_cast<size_t>(count) * 4); return;
      case Type::BFLOAT16: {
        uint16_t* row = static_cast<uint16_t*>(to) + index;
        for (; i < count; i++) row[i] = floatToBfloat16(from[i]);
        return;
      }
#if defined(__F16C__) && defined(__AVX__)
      case Type::HALF: {
        uint16_t* row = static_cast<uint16_t*>(to) + index;
        for (; i + 8 <= count; i += 8)
          _mm_storeu_si128(reinterpret_cast<__m128i*>(row + i),
                           _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
        break;
      }
#endif
      default: break;
    }
  }
  for (; i < count; i++) store(type, to, index + i * stride, from[i]);
}

}  // namespace software
