"""Every number that the rules of `train auto` use, with the reason for its value.

To change a rule, change it here. "Measured" names the benchmark; the others are estimates.
"""

from __future__ import annotations

__all__: list[str] = []  # imported as a module: constants.ENOUGH_STEPS

# The recipe that is changed, unless a detector to start from keeps its own.
BASE = "ssdlite320-lite0"
# What is suggested to start from where no detector is given: the smallest that can be downloaded.
SUGGESTED_START = "ssdlite320-coco"
# The learning rate and the weight decay of each optimizer, and the images a step that they are for.
BASE_RATES = {"adamw": (3e-3, 0.05), "sgd": (0.02, 4e-5)}
BASE_BATCH = 8
# The same for a start from a detector that does not know all classes, with AdamW. Measured on a
# COCO detector of 0.8 GMAC, four minutes: AP 0.617 instead of 0.525 with SGD on plates, on cells
# 0.595 instead of 0.572 (benchmarks/results/auto.md). Larger networks keep their own rates.
START_RATES = (1e-3, 0.05)
SMALL_MACS = 5e9
# The rate of the base's levels on a start's backbone, and that of the backbone as a part of it.
# Measured as above: AP 0.710 on plates, 0.607 on cells; with one rate for both 0.396 on cells.
NEW_LEVELS_RATE, TRAINED_BACKBONE_RATE = 2e-3, 0.15
# The rate of ImageNet's backbone as a part of the others', where half of the objects have this part
# of the image's side (√area) or more. Measured where it is 0.35 to 0.69: with 5 images of a class
# 0.1 was best by far, with 92 and 98 0.1 to 0.3; where it is 0.07 to 0.19 the full rate was as good
# or better (benchmarks/results/auto.md).
LARGE_OBJECT, LEAST_BACKBONE_RATE = 0.3, 0.1
# Images of the middle class, or of all, from which on the full rate is taken: estimates.
FULL_RATE_IMAGES = 400, 4000
BASE_MACS = 0.82e9  # multiply-adds of the recipe at REFERENCE_PIXELS (models show)
SAME_COST = 1.5  # times these multiply-adds, up to which the network counts as the recipe's
REFERENCE_INPUT = 320, 320
REFERENCE_PIXELS = 320 * 320
BASE_STRIDES = (8, 16, 32)  # of its backbone's levels …
EXTRA_LEVELS = 3  # … and how many the pyramid adds

# --- Looking at the data -------------------------------------------------------------------------
MOST_MATCHED = 3000  # objects whose best priors are computed
MOST_LOOKED_AT = 2000  # images whose headers and objects are read: 0.1 s, whatever the data's size
SMALL_PART = 0.10  # of the objects: how small they are decides on the input and the levels
SMALLEST_PART = 0.05  # of the objects: how small they are decides on the smallest priors
LARGE_PART = 0.95  # of the objects: how large the others are
# An object counts as 1 / √(objects of its class): AP is the mean over classes, so that a rare class
# of small objects matters, but a class of a single object does not decide.
CLASS_EXPONENT = -0.5

# --- Input ---------------------------------------------------------------------------------------
SIDE_MULTIPLE = 32  # pixels; strides of the backbone's levels divide it
NEARLY_SQUARE = 1.3  # ratio of objects up to which the input has the images' shape
LONGEST_INPUT = 4.0  # times the shorter side
LEAST_OBJECT_SIDE = 16.0  # pixels of √area that all but SMALL_PART should have: two cells of 8
LEAST_PIXELS, MOST_PIXELS = 128 * 128, 640 * 640  # of the input
UPSCALING = 1.5  # times the pixels of the images: more shows nothing new
# Within a time budget, whatever the objects' size: twice the pixels. Measured on cells, twenty
# minutes: AP 0.628 instead of 0.615 (benchmarks/results/auto.md). A detection takes 1.5 to 2 times
# as long.
LARGER_INPUT = 448, 448
# Steps that a larger input leaves at least. With 650 for objects of any size, accuracy on test
# images was that of half the pixels and twice the steps.
ENOUGH_STEPS, FEWEST_STEPS = 900, 450  # the fewer, the smaller the objects are
# From a detector 450 are enough: with a COCO detector AP on plates was 0.701 after 478 steps at
# 416 x 416, 0.617 after 820 at its own 300 x 300.
LEAST_PIXELS_IN_TIME = 224 * 224  # however short the time: fewer show too little

# --- Large images --------------------------------------------------------------------------------
# Images are shrunk to so many times the input before they are cached and augmented: crops show a
# part of an image, most of them more than half of each side. Measured on photographs of 10
# megapixels: twice the steps in the same time, and 5 points of AP (benchmarks/results/auto.md).
CACHE_SIDE_PER_INPUT = 2.0
# Sides of all images are so many times larger than that, by the sum of their pixels: less is not
# worth another resizing.
LEAST_SHRINKING = 1.5
CACHE_SIDE_PART = 0.9  # of the images have so many times the input at least, whatever their shape

# --- Levels --------------------------------------------------------------------------------------
FINE_STRIDE = 4
# Measured on held-out images of circuit boards and traffic: 3 to 5 points of AP at equal time,
# where 42 to 92 % of the objects are below 20 pixels (benchmarks/results/auto.md).
FINE_OBJECT_SIDE = 20.0  # pixels of √area below which a cell of 8 pixels is too coarse …
FINE_PART = 0.25  # … where it is this part of the objects
FINE_COST = 1.26  # times the time of a step: measured, 353 ms instead of 280

