// Everything around the network, for a host that runs it by other means (an NPU's own runtime):
//
//   detector resize image.ppm input.bin             an image to the bytes that the network takes
//   detector decode outputs.bin 640 480 [...]       its outputs to detections, printed as JSON
//
// `outputs.bin` has the outputs of one image in the order of model.json, one after the other, as
// the model gives them (priors.h: singleshot_number); 640 480 are width and height of the image.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "../decoder.hpp"
#include "../priors.h"
#include "../resize.hpp"

namespace {

using Bytes = std::vector<char>;

Bytes read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": not readable");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct Image {
  singleshot::Size size;
  std::vector<std::uint8_t> pixels;  // RGB, row by row
};

Image read_ppm(const std::string& path) {
  const Bytes content = read(path);
  std::istringstream header(std::string(content.data(), std::min<std::size_t>(content.size(), 64)));
  std::string kind;
  int width = 0;
  int height = 0;
  int largest = 0;
  header >> kind >> width >> height >> largest;
  if (!header || kind != "P6" || largest != 255 || width < 1 || height < 1) {
    throw std::runtime_error(path + ": not a binary PPM of 8 bits without comments");
  }
  const std::size_t start = static_cast<std::size_t>(header.tellg()) + 1;
  const std::size_t size = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
  if (content.size() < start + size) throw std::runtime_error(path + ": cut short");
  std::vector<std::uint8_t> pixels(size);
  std::memcpy(pixels.data(), content.data() + start, size);
  return {{height, width}, std::move(pixels)};
}

/// Convert to a number of the input: whole ones are rounded and clipped.
template <typename Number>
Number to_number(float value) {
  if constexpr (std::is_floating_point_v<Number>) {
    return value;
  } else {
    if (SINGLESHOT_INPUT_SCALE > 0.0F) value /= SINGLESHOT_INPUT_SCALE;
    value = std::nearbyint(value) + static_cast<float>(SINGLESHOT_INPUT_ZERO_POINT);
    constexpr auto lowest = static_cast<float>(std::numeric_limits<Number>::lowest());
    constexpr auto highest = static_cast<float>(std::numeric_limits<Number>::max());
    return static_cast<Number>(std::clamp(value, lowest, highest));
  }
}

/// Write the resized image as the network takes it: normalised, typed, laid out.
void write_input(const std::string& image_path, const std::string& path) {
  const Image image = read_ppm(image_path);
  const singleshot::Size size{SINGLESHOT_INPUT_HEIGHT, SINGLESHOT_INPUT_WIDTH};
  singleshot::Resizer resizer(image.size, size, singleshot::Resize{SINGLESHOT_RESIZE});
  constexpr std::size_t area = SINGLESHOT_INPUT_HEIGHT * SINGLESHOT_INPUT_WIDTH;
  std::vector<float> resized(3 * area);
  resizer(image.pixels.data(), resized.data());
  std::vector<singleshot_pixel> pixels(resized.size());
  for (std::size_t i = 0; i < resized.size(); ++i) {
    const std::size_t channel = i % 3;
    const std::size_t place = SINGLESHOT_INPUT_NCHW ? channel * area + i / 3 : i;
    const float centred = resized[i] - singleshot_mean[channel];
    pixels[place] = to_number<singleshot_pixel>(centred / singleshot_std[channel]);
  }
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(pixels.data()),
             static_cast<std::streamsize>(pixels.size() * sizeof(singleshot_pixel)));
  if (!file) throw std::runtime_error(path + ": cannot be written");
}

singleshot::Decoder make_decoder() {
  singleshot::Settings settings;
  settings.scores = SINGLESHOT_SIGMOID ? singleshot::Scores::sigmoid : singleshot::Scores::softmax;
  settings.num_columns = SINGLESHOT_NUM_COLUMNS;
  settings.first_column = SINGLESHOT_FIRST_COLUMN;
  settings.num_classes = SINGLESHOT_NUM_CLASSES;
  settings.centre_scale = SINGLESHOT_CENTRE_SCALE;
  settings.size_scale = SINGLESHOT_SIZE_SCALE;
  settings.score_threshold = SINGLESHOT_SCORE_THRESHOLD;
  settings.iou_threshold = SINGLESHOT_IOU_THRESHOLD;
  settings.top_k = SINGLESHOT_TOP_K;
  settings.keep = SINGLESHOT_KEEP;
  settings.clip_before_nms = SINGLESHOT_CLIP_BEFORE_NMS;
  settings.nms = singleshot::Nms{SINGLESHOT_NMS};
  settings.soft_sigma = SINGLESHOT_SOFT_SIGMA;
  std::vector<singleshot::Level> levels;
  for (const auto& level : singleshot_levels) levels.push_back({level[0], level[1], level[2]});
  return {settings, levels, &singleshot_priors[0][0]};
}

#if SINGLESHOT_RAW

using Output = singleshot::Output<singleshot_number>;

