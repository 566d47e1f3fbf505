// From the outputs of a network to detections: C++17, this header alone, no dependency.
//
// The rules are those of singleshot/detectors/ssd/postprocess.py: scores, score threshold, the
// best top_k of each class, NMS within a class (hard, weighted, distance or soft), the best `keep`
// of all, clipped to the image. NaN and infinite boxes are dropped; equal scores are ordered by
// label, then by prior.
//
// All memory is allocated by the constructor: decode() and select() allocate nothing and throw
// nothing. One Decoder serves one thread. Compile with -O3, and without -ffast-math.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "decoder.hpp drops NaN and infinity, which -ffast-math assumes never occur"
#endif

namespace singleshot {

enum class Scores { softmax, sigmoid };
enum class Nms { hard, distance, soft, weighted };
enum class Layout { nchw, nhwc };

/// One feature map: its cells, and the priors at each.
struct Level {
  int rows;
  int columns;
  int priors_per_cell;
};

/// Numbers of the detector; priors.h has those of the exported one.
struct Settings {
  Scores scores = Scores::softmax;
  int num_columns = 0;   // class outputs of a prior, with background and unused ones
  int first_column = 0;  // of the classes; 1 after a background
  int num_classes = 0;
  float centre_scale = 0.1F;  // offsets are in this part of the prior's size
  float size_scale = 0.2F;
  float score_threshold = 0.01F;
  float iou_threshold = 0.45F;
  int top_k = 400;
  int keep = 200;
  bool clip_before_nms = false;
  Nms nms = Nms::hard;
  float soft_sigma = 0.5F;  // of soft NMS: how slowly scores decay
};

/// One output of the network for one image, at one level: value = scale * (number - zero_point).
/// Channels are those of the first prior of a cell, then those of the second, and so on.
template <typename Number>
struct Output {
  const Number* data = nullptr;
  Layout layout = Layout::nchw;
  float scale = 1.0F;  // of int8_t and uint8_t
  int zero_point = 0;

  [[nodiscard]] float at(std::size_t index) const { return value(data[index]); }

  [[nodiscard]] float value(Number number) const {
    if constexpr (std::is_floating_point_v<Number>) {
      return static_cast<float>(number);
    } else {
      return scale * static_cast<float>(static_cast<int>(number) - zero_point);
    }
  }
};

struct Box {
  float x1, y1, x2, y2;
};

/// A detection: corners in pixels of the image, its score, and its label, 0 ... classes - 1.
struct Detection {
  Box box;
  float score;
  int label;
};

namespace detail {

constexpr std::size_t block = 64;  // numbers that are looked at together
constexpr float margin = 1e-3F;    // of logits: the exact comparison is of scores
constexpr float largest_log_ratio = 4.135166556742356F;  // log(1000 / 16), as when training

/// Compute e^x to two units of the last digit, for x up to 88, in a form compilers vectorise.
inline float exp(float x) {
  constexpr float to_integer = 12582912.0F;  // 1.5 * 2^23: rounds what is added to it
  x = x < -87.0F ? -87.0F : x;
  x = x > 88.0F ? 88.0F : x;
  const float shifted = x * 1.44269504F + to_integer;
  const float power = shifted - to_integer;
  const float rest = (x - power * 0.693359375F) - power * -2.12194440e-4F;
  float series = 1.9875691500e-4F;
  series = series * rest + 1.3981999507e-3F;
  series = series * rest + 8.3334519073e-3F;
  series = series * rest + 4.1665795894e-2F;
  series = series * rest + 1.6666665459e-1F;
  series = series * rest + 5.0000001201e-1F;
  series = series * rest * rest + rest + 1.0F;
  std::uint32_t bits = 0;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127U) << 23U;
  float scale = 0.0F;
  std::memcpy(&scale, &bits, sizeof scale);
  return series * scale;
}

inline float sigmoid(float logit) { return 1.0F / (1.0F + exp(-logit)); }

/// Find the largest of `size` numbers, of which NaN is none.
template <typename Number>
Number largest(const Number* numbers, std::size_t size) {
  constexpr std::size_t lanes = 16;
  std::array<Number, lanes> best;
  best.fill(std::numeric_limits<Number>::lowest());
  std::size_t start = 0;
  for (; start + lanes <= size; start += lanes) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const Number number = numbers[start + lane];
      best[lane] = number > best[lane] ? number : best[lane];
    }
  }
  for (; start < size; ++start) best[0] = numbers[start] > best[0] ? numbers[start] : best[0];
  return *std::max_element(best.begin(), best.end());
}

