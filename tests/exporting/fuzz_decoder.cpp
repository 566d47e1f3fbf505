// Decode random tensors with NaN and infinity: detections are valid, whatever the layout of the
// outputs, whole numbers decode as the floats they stand for, and nothing is allocated.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <random>

#include "decoder.hpp"
#include "resize.hpp"

namespace {

std::size_t allocations = 0;

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using singleshot::Decoder;
using singleshot::Detection;
using singleshot::Layout;
using singleshot::Level;
using singleshot::Output;
using singleshot::Scores;

constexpr int columns = 5;
constexpr std::size_t max_numbers = 4096;
const std::vector<Level> levels = {{7, 10, 3}, {3, 3, 2}, {1, 1, 1}};

std::size_t cells(const Level& level) { return static_cast<std::size_t>(level.rows * level.columns); }

/// One kind of output of all levels, in both layouts.
template <typename Number>
struct Tensors {
  std::vector<Number> planes = std::vector<Number>(max_numbers);
  std::vector<Number> rows = std::vector<Number>(max_numbers);
  std::vector<Output<Number>> nchw = std::vector<Output<Number>>(levels.size());
  std::vector<Output<Number>> nhwc = std::vector<Output<Number>>(levels.size());

  template <typename Draw>
  void fill(int width, Draw draw, float scale, int zero_point) {
    std::size_t place = 0;
    for (std::size_t i = 0; i < levels.size(); ++i) {
      const std::size_t size = cells(levels[i]);
      const auto channels = static_cast<std::size_t>(levels[i].priors_per_cell * width);
      nchw[i] = {planes.data() + place, Layout::nchw, scale, zero_point};
      nhwc[i] = {rows.data() + place, Layout::nhwc, scale, zero_point};
      for (std::size_t channel = 0; channel < channels; ++channel) {
        for (std::size_t cell = 0; cell < size; ++cell) {
          const Number number = draw();
          planes[place + channel * size + cell] = number;
          rows[place + cell * channels + channel] = number;
        }
      }
      place += size * channels;
    }
  }
};

void require_equal(const std::vector<Detection>& found, const std::vector<Detection>& others) {
  require(found.size() == others.size(), "the same number of detections");
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& [box, score, label] = found[i];
    const auto& [other, other_score, other_label] = others[i];
    require(score == other_score && label == other_label, "the same scores and labels");
    require(box.x1 == other.x1 && box.y1 == other.y1 && box.x2 == other.x2 && box.y2 == other.y2,
            "the same boxes");
  }
}

void require_valid(const std::vector<Detection>& found, const singleshot::Settings& settings) {
  require(found.size() <= static_cast<std::size_t>(settings.keep), "no more than `keep`");
  float last = 1.0F;
  for (const auto& [box, score, label] : found) {
    require(score > settings.score_threshold && score <= last, "best first, above the threshold");
    require(label >= 0 && label < settings.num_classes, "a label of the classes");
    require(box.x1 >= 0.0F && box.x1 <= box.x2 && box.x2 <= 640.0F, "x within the image");
    require(box.y1 >= 0.0F && box.y1 <= box.y2 && box.y2 <= 480.0F, "y within the image");
    last = score;
  }
}

float wild(std::mt19937& random) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const float wilds[] = {std::nanf(""), infinity, -infinity, 3e38F, -3e38F, 1e-42F, 0.0F, 100.0F};
  return wilds[random() % 8];
}

singleshot::Settings settings_of(Scores scores) {
  singleshot::Settings settings;
  settings.scores = scores;
  settings.num_columns = columns;
  settings.first_column = scores == Scores::softmax ? 1 : 0;
  settings.num_classes = columns - 1;
  settings.top_k = 20;
  settings.keep = 30;
  return settings;
}

/// Decode one set of random tensors in every form.
void fuzz(Decoder& decoder, std::mt19937& random, Tensors<float>* floats, Tensors<std::int8_t>* bytes,
          std::vector<Detection>& before) {
  std::normal_distribution<float> normal;
  const float spread = random() % 2 == 0 ? 1.0F : 8.0F;
  const unsigned rarity = 2U << random() % 10;
  const auto draw = [&] {
    return random() % rarity == 0 ? wild(random) : std::round(8.0F * spread * normal(random)) / 8.0F;
  };
  floats[0].fill(4, draw, 1.0F, 0);
  floats[1].fill(columns, draw, 1.0F, 0);
  const std::vector<Detection>& found =
      decoder.decode(floats[0].nchw.data(), floats[1].nchw.data(), 640, 480);
  require_valid(found, decoder.settings());
  before.assign(found.begin(), found.end());
  require_equal(before, decoder.decode(floats[0].nhwc.data(), floats[1].nhwc.data(), 640, 480));

  const int zero_point = static_cast<int>(random() % 256) - 128;
  const auto draw_byte = [&] { return static_cast<std::int8_t>(random() % 256); };
  std::size_t place = 0;
  for (const int width : {4, columns}) {
    bytes[place].fill(width, draw_byte, 0.125F, zero_point);
    std::size_t next = 0;
    const auto draw_same = [&] {
      return 0.125F * static_cast<float>(bytes[place].planes[next++] - zero_point);
    };
    floats[place].fill(width, draw_same, 1.0F, 0);
    ++place;
  }
  const auto& of_bytes = decoder.decode(bytes[0].nchw.data(), bytes[1].nhwc.data(), 640, 480);
  require_valid(of_bytes, decoder.settings());
  before.assign(of_bytes.begin(), of_bytes.end());
  require_equal(before, decoder.decode(floats[0].nchw.data(), floats[1].nchw.data(), 640, 480));
  decoder.select(floats[0].planes.data(), floats[1].planes.data(), columns, 1, 640, 480);
}

void resize_random_images(std::mt19937& random) {
  for (int round = 0; round < 200; ++round) {
    const auto side = [&random] { return 1 + static_cast<int>(random() % 60); };
    const singleshot::Size from{side(), side()};
    const singleshot::Size to{side(), side()};
    const auto size = [](singleshot::Size each) {
      return 3 * static_cast<std::size_t>(each.height) * static_cast<std::size_t>(each.width);
    };
    const std::vector<std::uint8_t> image(size(from), 200);
    std::vector<std::uint8_t> result(size(to));
    for (int how = 0; how < 5; ++how) {
      singleshot::Resizer resizer(from, to, static_cast<singleshot::Resize>(how));
      const std::size_t start = allocations;
      resizer(image.data(), result.data());
      require(allocations == start, "no allocation when resizing");
      for (const std::uint8_t pixel : result) require(pixel == 200, "a plain image stays plain");
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 1000;
  std::mt19937 random(0);
  std::vector<float> priors;
  for (const Level& level : levels) {
    for (std::size_t i = 0; i < 4 * cells(level) * static_cast<std::size_t>(level.priors_per_cell); ++i) {
      priors.push_back(static_cast<float>(1 + random() % 100) / 100.0F);
    }
  }
  Tensors<float> floats[2];
  Tensors<std::int8_t> bytes[2];
  std::vector<Detection> before;
  before.reserve(100);
  std::size_t detections = 0;
  for (const Scores scores : {Scores::softmax, Scores::sigmoid}) {
    Decoder decoder(settings_of(scores), levels, priors.data());
    const std::size_t start = allocations;
    for (int round = 0; round < rounds / 2; ++round) {
      fuzz(decoder, random, floats, bytes, before);
      detections += before.size();
    }
    require(allocations == start, "no allocation when decoding");
  }
  resize_random_images(random);
  std::printf("%d rounds, %zu detections\n", rounds, detections);
  return 0;
}
