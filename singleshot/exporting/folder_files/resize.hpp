// Resize RGB images of bytes, rows of pixels (height x width x 3), as training did: C++17, this
// header alone, no dependency.
//
// The rules are those of singleshot/detectors/common/resize.py. `antialias` equals PyTorch's kernel
// for bytes, bit by bit: weights are 16-bit whole numbers, rows are rounded to bytes before columns
// are summed. SSE2 and NEON are used where the compiler has them; both are exact.
//
// All memory is allocated by the constructor. One Resizer serves one thread. Compile with -O3.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define SINGLESHOT_SSE2
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#define SINGLESHOT_NEON
#endif

namespace singleshot {

enum class Resize { antialias, opencv, torchvision, tensorflow1, darknet };

struct Size {
  int height;
  int width;
};

namespace detail {

constexpr std::size_t channels = 3;

/// Weights of the pixels that each pixel of the result is made of, along one side.
struct Taps {
  std::size_t count = 0;  // of each, even: the last may have the weight 0
  int precision = 0;      // weights are in units of 2^-precision
  std::vector<std::size_t> first;
  std::vector<std::int16_t> weights;
};

/// Compute the weights of a triangle that is as wide as a pixel of the result, or of the image.
inline Taps triangle_taps(int side, int cells) {
  const double scale = static_cast<double>(side) / cells;
  const double support = std::max(scale, 1.0);
  Taps taps;
  std::vector<std::vector<double>> all;
  double largest = 0.0;
  for (int cell = 0; cell < cells; ++cell) {
    const double centre = scale * (cell + 0.5);
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int last = std::min(static_cast<int>(centre + support + 0.5), side);
    std::vector<double> weights;
    double total = 0.0;
    for (int pixel = first; pixel < last; ++pixel) {
      const double distance = std::abs((pixel - centre + 0.5) * (1.0 / support));
      weights.push_back(std::max(1.0 - distance, 0.0));
      total += weights.back();
    }
    for (double& weight : weights) largest = std::max(largest, weight /= total);
    taps.first.push_back(static_cast<std::size_t>(first));
    taps.count = std::max(taps.count, weights.size() + weights.size() % 2);
    all.push_back(std::move(weights));
  }
  // The most digits that the largest weight has in 16 bits.
  while (taps.precision < 22 && 0.5 + largest * (2 << taps.precision) < 32768.0) ++taps.precision;
  taps.weights.resize(all.size() * taps.count);
  for (std::size_t cell = 0; cell < all.size(); ++cell) {
    for (std::size_t tap = 0; tap < all[cell].size(); ++tap) {
      const double weight = all[cell][tap] * (1 << taps.precision) + 0.5;
      taps.weights[cell * taps.count + tap] = static_cast<std::int16_t>(weight);
    }
  }
  return taps;
}

inline std::uint8_t to_byte(int sum, int precision) {
  return static_cast<std::uint8_t>(std::clamp(sum >> precision, 0, 255));
}

/// Sum the pixels of a row for each pixel of the result. The row is read up to two bytes beyond
/// its last tap; the result is written one byte beyond its end.
inline void sum_along_row(const std::uint8_t* row, const Taps& taps, std::uint8_t* result) {
  const std::size_t cells = taps.first.size();
  const int half = 1 << (taps.precision - 1);
  const std::int16_t* weight = taps.weights.data();
  for (std::size_t cell = 0; cell < cells; ++cell, weight += taps.count) {
    const std::uint8_t* pixel = row + channels * taps.first[cell];
    std::uint8_t* target = result + channels * cell;
#if defined(SINGLESHOT_SSE2)
    __m128i sums = _mm_set1_epi32(half);
    for (std::size_t tap = 0; tap < taps.count; tap += 2, pixel += 2 * channels) {
      std::int32_t pair = 0;
      std::memcpy(&pair, weight + tap, sizeof pair);
      // r g b R G B . . of two pixels, as numbers of 16 bits; then r R g G b B.
      __m128i two = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(pixel));
      two = _mm_unpacklo_epi8(two, _mm_setzero_si128());
      two = _mm_unpacklo_epi16(two, _mm_srli_si128(two, 6));
      sums = _mm_add_epi32(sums, _mm_madd_epi16(two, _mm_set1_epi32(pair)));
    }
    sums = _mm_sra_epi32(sums, _mm_cvtsi32_si128(taps.precision));
    sums = _mm_packs_epi32(sums, sums);
    const int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(sums, sums));
    std::memcpy(target, &bytes, sizeof bytes);
#elif defined(SINGLESHOT_NEON)
    int32x4_t sums = vdupq_n_s32(half);
    for (std::size_t tap = 0; tap < taps.count; tap += 2, pixel += 2 * channels) {
      const int16x8_t two = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(pixel)));
      sums = vmlal_n_s16(sums, vget_low_s16(two), weight[tap]);
      sums = vmlal_n_s16(sums, vget_low_s16(vextq_s16(two, two, 3)), weight[tap + 1]);
    }
    sums = vshlq_s32(sums, vdupq_n_s32(-taps.precision));
    const uint16x4_t words = vqmovun_s32(sums);
    const uint8x8_t bytes = vqmovn_u16(vcombine_u16(words, words));
    vst1_lane_u32(reinterpret_cast<std::uint32_t*>(target), vreinterpret_u32_u8(bytes), 0);