/// Call `visit(index)` for each number not below `limit`: nearly all blocks have none.
template <typename Number, typename Visit>
void for_each_from(const Number* numbers, std::size_t size, Number limit, Visit visit) {
  std::size_t start = 0;
  for (; start + block <= size; start += block) {
    unsigned any = 0;
    for (std::size_t i = 0; i < block; ++i) {
      any |= static_cast<unsigned>(numbers[start + i] >= limit);
    }
    if (any == 0U) continue;
    for (std::size_t i = start; i < start + block; ++i) {
      if (numbers[i] >= limit) visit(i);
    }
  }
  for (; start < size; ++start) {
    if (numbers[start] >= limit) visit(start);
  }
}

inline float area(const Box& box) { return (box.x2 - box.x1) * (box.y2 - box.y1); }

inline float iou(const Box& box, const Box& other) {
  const float width = std::max(0.0F, std::min(box.x2, other.x2) - std::max(box.x1, other.x1));
  const float height = std::max(0.0F, std::min(box.y2, other.y2) - std::max(box.y1, other.y1));
  const float both = width * height;
  return both / std::max(area(box) + area(other) - both, 1e-12F);
}

/// Compute the squared distance of the centres, in squared diagonals of the enclosing box.
inline float distance(const Box& box, const Box& other) {
  const float x = (box.x1 + box.x2 - other.x1 - other.x2) / 2.0F;
  const float y = (box.y1 + box.y2 - other.y1 - other.y2) / 2.0F;
  const float width = std::max(box.x2, other.x2) - std::min(box.x1, other.x1);
  const float height = std::max(box.y2, other.y2) - std::min(box.y1, other.y1);
  return (x * x + y * y) / std::max(width * width + height * height, 1e-12F);
}

inline bool is_finite(const Box& box) {
  return std::isfinite(box.x1) && std::isfinite(box.y1) && std::isfinite(box.x2) &&
         std::isfinite(box.y2);
}

inline float into_image(float coordinate, float side) {
  return std::min(std::max(coordinate * side, 0.0F), side);
}

}  // namespace detail

class Decoder {
 public:
  /// Take `priors` of all levels, finest first: centre x, centre y, width and height as fractions
  /// of the input; row by row of a level, at each cell its priors. They must outlive the decoder.
  /// Throws std::invalid_argument for settings that do not fit together.
  Decoder(const Settings& settings, std::vector<Level> levels, const float* priors)
      : settings_(settings), levels_(std::move(levels)), priors_(priors) {
    if (settings.num_classes < 1 || settings.first_column < 0 || settings.keep < 1 ||
        settings.first_column + settings.num_classes > settings.num_columns ||
        settings.top_k < 1) {
      throw std::invalid_argument("classes must be within the columns; top_k, keep above 0");
    }
    if (settings.scores == Scores::softmax && settings.first_column != 1) {
      throw std::invalid_argument("a softmax has the background in its first column");
    }
    for (const Level& level : levels_) num_priors_ += cells(level) * size(level.priors_per_cell);
    const std::size_t classes = size(settings.num_classes);
    if (num_priors_ * classes > std::numeric_limits<std::uint32_t>::max()) {
      throw std::invalid_argument("more than 2^32 scores");
    }
    candidates_.reserve(num_priors_ * classes);
    level_of_.reserve(num_priors_);
    for (std::size_t level = 0, first = 0; level < levels_.size(); ++level) {
      first_prior_.push_back(first);
      first += cells(levels_[level]) * size(levels_[level].priors_per_cell);
      level_of_.resize(first, static_cast<std::uint8_t>(level));
    }
    visited_.resize(classes);
    last_kept_.resize(classes);
    const std::size_t most = size(std::max(settings.keep, settings.top_k));
    boxes_.reserve(most);
    kept_before_.reserve(most);
    sums_.reserve(most);
    group_.reserve(most);
    detections_.reserve(size(settings.keep));
  }

