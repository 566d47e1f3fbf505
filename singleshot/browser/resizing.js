// From an image to the input of a model: resizing as several libraries do it, number by number as
// `singleshot.runtimes.standalone.resizing` does it in NumPy.

const fround = Math.fround;

/**
 * Resize pixels (RGBA, row by row) to [height, width], bilinearly, as the library that `how` names.
 *
 * Returns RGB (height, width, 3): bytes for `antialias` and `opencv`, which make whole numbers,
 * else a Float32Array.
 */
export function resize(image, size, how) {
  const [rows, columns] = size;
  if (how === "antialias") {
    return resizeAntialiased(image, rows, columns);
  }
  if (how === "opencv") {
    return resizeAsOpenCv(image, rows, columns);
  }
  const across = neighbours(image.width, columns, how);
  const down = neighbours(image.height, rows, how);
  return how === "tensorflow1"
    ? interpolateDownThenAcross(image, across, down)
    : interpolateAcrossThenDown(image, across, down);
}

/** Lay resized RGB (height, width, 3) out as the model takes it: normalised, typed. */
export function toInput(resized, description) {
  const { mean, std, layout, dtype } = description;
  const values = dtype === "float32" ? new Float32Array(resized.length) : new Uint8Array(resized.length);
  const plane = resized.length / 3;
  const scales = mean.some((one) => one !== 0) || std.some((one) => one !== 1);
  for (let pixel = 0, source = 0; pixel < plane; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1, source += 1) {
      let value = resized[source];
      if (scales) {
        value = fround(fround(value - fround(mean[channel])) / fround(std[channel]));
      }
      const target = layout === "NCHW" ? channel * plane + pixel : source;
      values[target] = dtype === "float32" ? value : roundHalfEven(value);
    }
  }
  return values;
}

/** Resize with antialiasing: PyTorch's kernel of whole numbers, along rows first. */
function resizeAntialiased(image, rows, columns) {
  const { data, width, height } = image;
  const across = triangle(width, columns);
  const wide = new Uint8Array(height * columns * 3);
  for (let row = 0; row < height; row += 1) {
    sumTaps(data, row * width * 4, 4, across, wide, row * columns * 3, 3);
  }
  const down = triangle(height, rows);
  const resized = new Uint8Array(rows * columns * 3);
  sumRows(wide, columns * 3, down, resized);
  return resized;
}

/** Sum weighted pixels of a row into each cell; steps are numbers from one pixel to the next. */
function sumTaps(source, start, step, { first, last, weights, taps, precision }, target, place, stride) {
  const half = 1 << (precision - 1);
  for (let cell = 0; cell < first.length; cell += 1, place += stride) {
    let red = half;
    let green = half;
    let blue = half;
    let tap = cell * taps;
    const end = start + last[cell] * step;
    for (let pixel = start + first[cell] * step; pixel < end; pixel += step, tap += 1) {
      const weight = weights[tap];
      red += source[pixel] * weight;
      green += source[pixel + 1] * weight;
      blue += source[pixel + 2] * weight;
    }
    target[place] = red >> precision;
    target[place + 1] = green >> precision;
    target[place + 2] = blue >> precision;
  }
}

/** Sum weighted rows of `length` numbers into each row of the target. */
function sumRows(source, length, { first, last, weights, taps, precision }, target) {
  const sums = new Int32Array(length);
  for (let cell = 0; cell < first.length; cell += 1) {
    sums.fill(1 << (precision - 1));
    for (let row = first[cell]; row < last[cell]; row += 1) {
      const weight = weights[cell * taps + row - first[cell]];
      const start = row * length;
      for (let place = 0; place < length; place += 1) {
        sums[place] += source[start + place] * weight;
      }
    }
    for (let place = 0; place < length; place += 1) {
      target[cell * length + place] = sums[place] >> precision;
    }
  }
}

/** Compute the pixels of each cell and their weights, in units of 2^-precision. */
function triangle(side, cells) {
  const scale = side / cells;
  const reach = Math.max(scale, 1);
  const first = new Int32Array(cells);
  const last = new Int32Array(cells);
  let taps = 0;
  for (let cell = 0; cell < cells; cell += 1) {
    const centre = scale * (cell + 0.5);
    first[cell] = Math.max(Math.trunc(centre - reach + 0.5), 0);
    last[cell] = Math.min(Math.trunc(centre + reach + 0.5), side);
    taps = Math.max(taps, last[cell] - first[cell]);
  }
  const shares = new Float64Array(cells * taps);
  let largest = 0;
  for (let cell = 0; cell < cells; cell += 1) {
    const centre = scale * (cell + 0.5);
    const count = last[cell] - first[cell];
    const part = shares.subarray(cell * taps, cell * taps + count);
    let total = 0;
    for (let tap = 0; tap < count; tap += 1) {
      part[tap] = Math.max(1 - Math.abs((first[cell] + tap - centre + 0.5) * (1 / reach)), 0);
      total += part[tap];
    }
    for (let tap = 0; tap < count; tap += 1) {
      part[tap] /= total;
      largest = Math.max(largest, part[tap]);
    }
  }
  // The most digits that the largest weight has in 16 bits.
  let precision = 0;
  while (precision < 22 && Math.trunc(0.5 + largest * 2 ** (precision + 1)) < 1 << 15) {
    precision += 1;
  }
  const weights = Int32Array.from(shares, (one) => Math.trunc(one * 2 ** precision + 0.5));
  return { first, last, weights, taps, precision };
}