# --- Priors --------------------------------------------------------------------------------------
# The recipe's sizes as fractions of √(pixels of the input), and how far each follows the smallest
# one when that becomes smaller. The others stay: each is three strides of its level, as it has to
# be for an IoU of 0.5 wherever an object lies between the centres.
PRIOR_SIZES = (0.075, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0)
FOLLOWING = (1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0)
SMALLEST_PRIOR = 0.01  # lower bound of the smallest size
# The smallest size is so many times that of the objects that SMALLEST_PART is below. Measured: IoU
# of 0.5 or more with 0.89 of the objects of plates and 0.83 of traffic; with 1.0, 0.85 and 0.76.
FIRST_PRIOR = 1.3
LEAST_PRIOR_STRIDES = 2.0  # smaller priors lie too far apart: COCO's coverage falls
SAME_PRIOR_SIZES = 0.02  # difference up to which the sizes of a start are not changed
LONG_OBJECT, LONG_PART = 2.4, 0.2  # aspect ratio between 2 and 3; part of the objects above it
VERY_LONG_OBJECT, VERY_LONG_PART = 4.0, 0.1  # the same for a ratio of 5

# --- Detections ----------------------------------------------------------------------------------
KEPT_PER_OBJECT = 2  # of a crowded image: some detections are false
CANDIDATES_PER_KEPT = 2  # as in the recipe: 400 for 200

# --- Batch, rate, epochs -------------------------------------------------------------------------
# Seconds of a training step for an image of REFERENCE_PIXELS, its data included.
CPU_SECONDS = 0.035  # on CPU_CORES cores: measured, 280 ms for 8
CPU_CORES = 2
MOST_CORES = 8  # more make the small network of an SSDLite hardly faster
GPU_SECONDS = 0.002  # a guess: not measured on a GPU yet
MOST_SLOWDOWN = 4.0  # measured in a busy moment, more would choose an input too small for objects
FOR_STEPS = 0.8  # of a time budget: the rest is setting up, validations and the report

CPU_BATCH, SHORT_STEP_BATCH = 8, 16
SHORT_STEP_PIXELS = 176 * 176  # below which a step of 8 images spends its time on overhead
GPU_BATCH = 32
LEAST_STEPS_AN_EPOCH = 30  # on a GPU, a smaller batch is taken for fewer
LARGEST_RATE_FACTOR = 4.0  # times the base's batch, up to which the rate is scaled

FEW_IMAGES, FEW_IMAGES_EPOCHS = 500, 40  # the recipe's epochs: 40 on 292 images (BCCD)
MANY_IMAGES, MANY_IMAGES_EPOCHS = 100_000, 12  # COCO's usual short schedule
STEPS_WITHOUT_BUDGET = 1500  # at least, however few images there are
START_PART = 0.5  # of the epochs, for a start from a detector …
KNOWN_PART = 0.25  # … and for one that knows all classes: benchmarks/results/starts.md
NUM_VALIDATIONS = 15  # about, over the training

# Rare classes: √(threshold / share of the images) times as often (Gupta et al. 2019).
UNBALANCED = 0.2  # share of the rarest class' images, as a part of the most frequent one's
MOST_REPEATED = 5.0  # times, of the rarest class that has …
LEAST_REPEATED_IMAGES = 10  # … so many images: a slip of the pen does not decide for the others

AVERAGED_PART = 0.06  # of the steps that the average of weights reaches back
MOST_AVERAGED = 5000  # steps
LEAST_AVERAGED = 400  # fewer: the recipe's, which a short training approaches from below
USUAL_AVERAGED = 200  # steps of the recipe's average

# --- Augmentation --------------------------------------------------------------------------------
# After 500 steps, weaker crops and expansion were better on five of five data sets, by 0.033 COCO
# AP in the mean of four with the same flips; no expansion at all was worse
# (benchmarks/results/auto.md). After 1,370 steps both are equal.
SHORT_STEPS = 1400
SHORT_EXPANSION, SHORT_CROPS = 2.0, 0.5  # largest factor; part of the images that is cropped
FULL_EXPANSION, FULL_CROPS = 4.0, 1.0  # the paper's
TINY_OBJECT_SIDE = 20.0  # pixels of the smallest objects that expansion by more makes vanish

# --- Validation ----------------------------------------------------------------------------------
# Fewer objects than this, and the line has how uncertain an AP50 of 0.7 measured on them is.
FEW_VALIDATION_OBJECTS = 400
FEW_VALIDATION_IMAGES = 30
UNCERTAIN_AT = 0.7

# Within a time budget, images are validated on that take this part of it, in all validations and
# the report; of each the seconds of a detection, for the base recipe, and of its place in the
# report.
VALIDATED_PART = 0.2
DETECTION_SECONDS, REPORT_SECONDS = 0.03, 0.02
FEWEST_VALIDATIONS = 2  # the last one, and that of the report

# --- Limits --------------------------------------------------------------------------------------
MOST_TRIES = 20  # inputs that are tried: a part of the time does not depend on them
TIMED, WARM_UP = 9, 3  # detections that are timed, and those before them
SMALLEST_LIMITED_PIXELS = 64 * 64  # of an input: smaller ones show nothing
SHRINK = 0.97  # the next try aims at this part of a limit