  [[nodiscard]] std::size_t num_priors() const { return num_priors_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }

  /// Set the score threshold, such as an operating point's.
  void set_score_threshold(float score_threshold) { settings_.score_threshold = score_threshold; }

  /// Decode raw outputs of one image of this size in pixels, one of each kind for each level.
  /// The result is best first, and valid until the next call.
  template <typename Offset, typename Logit>
  const std::vector<Detection>& decode(const Output<Offset>* offsets, const Output<Logit>* logits,
                                       int image_width, int image_height) {
    candidates_.clear();
    for (std::size_t level = 0; level < levels_.size(); ++level) {
      if (settings_.scores == Scores::sigmoid) {
        collect_sigmoid(logits[level], level);
      } else {
        collect_softmax(logits[level], level);
      }
    }
    return keep_best(
        [&](std::size_t prior) {
          const std::size_t level = level_of_[prior];
          constexpr float nan = std::numeric_limits<float>::quiet_NaN();
          if (has_nan(logits[level], level, prior)) return Box{nan, nan, nan, nan};
          return decode_box(offsets[level], level, prior);
        },
        image_width, image_height);
  }

  /// Select among decoded outputs: boxes (priors x 4) in corners as fractions of the image, and
  /// scores (priors x columns), whose classes begin at `first_column` (Jetson: 1, else 0).
  const std::vector<Detection>& select(const float* boxes, const float* scores,
                                       std::size_t num_columns, std::size_t first_column,
                                       int image_width, int image_height) {
    candidates_.clear();
    const float threshold = settings_.score_threshold;
    detail::for_each_from(scores, num_priors_ * num_columns, threshold, [&](std::size_t index) {
      const std::size_t column = index % num_columns;
      if (column >= first_column && column - first_column < size(settings_.num_classes)) {
        add(scores[index], column - first_column, index / num_columns);
      }
    });
    return keep_best(
        [boxes](std::size_t prior) {
          const float* box = boxes + 4 * prior;
          return Box{box[0], box[1], box[2], box[3]};
        },
        image_width, image_height);
  }

 private:
  static std::size_t size(int number) { return static_cast<std::size_t>(number); }
  static std::size_t cells(const Level& level) { return size(level.rows) * size(level.columns); }

  /// Add a candidate: larger numbers are better scores, then lower labels, then earlier priors.
  void add(float score, std::size_t label, std::size_t prior) {
    if (!(score > settings_.score_threshold) || !std::isfinite(score)) return;
    std::uint32_t bits = 0;
    std::memcpy(&bits, &score, sizeof bits);
    const std::uint64_t place = label * num_priors_ + prior;
    candidates_.push_back((std::uint64_t{bits} << 32U) | (0xFFFFFFFFU - place));
  }