#else
    int sums[channels] = {half, half, half};
    for (std::size_t tap = 0; tap < taps.count; ++tap, pixel += channels) {
      for (std::size_t c = 0; c < channels; ++c) sums[c] += weight[tap] * pixel[c];
    }
    for (std::size_t c = 0; c < channels; ++c) target[c] = to_byte(sums[c], taps.precision);
#endif
  }
}

/// Sum rows with one weight each; `size` numbers are a multiple of 16.
inline void sum_rows(const std::uint8_t* const* rows, const std::int16_t* weights,
                     const Taps& taps, std::size_t size, std::uint8_t* result) {
  const int half = 1 << (taps.precision - 1);
  for (std::size_t start = 0; start < size; start += 16) {
#if defined(SINGLESHOT_SSE2)
    const __m128i zero = _mm_setzero_si128();
    __m128i sums[4];
    for (__m128i& sum : sums) sum = _mm_set1_epi32(half);
    for (std::size_t tap = 0; tap < taps.count; tap += 2) {
      std::int32_t pair = 0;
      std::memcpy(&pair, weights + tap, sizeof pair);
      const __m128i weight = _mm_set1_epi32(pair);
      const auto load = [start](const std::uint8_t* row) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + start));
      };
      const __m128i upper = load(rows[tap]);
      const __m128i lower = load(rows[tap + 1]);
      const __m128i first = _mm_unpacklo_epi8(upper, lower);
      const __m128i second = _mm_unpackhi_epi8(upper, lower);
      sums[0] = _mm_add_epi32(sums[0], _mm_madd_epi16(_mm_unpacklo_epi8(first, zero), weight));
      sums[1] = _mm_add_epi32(sums[1], _mm_madd_epi16(_mm_unpackhi_epi8(first, zero), weight));
      sums[2] = _mm_add_epi32(sums[2], _mm_madd_epi16(_mm_unpacklo_epi8(second, zero), weight));
      sums[3] = _mm_add_epi32(sums[3], _mm_madd_epi16(_mm_unpackhi_epi8(second, zero), weight));
    }
    const __m128i shift = _mm_cvtsi32_si128(taps.precision);
    for (__m128i& sum : sums) sum = _mm_sra_epi32(sum, shift);
    const __m128i words = _mm_packs_epi32(sums[0], sums[1]);
    const __m128i more = _mm_packs_epi32(sums[2], sums[3]);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(result + start), _mm_packus_epi16(words, more));
#elif defined(SINGLESHOT_NEON)
    int32x4_t sums[4];
    for (int32x4_t& sum : sums) sum = vdupq_n_s32(half);
    for (std::size_t tap = 0; tap < taps.count; ++tap) {
      const uint8x16_t row = vld1q_u8(rows[tap] + start);
      const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(row)));
      const int16x8_t high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(row)));
      sums[0] = vmlal_n_s16(sums[0], vget_low_s16(low), weights[tap]);
      sums[1] = vmlal_n_s16(sums[1], vget_high_s16(low), weights[tap]);
      sums[2] = vmlal_n_s16(sums[2], vget_low_s16(high), weights[tap]);
      sums[3] = vmlal_n_s16(sums[3], vget_high_s16(high), weights[tap]);
    }
    const int32x4_t shift = vdupq_n_s32(-taps.precision);
    for (int32x4_t& sum : sums) sum = vshlq_s32(sum, shift);
    const uint16x8_t words = vcombine_u16(vqmovun_s32(sums[0]), vqmovun_s32(sums[1]));
    const uint16x8_t more = vcombine_u16(vqmovun_s32(sums[2]), vqmovun_s32(sums[3]));
    vst1q_u8(result + start, vcombine_u8(vqmovn_u16(words), vqmovn_u16(more)));