/// Detect by raw outputs: all offsets, the finest level first, then all logits.
const std::vector<singleshot::Detection>& decode(singleshot::Decoder& decoder,
                                                 const std::vector<singleshot_number>& numbers,
                                                 int width, int height) {
  std::array<Output, SINGLESHOT_NUM_LEVELS> offsets;
  std::array<Output, SINGLESHOT_NUM_LEVELS> logits;
  std::size_t place = 0;
  std::size_t output = 0;
  for (auto* outputs : {&offsets, &logits}) {
    const int width_of_prior = outputs == &offsets ? 4 : SINGLESHOT_NUM_COLUMNS;
    for (std::size_t level = 0; level < SINGLESHOT_NUM_LEVELS; ++level, ++output) {
      const auto& grid = singleshot_levels[level];
      const auto layout = SINGLESHOT_NHWC ? singleshot::Layout::nhwc : singleshot::Layout::nchw;
      (*outputs)[level] = {numbers.data() + place, layout, singleshot_output_scales[output],
                           singleshot_output_zero_points[output]};
      place += static_cast<std::size_t>(grid[0] * grid[1] * grid[2] * width_of_prior);
    }
  }
  return decoder.decode(offsets.data(), logits.data(), width, height);
}

#else

/// Detect by decoded outputs: boxes, then scores (of a target that has them first: the other way).
const std::vector<singleshot::Detection>& decode(singleshot::Decoder& decoder,
                                                 const std::vector<singleshot_number>& numbers,
                                                 int width, int height) {
  constexpr std::size_t priors = SINGLESHOT_NUM_PRIORS;
  constexpr std::size_t columns = SINGLESHOT_SCORE_COLUMNS;
  const float* boxes = numbers.data() + (SINGLESHOT_SCORES_FIRST ? priors * columns : 0);
  const float* scores = numbers.data() + (SINGLESHOT_SCORES_FIRST ? 0 : priors * 4);
  return decoder.select(boxes, scores, columns, SINGLESHOT_SCORE_FIRST_COLUMN, width, height);
}

#endif

constexpr std::size_t numbers_of_prior =
    4 + (SINGLESHOT_RAW ? SINGLESHOT_NUM_COLUMNS : SINGLESHOT_SCORE_COLUMNS);

/// Print a text as a string of JSON.
void print_string(const char* text) {
  std::putchar('"');
  for (; *text != 0; ++text) {
    const auto byte = static_cast<unsigned char>(*text);
    if (byte < 0x20) {
      std::printf("\\u%04x", byte);
      continue;
    }
    if (byte == '"' || byte == '\\') {
      std::putchar('\\');
    }
    std::putchar(byte);
  }
  std::putchar('"');
}

void print_detections(const std::vector<singleshot::Detection>& detections) {
  const char* before = "";
  for (const auto& [box, score, label] : detections) {
    std::printf("%s\n  {\"box\": [%.4f, %.4f, %.4f, %.4f]", before, static_cast<double>(box.x1),
                static_cast<double>(box.y1), static_cast<double>(box.x2),
                static_cast<double>(box.y2));
    std::printf(", \"label\": ");
    print_string(singleshot_class_names[label]);
    std::printf(", \"score\": %.6f}", static_cast<double>(score));
    before = ",";
  }
}

/// Decode files of outputs, each followed by the width and the height of its image.
void print_decoded(const std::vector<std::string>& words) {
  singleshot::Decoder decoder = make_decoder();
  std::vector<singleshot_number> numbers(SINGLESHOT_NUM_PRIORS * numbers_of_prior);
  const char* before = "[";
  for (std::size_t word = 0; word + 2 < words.size(); word += 3) {
    const Bytes content = read(words[word]);
    const std::size_t size = numbers.size() * sizeof(singleshot_number);
    if (content.size() != size) {
      throw std::runtime_error(words[word] + ": " + std::to_string(content.size()) +
                               " bytes; the outputs of an image are " + std::to_string(size));
    }
    std::memcpy(numbers.data(), content.data(), size);
    const int width = std::stoi(words[word + 1]);
    const int height = std::stoi(words[word + 2]);
    std::printf("%s{\"outputs\": ", before);
    print_string(words[word].c_str());
    std::printf(", \"width\": %d, \"height\": %d, \"detections\": [", width, height);
    print_detections(decode(decoder, numbers, width, height));
    std::printf("]}");
    before = ",\n";
  }
  std::printf("]\n");
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  try {
    if (words.size() == 3 && words[0] == "resize") {
      write_input(words[1], words[2]);
    } else if (words.size() >= 4 && words.size() % 3 == 1 && words[0] == "decode") {
      print_decoded({words.begin() + 1, words.end()});
    } else {
      std::cerr << "usage: detector resize IMAGE.ppm INPUT.bin\n"
                   "       detector decode OUTPUTS.bin WIDTH HEIGHT [...]\n";
      return 2;
    }
  } catch (const std::exception& error) {
    std::cerr << "Error: " << error.what() << '\n';
    return 2;
  }
  return 0;
}