  /// Compare logits with the threshold's own: most need no sigmoid.
  template <typename Logit>
  void collect_sigmoid(const Output<Logit>& logits, std::size_t level) {
    const std::size_t columns = size(settings_.num_columns);
    const std::size_t per_cell = size(levels_[level].priors_per_cell);
    const std::size_t num_cells = cells(levels_[level]);
    const std::size_t first = size(settings_.first_column);
    const auto consider = [&](std::size_t index, std::size_t cell, std::size_t channel) {
      const std::size_t column = channel % columns;
      if (column < first || column - first >= size(settings_.num_classes)) return;
      const std::size_t prior = first_prior_[level] + cell * per_cell + channel / columns;
      add(detail::sigmoid(logits.at(index)), column - first, prior);
    };
    const Logit limit = least_logit(logits);
    if (logits.layout == Layout::nchw) {
      for (std::size_t channel = 0; channel < per_cell * columns; ++channel) {
        const std::size_t start = channel * num_cells;
        detail::for_each_from(logits.data + start, num_cells, limit, [&](std::size_t cell) {
          consider(start + cell, cell, channel);
        });
      }
    } else {
      const std::size_t channels = per_cell * columns;
      detail::for_each_from(logits.data, num_cells * channels, limit, [&](std::size_t index) {
        consider(index, index / channels, index % channels);
      });
    }
  }

  /// Return a number that no logit above the threshold is below.
  template <typename Logit>
  Logit least_logit(const Output<Logit>& logits) const {
    const float threshold = settings_.score_threshold;
    const float logit = std::log(threshold / (1.0F - threshold)) - detail::margin;
    if constexpr (std::is_floating_point_v<Logit>) {
      return threshold < 1.0F ? logit : std::numeric_limits<Logit>::infinity();
    } else {
      const float lowest = std::numeric_limits<Logit>::lowest();
      const float highest = std::numeric_limits<Logit>::max();
      const float number = std::floor(logit / logits.scale) + static_cast<float>(logits.zero_point);
      return static_cast<Logit>(number > lowest ? std::min(number, highest) : lowest);
    }
  }

  /// A class can reach the threshold only if its logit comes close to the background's.
  template <typename Logit>
  void collect_softmax(const Output<Logit>& logits, std::size_t level) {
    const std::size_t columns = size(settings_.num_columns);
    const std::size_t per_cell = size(levels_[level].priors_per_cell);
    const std::size_t num_cells = cells(levels_[level]);
    const float gap = std::log(settings_.score_threshold) - detail::margin;
    const auto possible = [&](Logit best, Logit background) {
      return logits.value(best) >= logits.value(background) + gap;
    };
    if (logits.layout == Layout::nhwc) {
      for (std::size_t row = 0; row < num_cells * per_cell; ++row) {
        const Logit* start = logits.data + row * columns;
        if (possible(detail::largest(start + 1, size(settings_.num_classes)), *start)) {
          add_softmax(logits, row * columns, 1, first_prior_[level] + row);
        }
      }
      return;
    }
    for (std::size_t shape = 0; shape < per_cell; ++shape) {
      const std::size_t background = shape * columns * num_cells;
      for (std::size_t start = 0; start < num_cells; start += detail::block) {
        const std::size_t count = std::min(detail::block, num_cells - start);
        std::array<Logit, detail::block> best;
        best_of_cells(logits.data + background + start, num_cells, count, best);
        for (std::size_t i = 0; i < count; ++i) {
          if (!possible(best[i], logits.data[background + start + i])) continue;
          const std::size_t prior = first_prior_[level] + (start + i) * per_cell + shape;
          add_softmax(logits, background + start + i, num_cells, prior);
        }
      }
    }
  }

  /// Find the largest logit of any class at each of `count` cells; planes are `stride` apart.
  template <typename Logit>
  void best_of_cells(const Logit* background, std::size_t stride, std::size_t count,
                     std::array<Logit, detail::block>& best) const {
    best.fill(std::numeric_limits<Logit>::lowest());
    for (std::size_t label = 1; label <= size(settings_.num_classes); ++label) {
      const Logit* plane = background + label * stride;
      if (count == detail::block) {  // a known length is faster
        for (std::size_t i = 0; i < detail::block; ++i) {
          best[i] = plane[i] > best[i] ? plane[i] : best[i];
        }
      } else {
        for (std::size_t i = 0; i < count; ++i) best[i] = plane[i] > best[i] ? plane[i] : best[i];
      }
    }
  }

