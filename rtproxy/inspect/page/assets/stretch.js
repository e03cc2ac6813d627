// Faster or slower speech at the same pitch: waveform-similarity overlap-add (Verhelst, Roelands 1993).
//
// Frames of 40 ms are taken from the source at `speed` times the pace at which they are laid down, half
// over one another. Each is moved by up to 8 ms to where it continues the one before best.

class Stretch {
  /** `read(from, out)` adds the samples from `from` on to `out`. */
  constructor(read, rate, speed, from) {
    this.read = read;
    this.speed = speed;
    this.hop = Math.round(rate * 0.02);
    this.reach = Math.round(rate * 0.008);
    this.at = from;
    this.tail = new Float32Array(this.hop);
    this.next = null;
    this.window = Float32Array.from({ length: this.hop }, (_, i) => 0.5 - 0.5 * Math.cos((Math.PI * (i + 0.5)) / this.hop));
    this.ready = new Float32Array(0);
  }

  take(out) {
    let filled = 0;
    while (filled < out.length) {
      if (!this.ready.length) this.ready = this.frame();
      const some = Math.min(out.length - filled, this.ready.length);
      out.set(this.ready.subarray(0, some), filled);
      this.ready = this.ready.subarray(some);
      filled += some;
    }
  }

  frame() {
    const { hop, reach } = this;
    const source = new Float32Array(2 * hop + 2 * reach);
    this.read(Math.round(this.at) - reach, source);
    const shift = this.next === null ? reach : this.best(source);
    const out = new Float32Array(hop);
    for (let i = 0; i < hop; i += 1) {
      out[i] = this.tail[i] + source[shift + i] * this.window[i];
      this.tail[i] = source[shift + hop + i] * this.window[hop - 1 - i];
    }
    this.next = source.slice(shift + hop, shift + 2 * hop);
    this.at += hop * this.speed;
    return out;
  }

  /** Where in the source the sound goes on most like what came last. */
  best(source) {
    let best = this.reach;
    let most = -Infinity;
    for (let shift = 0; shift <= 2 * this.reach; shift += 2) {
      let product = 0;
      let power = 1e-6;
      for (let i = 0; i < this.hop; i += 4) {
        const value = source[shift + i];
        product += value * this.next[i];
        power += value * value;
      }
      const likeness = product / Math.sqrt(power);
      if (likeness > most) {
        most = likeness;
        best = shift;
      }
    }
    return best;
  }
}