#else
    int sums[16];
    for (int& sum : sums) sum = half;
    for (std::size_t tap = 0; tap < taps.count; ++tap) {
      const std::uint8_t* row = rows[tap] + start;
      for (std::size_t i = 0; i < 16; ++i) sums[i] += weights[tap] * row[i];
    }
    for (std::size_t i = 0; i < 16; ++i) result[start + i] = to_byte(sums[i], taps.precision);
#endif
  }
}

/// The two pixels around each pixel of the result, along one side, and the second one's part.
struct Neighbours {
  std::vector<std::size_t> before, after;
  std::vector<float> part;
};

inline Neighbours neighbours(int side, int cells, Resize how) {
  Neighbours found;
  const double scale = static_cast<double>(side) / cells;
  const double inverse = 1.0 / (static_cast<double>(cells) / side);  // OpenCV's last digit
  const auto last = static_cast<float>(side - 1);
  for (int cell = 0; cell < cells; ++cell) {
    float place = static_cast<float>(cell) * static_cast<float>(scale);
    if (how == Resize::opencv) place = static_cast<float>((cell + 0.5) * inverse - 0.5);
    if (how == Resize::torchvision) {
      const float ratio = static_cast<float>(side) / static_cast<float>(cells);
      place = std::max(ratio * (static_cast<float>(cell) + 0.5F) - 0.5F, 0.0F);
    }
    if (how == Resize::darknet) {
      place = cells == 1 ? 0.0F : static_cast<float>(cell) * (last / static_cast<float>(cells - 1));
    }
    const float before = std::floor(place);
    found.before.push_back(static_cast<std::size_t>(std::clamp(before, 0.0F, last)));
    found.after.push_back(static_cast<std::size_t>(std::clamp(before + 1.0F, 0.0F, last)));
    found.part.push_back(place - before);
  }
  return found;
}

inline int in_2048ths(float part) { return static_cast<int>(std::nearbyint(part * 2048.0F)); }

template <typename Number>
Number to_number(float value) {
  if constexpr (std::is_same_v<Number, float>) {
    return value;
  } else {
    return static_cast<Number>(std::clamp(std::nearbyint(value), 0.0F, 255.0F));
  }
}

}  // namespace detail

/// Resizes images of one size to another. Throws std::invalid_argument for sides below 1.
class Resizer {
 public:
  Resizer(Size from, Size to, Resize how = Resize::antialias) : from_(from), to_(to), how_(how) {
    if (std::min({from.height, from.width, to.height, to.width}) < 1) {
      throw std::invalid_argument("images have at least one pixel");
    }
    const std::size_t row = detail::channels * size(to.width);
    if (how == Resize::antialias) {
      across_ = detail::triangle_taps(from.width, to.width);
      down_ = detail::triangle_taps(from.height, to.height);
      row_size_ = (row + 4 + 15) / 16 * 16;
      rows_.resize(row_size_ * down_.count);
      window_.resize(down_.count);
      blended_bytes_.resize(row_size_);
      padded_.resize(detail::channels * (size(from.width) + across_.count + 1));
      bytes_.resize(row * size(to.height));
      return;
    }
    horizontal_ = detail::neighbours(from.width, to.width, how);
    vertical_ = detail::neighbours(from.height, to.height, how);
    blended_.resize(detail::channels * size(from.width));
  }

  /// Resize to bytes; fractions of the libraries that have them are rounded.
  void operator()(const std::uint8_t* image, std::uint8_t* result) { resize(image, result); }

  /// Resize to floats from 0 to 255.
  void operator()(const std::uint8_t* image, float* result) {
    if (how_ != Resize::antialias) return resize(image, result);
    resize(image, bytes_.data());
    std::copy(bytes_.begin(), bytes_.end(), result);
  }

  [[nodiscard]] Size from() const { return from_; }
  [[nodiscard]] Size to() const { return to_; }

 private:
  static std::size_t size(int number) { return static_cast<std::size_t>(number); }