  /// Compute the softmax of one prior; its columns are `stride` apart.
  template <typename Logit>
  void add_softmax(const Output<Logit>& logits, std::size_t start, std::size_t stride,
                   std::size_t prior) {
    constexpr std::size_t chunk = 32;
    const std::size_t columns = size(settings_.num_columns);
    float most = -std::numeric_limits<float>::infinity();
    for (std::size_t column = 0; column < columns; ++column) {
      most = std::max(most, logits.at(start + column * stride));
    }
    std::array<float, chunk> sums{};
    for (std::size_t first = 0; first < columns; first += chunk) {
      std::array<float, chunk> part;
      part.fill(-std::numeric_limits<float>::infinity());
      for (std::size_t i = 0; i < std::min(chunk, columns - first); ++i) {
        part[i] = logits.at(start + (first + i) * stride) - most;
      }
      for (std::size_t i = 0; i < chunk; ++i) sums[i] += detail::exp(part[i]);
    }
    float sum = 0.0F;
    for (const float each : sums) sum += each;
    const float least = most + std::log(settings_.score_threshold * sum) - detail::margin;
    for (std::size_t label = 0; label < size(settings_.num_classes); ++label) {
      const float logit = logits.at(start + (label + 1) * stride);
      if (logit >= least) add(detail::exp(logit - most) / sum, label, prior);
    }
  }

  /// A prior with NaN among its logits is no detection: whole numbers have none.
  template <typename Logit>
  bool has_nan(const Output<Logit>& logits, std::size_t level, std::size_t prior) const {
    if constexpr (std::is_floating_point_v<Logit>) {
      const std::size_t columns = size(settings_.num_columns);
      const std::size_t per_cell = size(levels_[level].priors_per_cell);
      const std::size_t within = prior - first_prior_[level];
      const bool planes = logits.layout == Layout::nchw;
      const std::size_t stride = planes ? cells(levels_[level]) : 1;
      const std::size_t start =
          planes ? within % per_cell * columns * stride + within / per_cell : within * columns;
      unsigned any = 0;
      for (std::size_t column = 0; column < columns; ++column) {
        any |= static_cast<unsigned>(std::isnan(logits.data[start + column * stride]));
      }
      return any != 0U;
    }
    return false;
  }

  template <typename Offset>
  Box decode_box(const Output<Offset>& offsets, std::size_t level, std::size_t prior) const {
    const std::size_t per_cell = size(levels_[level].priors_per_cell);
    const std::size_t within = prior - first_prior_[level];
    const bool planes = offsets.layout == Layout::nchw;
    const std::size_t stride = planes ? cells(levels_[level]) : 1;
    const std::size_t start =
        planes ? (within % per_cell) * 4 * stride + within / per_cell : within * 4;
    const auto offset = [&](std::size_t which) { return offsets.at(start + which * stride); };
    const auto ratio = [&](std::size_t which) {
      const float log_ratio = offset(which) * settings_.size_scale;
      return std::exp(log_ratio > detail::largest_log_ratio ? detail::largest_log_ratio
                                                            : log_ratio);
    };
    const float* place = priors_ + 4 * prior;
    const float x = offset(0) * settings_.centre_scale * place[2] + place[0];
    const float y = offset(1) * settings_.centre_scale * place[3] + place[1];
    const float half_width = ratio(2) * place[2] / 2.0F;
    const float half_height = ratio(3) * place[3] / 2.0F;
    return {x - half_width, y - half_height, x + half_width, y + half_height};
  }

  static float score_of(std::uint64_t candidate) {
    const auto bits = static_cast<std::uint32_t>(candidate >> 32U);
    float score = 0.0F;
    std::memcpy(&score, &bits, sizeof score);
    return score;
  }
  [[nodiscard]] std::size_t label_of(std::uint64_t candidate) const {
    return static_cast<std::size_t>((0xFFFFFFFFU - (candidate & 0xFFFFFFFFU)) / num_priors_);
  }
  [[nodiscard]] std::size_t prior_of(std::uint64_t candidate) const {
    return static_cast<std::size_t>((0xFFFFFFFFU - (candidate & 0xFFFFFFFFU)) % num_priors_);
  }