/** Return the two pixels around each cell of the result, and the second one's part. */
function neighbours(side, cells, how) {
  const first = new Int32Array(cells);
  const second = new Int32Array(cells);
  const part = new Float32Array(cells);
  for (let cell = 0; cell < cells; cell += 1) {
    const place = placeOf(cell, side, cells, how);
    const before = Math.floor(place);
    first[cell] = Math.min(Math.max(before, 0), side - 1);
    second[cell] = Math.min(Math.max(before + 1, 0), side - 1);
    part[cell] = place - before;
  }
  return { first, second, part };
}

/** Return where a cell's centre lies among the pixels, in the precision of each library. */
function placeOf(cell, side, cells, how) {
  switch (how) {
    case "tensorflow1":
      return fround(cell * fround(side / cells));
    case "darknet":
      return fround(cell * fround((side - 1) / Math.max(cells - 1, 1)));
    case "opencv":
      return fround((cell + 0.5) * (1 / (cells / side)) - 0.5);
    case "torchvision":
      return Math.max(fround(fround(fround(side / cells) * fround(cell + 0.5)) - 0.5), 0);
    default:
      throw new Error(`resize: ${how} is not known; use files of one version of singleshot`);
  }
}

function interpolateAcrossThenDown(image, across, down) {
  const columns = across.part.length;
  const resized = new Float32Array(down.part.length * columns * 3);
  let place = 0;
  for (let row = 0; row < down.part.length; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      for (let channel = 0; channel < 3; channel += 1, place += 1) {
        const upper = between(image, down.first[row], across, column, channel);
        const lower = between(image, down.second[row], across, column, channel);
        resized[place] = blend(upper, lower, down.part[row]);
      }
    }
  }
  return resized;
}

function interpolateDownThenAcross(image, across, down) {
  const { data, width } = image;
  const columns = across.part.length;
  const resized = new Float32Array(down.part.length * columns * 3);
  let place = 0;
  for (let row = 0; row < down.part.length; row += 1) {
    const upper = down.first[row] * width;
    const lower = down.second[row] * width;
    for (let column = 0; column < columns; column += 1) {
      for (let channel = 0; channel < 3; channel += 1, place += 1) {
        const before = across.first[column];
        const after = across.second[column];
        const left = blendAt(data, 4 * (upper + before) + channel, 4 * (lower + before) + channel, down.part[row]);
        const right = blendAt(data, 4 * (upper + after) + channel, 4 * (lower + after) + channel, down.part[row]);
        resized[place] = blend(left, right, across.part[column]);
      }
    }
  }
  return resized;
}

/** Interpolate within a row of the image. */
function between({ data, width }, row, across, column, channel) {
  const start = row * width;
  return blend(
    data[(start + across.first[column]) * 4 + channel],
    data[(start + across.second[column]) * 4 + channel],
    across.part[column],
  );
}

function blendAt(data, one, other, part) {
  return blend(data[one], data[other], part);
}

function blend(one, other, part) {
  return fround(one + fround(fround(other - one) * part));
}

/** Resize as INTER_LINEAR does bytes: weights are whole numbers of 1/2048. */
function resizeAsOpenCv(image, rows, columns) {
  const { data, width, height } = image;
  const across = neighbours(width, columns, "opencv");
  const down = neighbours(height, rows, "opencv");
  const resized = new Uint8Array(rows * columns * 3);
  let place = 0;
  for (let row = 0; row < rows; row += 1) {
    const above = roundHalfEven(fround(1 - down.part[row]) * 2048);
    const below = roundHalfEven(down.part[row] * 2048);
    const top = down.first[row] * width;
    const bottom = down.second[row] * width;
    for (let column = 0; column < columns; column += 1) {
      const left = across.first[column];
      const right = across.second[column];
      // Beyond the first and the last column there is no second one.
      const alone = left === right;
      const before = alone ? 2048 : roundHalfEven(fround(1 - across.part[column]) * 2048);
      const after = alone ? 0 : roundHalfEven(across.part[column] * 2048);
      for (let channel = 0; channel < 3; channel += 1, place += 1) {
        const upper =
          (data[(top + left) * 4 + channel] * before + data[(top + right) * 4 + channel] * after) >> 4;
        const lower =
          (data[(bottom + left) * 4 + channel] * before +
            data[(bottom + right) * 4 + channel] * after) >> 4;
        resized[place] = (((upper * above) >> 16) + ((lower * below) >> 16) + 2) >> 2;
      }
    }
  }
  return resized;
}

/** Round to whole numbers as NumPy's `rint`: halves to the even one. */
function roundHalfEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
