// The decoder and the resizer as a small C library, for Python's ctypes and for C programs. Nothing
// of the detector is compiled in: one library serves all exported models.
#include <array>
#include <cstdint>
#include <exception>
#include <utility>
#include <vector>

#include "../decoder.hpp"
#include "../resize.hpp"

#if defined(_WIN32)
#define SINGLESHOT_API extern "C" __declspec(dllexport)
#else
#define SINGLESHOT_API extern "C" __attribute__((visibility("default")))
#endif

using singleshot::Decoder;
using singleshot::Detection;
using singleshot::Resizer;

namespace {

constexpr std::size_t largest_number_of_levels = 64;

/// Copy detections as rows x1, y1, x2, y2, score, label; return how many.
int copy(const std::vector<Detection>& detections, float* rows) {
  for (const auto& [box, score, label] : detections) {
    for (const float number : {box.x1, box.y1, box.x2, box.y2, score, static_cast<float>(label)}) {
      *rows++ = number;
    }
  }
  return static_cast<int>(detections.size());
}

}  // namespace

/// Version of this interface, which detect.py checks.
SINGLESHOT_API int singleshot_version() { return 1; }

/// Make a decoder; null for settings that it refuses.
///
/// whole: 1 for sigmoid scores, columns, first column, classes, top_k, keep, clip before NMS, and
/// NMS (0 hard, 1 distance, 2 soft, 3 weighted). fractions: centre scale, size scale, score
/// threshold, IoU threshold, sigma of soft NMS.
/// levels: rows, columns and priors per cell of each. priors must outlive the decoder.
SINGLESHOT_API void* singleshot_new_decoder(const int* whole, const float* fractions,
                                            const int* levels, int num_levels,
                                            const float* priors) {
  singleshot::Settings settings;
  settings.scores = whole[0] != 0 ? singleshot::Scores::sigmoid : singleshot::Scores::softmax;
  settings.num_columns = whole[1];
  settings.first_column = whole[2];
  settings.num_classes = whole[3];
  settings.top_k = whole[4];
  settings.keep = whole[5];
  settings.clip_before_nms = whole[6] != 0;
  settings.nms = static_cast<singleshot::Nms>(whole[7]);
  settings.centre_scale = fractions[0];
  settings.size_scale = fractions[1];
  settings.score_threshold = fractions[2];
  settings.iou_threshold = fractions[3];
  settings.soft_sigma = fractions[4];
  if (num_levels < 0 || static_cast<std::size_t>(num_levels) > largest_number_of_levels) {
    return nullptr;
  }
  std::vector<singleshot::Level> all;
  for (int i = 0; i < num_levels; ++i, levels += 3) {
    all.push_back({levels[0], levels[1], levels[2]});
  }
  try {
    return new Decoder(settings, std::move(all), priors);
  } catch (const std::exception&) {
    return nullptr;
  }
}

SINGLESHOT_API void singleshot_delete_decoder(void* decoder) {
  delete static_cast<Decoder*>(decoder);
}

SINGLESHOT_API void singleshot_set_score_threshold(void* decoder, float score_threshold) {
  static_cast<Decoder*>(decoder)->set_score_threshold(score_threshold);
}

/// Decode raw outputs; `nhwc` tells for offsets and logits of each level in turn how they lie in
/// memory. `rows` has room for keep x 6 numbers.
SINGLESHOT_API int singleshot_decode(void* decoder, const float* const* offsets,
                                     const float* const* logits, const int* nhwc, int num_levels,
                                     int width, int height, float* rows) {
  std::array<singleshot::Output<float>, largest_number_of_levels> offset_outputs;
  std::array<singleshot::Output<float>, largest_number_of_levels> logit_outputs;
  const auto layout = [nhwc](int which) {
    return nhwc[which] != 0 ? singleshot::Layout::nhwc : singleshot::Layout::nchw;
  };
  for (int i = 0; i < num_levels; ++i) {
    const auto level = static_cast<std::size_t>(i);
    offset_outputs[level] = {offsets[level], layout(2 * i), 1.0F, 0};
    logit_outputs[level] = {logits[level], layout(2 * i + 1), 1.0F, 0};
  }
  return copy(static_cast<Decoder*>(decoder)->decode(offset_outputs.data(), logit_outputs.data(),
                                                     width, height),
              rows);
}

/// Select among decoded outputs: boxes (priors x 4) and scores (priors x columns).
SINGLESHOT_API int singleshot_select(void* decoder, const float* boxes, const float* scores,
                                     int num_columns, int first_column, int width, int height,
                                     float* rows) {
  return copy(static_cast<Decoder*>(decoder)->select(
                  boxes, scores, static_cast<std::size_t>(num_columns),
                  static_cast<std::size_t>(first_column), width, height),
              rows);
}

/// Make a resizer between sizes (height, width); `how`: 0 antialias, 1 opencv, 2 torchvision,
/// 3 tensorflow1, 4 darknet. Null for an empty image.
SINGLESHOT_API void* singleshot_new_resizer(int height, int width, int new_height, int new_width,
                                            int how) {
  try {
    return new Resizer({height, width}, {new_height, new_width},
                       static_cast<singleshot::Resize>(how));
  } catch (const std::exception&) {
    return nullptr;
  }
}

SINGLESHOT_API void singleshot_delete_resizer(void* resizer) {
  delete static_cast<Resizer*>(resizer);
}

SINGLESHOT_API void singleshot_resize_to_bytes(void* resizer, const std::uint8_t* image,
                                               std::uint8_t* result) {
  (*static_cast<Resizer*>(resizer))(image, result);
}

SINGLESHOT_API void singleshot_resize_to_floats(void* resizer, const std::uint8_t* image,
                                                float* result) {
  (*static_cast<Resizer*>(resizer))(image, result);
}