  /// Take candidates from the best on until enough are kept: the others are never sorted. Weighted
  /// NMS takes them all, for the boxes that they are averaged with.
  template <typename BoxOf>
  const std::vector<Detection>& keep_best(BoxOf box_of, int image_width, int image_height) {
    std::fill(visited_.begin(), visited_.end(), 0);
    std::fill(last_kept_.begin(), last_kept_.end(), none);
    boxes_.clear();
    kept_before_.clear();
    sums_.clear();
    detections_.clear();
    sides_ = {static_cast<float>(image_width), static_cast<float>(image_height)};
    if (settings_.nms == Nms::soft) {
      decay(box_of);
      return finish();
    }
    const bool weighted = settings_.nms == Nms::weighted;
    std::size_t front = 4 * size(settings_.keep);
    for (auto first = candidates_.begin(); first != candidates_.end();) {
      const auto left = static_cast<std::size_t>(candidates_.end() - first);
      const auto last = first + static_cast<std::ptrdiff_t>(std::min(front, left));
      if (last != candidates_.end()) {
        std::nth_element(first, last, candidates_.end(), std::greater<>());
      }
      std::sort(first, last, std::greater<>());
      for (; first != last; ++first) {
        const std::size_t label = label_of(*first);
        const Box box = clipped(box_of(prior_of(*first)));
        if (!detail::is_finite(box) || visited_[label]++ >= settings_.top_k) continue;
        suppress_or_keep(box, label, score_of(*first));
        if (!weighted && detections_.size() == size(settings_.keep)) return finish();
      }
      front *= 4;
    }
    return finish();
  }

  [[nodiscard]] Box clipped(Box box) const {
    if (settings_.clip_before_nms) {
      for (float* side : {&box.x1, &box.y1, &box.x2, &box.y2}) {
        if (!std::isnan(*side)) *side = std::min(std::max(*side, 0.0F), 1.0F);
      }
    }
    return box;
  }

  /// Keep a box unless one of the better ones that NMS kept is close; weighted NMS adds it to the
  /// best of those.
  void suppress_or_keep(const Box& box, std::size_t label, float score) {
    const bool by_distance = settings_.nms == Nms::distance;
    const bool weighted = settings_.nms == Nms::weighted;
    const Box compared = by_distance ? Box{box.x1 * sides_[0], box.y1 * sides_[1],
                                           box.x2 * sides_[0], box.y2 * sides_[1]}
                                     : box;
    std::uint32_t close = none;
    for (std::uint32_t other = last_kept_[label]; other != none; other = kept_before_[other]) {
      float overlap = detail::iou(compared, boxes_[other]);
      if (by_distance) overlap -= detail::distance(compared, boxes_[other]);
      if (!(overlap > settings_.iou_threshold)) continue;
      close = other;
      if (!weighted) return;
    }
    if (close == none) {
      if (detections_.size() == size(settings_.keep)) return;
      close = static_cast<std::uint32_t>(boxes_.size());
      kept_before_.push_back(last_kept_[label]);
      last_kept_[label] = close;
      boxes_.push_back(compared);
      detections_.push_back({box, score, static_cast<int>(label)});
      sums_.push_back({});
    }
    if (!weighted) return;
    auto& sums = sums_[close];
    const std::array<float, 5> terms = {box.x1, box.y1, box.x2, box.y2, 1.0F};
    for (std::size_t i = 0; i < terms.size(); ++i) sums[i] += score * terms[i];
  }