  template <typename Number>
  void resize(const std::uint8_t* image, Number* result) {
    if constexpr (std::is_same_v<Number, std::uint8_t>) {
      if (how_ == Resize::antialias) return antialias(image, result);
    }
    if (how_ == Resize::opencv) return opencv(image, result);
    const bool samples = how_ == Resize::tensorflow1;
    const std::size_t columns = size(to_.width);
    const std::size_t row_size = blended_.size();
    for (std::size_t y = 0; y < size(to_.height); ++y) {
      const std::uint8_t* upper = image + vertical_.before[y] * row_size;
      const std::uint8_t* lower = image + vertical_.after[y] * row_size;
      const float down = vertical_.part[y];
      if (samples) {
        for (std::size_t i = 0; i < row_size; ++i) {
          const auto first = static_cast<float>(upper[i]);
          blended_[i] = first + (static_cast<float>(lower[i]) - first) * down;
        }
      }
      for (std::size_t x = 0; x < columns; ++x) {
        const std::size_t left = detail::channels * horizontal_.before[x];
        const std::size_t right = detail::channels * horizontal_.after[x];
        const float across = horizontal_.part[x];
        for (std::size_t c = 0; c < detail::channels; ++c, ++result) {
          const auto along = [&](const auto* row) {
            const auto first = static_cast<float>(row[left + c]);
            const auto second = static_cast<float>(row[right + c]);
            return samples ? first + (second - first) * across
                           : (1.0F - across) * first + across * second;
          };
          *result = detail::to_number<Number>(
              samples ? along(blended_.data())
                      : (1.0F - down) * along(upper) + down * along(lower));
        }
      }
    }
  }

  /// Sum along each row that is needed, once, then the rows: they are few enough for the cache.
  void antialias(const std::uint8_t* image, std::uint8_t* result) {
    const std::size_t height = size(from_.height);
    const std::size_t row = detail::channels * size(from_.width);
    const std::size_t size_of_result = detail::channels * size(to_.width);
    std::size_t done = 0;
    for (std::size_t y = 0; y < size(to_.height); ++y) {
      const std::size_t first = down_.first[y];
      const std::size_t end = std::min(first + down_.count, height);
      for (done = std::max(done, first); done < end; ++done) {
        // Taps may reach beyond the last row: of a copy, that does no harm.
        const bool near_end = (height - done) * row < row + across_.count * detail::channels + 8;
        if (near_end) std::memcpy(padded_.data(), image + done * row, row);
        const std::uint8_t* source = near_end ? padded_.data() : image + done * row;
        detail::sum_along_row(source, across_, row_of(done));
      }
      for (std::size_t tap = 0; tap < down_.count; ++tap) {
        window_[tap] = row_of(std::min(first + tap, height - 1));
      }
      const std::int16_t* weights = down_.weights.data() + y * down_.count;
      detail::sum_rows(window_.data(), weights, down_, row_size_, blended_bytes_.data());
      std::memcpy(result + y * size_of_result, blended_bytes_.data(), size_of_result);
    }
  }

  std::uint8_t* row_of(std::size_t y) { return rows_.data() + y % down_.count * row_size_; }

  /// INTER_LINEAR of bytes: weights are whole numbers of 1/2048.
  template <typename Number>
  void opencv(const std::uint8_t* image, Number* result) {
    const std::size_t row_size = detail::channels * size(from_.width);
    for (std::size_t y = 0; y < size(to_.height); ++y) {
      const std::uint8_t* upper = image + vertical_.before[y] * row_size;
      const std::uint8_t* lower = image + vertical_.after[y] * row_size;
      const int above = detail::in_2048ths(1.0F - vertical_.part[y]);
      const int below = detail::in_2048ths(vertical_.part[y]);
      for (std::size_t x = 0; x < size(to_.width); ++x) {
        const std::size_t left = detail::channels * horizontal_.before[x];
        const std::size_t right = detail::channels * horizontal_.after[x];
        const bool edge = left == right;
        const int before = edge ? 2048 : detail::in_2048ths(1.0F - horizontal_.part[x]);
        const int after = edge ? 0 : detail::in_2048ths(horizontal_.part[x]);
        for (std::size_t c = 0; c < detail::channels; ++c, ++result) {
          const int top = (upper[left + c] * before + upper[right + c] * after) >> 4;
          const int bottom = (lower[left + c] * before + lower[right + c] * after) >> 4;
          const int sum = ((top * above) >> 16) + ((bottom * below) >> 16);
          *result = static_cast<Number>((sum + 2) >> 2);
        }
      }
    }
  }

  Size from_, to_;
  Resize how_;
  detail::Taps across_, down_;
  std::size_t row_size_ = 0;                 // of the result, with the bytes written beyond its end
  std::vector<std::uint8_t> rows_;           // those that are summed next, in turn
  std::vector<const std::uint8_t*> window_;  // the rows of one row of the result
  std::vector<std::uint8_t> blended_bytes_;
  std::vector<std::uint8_t> padded_;  // a copy of a last row
  std::vector<std::uint8_t> bytes_;   // before they are floats
  detail::Neighbours horizontal_, vertical_;
  std::vector<float> blended_;  // a row between two
};

}  // namespace singleshot
