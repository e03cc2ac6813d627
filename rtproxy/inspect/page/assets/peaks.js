// Lowest and highest sample of each stretch of audio, at any coarseness.

const SQUARES = Float32Array.from({ length: 256 }, (_, byte) => {
  const value = byte < 128 ? byte : byte - 256;
  return (Math.sign(value) * value * value) / (127 * 127);
});

class Peaks {
  /** `pairs` are signed bytes, lowest and highest of each `bucket` samples, as square roots. */
  constructor(pairs, bucket) {
    const finest = new Float32Array(pairs.length);
    let loudest = 0;
    for (let i = 0; i < pairs.length; i += 1) {
      finest[i] = SQUARES[pairs[i]];
      loudest = Math.max(loudest, Math.abs(finest[i]));
    }
    this.loudest = loudest;
    this.bucket = bucket;
    this.levels = [finest];
    while (this.levels[this.levels.length - 1].length > 64) this.levels.push(Peaks.coarser(this.levels[this.levels.length - 1]));
  }

  static coarser(level) {
    const count = Math.ceil(level.length / 8);
    const coarse = new Float32Array(count * 2);
    for (let i = 0; i < count; i += 1) {
      let low = 1;
      let high = -1;
      for (let j = i * 8; j < Math.min(i * 8 + 8, level.length); j += 2) {
        low = Math.min(low, level[j]);
        high = Math.max(high, level[j + 1]);
      }
      coarse[i * 2] = low;
      coarse[i * 2 + 1] = high;
    }
    return coarse;
  }

  /** Put the extremes of the samples `from` to `to` into `out`. */
  extremes(from, to, out) {
    let size = this.bucket;
    let depth = 0;
    while (depth + 1 < this.levels.length && size * 4 <= to - from) {
      size *= 4;
      depth += 1;
    }
    const level = this.levels[depth];
    const last = Math.min(Math.max(Math.floor(from / size) + 1, Math.ceil(to / size)), level.length / 2);
    for (let i = Math.floor(from / size); i < last; i += 1) {
      out[0] = Math.min(out[0], level[i * 2]);
      out[1] = Math.max(out[1], level[i * 2 + 1]);
    }
  }
}