  /// Lower the scores of each label's candidates by their overlap with every better one.
  template <typename BoxOf>
  void decay(BoxOf box_of) {
    const auto by_label = [this](std::uint64_t one, std::uint64_t other) {
      const std::size_t label = label_of(one);
      const std::size_t other_label = label_of(other);
      return label != other_label ? label < other_label : one > other;
    };
    std::sort(candidates_.begin(), candidates_.end(), by_label);
    std::size_t num_left = 0;
    for (std::size_t first = 0; first < candidates_.size();) {
      const std::size_t label = label_of(candidates_[first]);
      boxes_.clear();
      group_.clear();
      for (; first < candidates_.size() && label_of(candidates_[first]) == label; ++first) {
        const Box box = clipped(box_of(prior_of(candidates_[first])));
        if (!detail::is_finite(box) || group_.size() == size(settings_.top_k)) continue;
        boxes_.push_back(box);
        group_.push_back(candidates_[first]);
      }
      decay_group();
      for (const std::uint64_t candidate : group_) {
        if (score_of(candidate) > settings_.score_threshold) candidates_[num_left++] = candidate;
      }
    }
    candidates_.resize(num_left);
    std::sort(candidates_.begin(), candidates_.end(), std::greater<>());
    candidates_.resize(std::min(num_left, size(settings_.keep)));
    for (const std::uint64_t candidate : candidates_) {
      const Box box = clipped(box_of(prior_of(candidate)));
      detections_.push_back({box, score_of(candidate), static_cast<int>(label_of(candidate))});
    }
  }

  /// The best that is left multiplies the scores of the others by exp(-IoU^2 / sigma).
  void decay_group() {
    for (std::size_t taken = 0; taken < group_.size(); ++taken) {
      for (std::size_t other = taken + 1; other < group_.size(); ++other) {
        if (score_of(group_[other]) > score_of(group_[taken])) {
          std::swap(group_[other], group_[taken]);
          std::swap(boxes_[other], boxes_[taken]);
        }
      }
      for (std::size_t other = taken + 1; other < group_.size(); ++other) {
        const float iou = detail::iou(boxes_[taken], boxes_[other]);
        const float score =
            score_of(group_[other]) * std::exp(-(iou * iou) / settings_.soft_sigma);
        std::uint32_t bits = 0;
        std::memcpy(&bits, &score, sizeof bits);
        group_[other] = (std::uint64_t{bits} << 32U) | (group_[other] & 0xFFFFFFFFU);
      }
    }
  }

  /// Average the boxes of weighted NMS; turn fractions into pixels, clipped to the image.
  const std::vector<Detection>& finish() {
    for (std::size_t i = 0; i < detections_.size(); ++i) {
      Box& box = detections_[i].box;
      if (settings_.nms == Nms::weighted) {
        const auto& sums = sums_[i];
        box = {sums[0] / sums[4], sums[1] / sums[4], sums[2] / sums[4], sums[3] / sums[4]};
      }
      box = {detail::into_image(box.x1, sides_[0]), detail::into_image(box.y1, sides_[1]),
             detail::into_image(box.x2, sides_[0]), detail::into_image(box.y2, sides_[1])};
    }
    return detections_;
  }

  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  Settings settings_;
  std::vector<Level> levels_;
  const float* priors_;
  std::size_t num_priors_ = 0;
  std::vector<std::size_t> first_prior_;
  std::vector<std::uint8_t> level_of_;
  std::vector<std::uint64_t> candidates_;
  std::vector<int> visited_;               // candidates of each label so far
  std::vector<std::uint32_t> last_kept_;   // of each label
  std::vector<std::uint32_t> kept_before_;  // of each box: the one of its label before it
  std::vector<Box> boxes_;                  // that NMS kept
  std::vector<std::array<float, 5>> sums_;  // of the boxes each stands for, and of their scores
  std::vector<std::uint64_t> group_;        // candidates of one label
  std::vector<Detection> detections_;
  std::array<float, 2> sides_{};  // width and height of the image
};

}  // namespace singleshot
