// Both sides' audio on the tape's clock: which samples sound when, as delivered and as heard.

class Side {
  constructor(name, facts) {
    this.name = name;
    this.facts = facts;
    this.reel = facts.length > 0 && !facts.cut ? new Reel(name, facts) : null;
    const delivered = (this.reel && facts.delivered) || [];
    this.parts = { delivered, heard: (this.reel && facts.heard) || delivered };
    this.unheard = (this.reel && facts.unheard) || [];
  }

  get there() {
    return this.parts.delivered.length > 0;
  }

  end(part) {
    return part[0] + (part[2] * 1000) / this.reel.rate;
  }

  /** The parts that sound between two times: [t_ms, first sample, samples]. */
  within(mode, from, to) {
    return this.parts[mode].filter((part) => part[0] < to && this.end(part) > from);
  }

  async ensure(mode, from, to) {
    for (const [t, first, count] of this.within(mode, from, to)) {
      const start = first + Math.max(0, Math.floor(((from - t) * this.reel.rate) / 1000));
      const end = first + Math.min(count, Math.ceil(((to - t) * this.reel.rate) / 1000));
      await this.reel.ensure(start, end);
    }
  }

  /** Add what sounds from sample `from` of a clock of `rate` Hz on to `out`; what is not there is silent. */
  fill(mode, rate, from, out) {
    const ms = 1000 / rate;
    for (const [t, first, count] of this.within(mode, from * ms, (from + out.length) * ms)) {
      const begin = Math.round(t / ms);
      const ratio = this.reel.rate / rate;
      const start = Math.max(0, begin - from);
      const end = Math.min(out.length, Math.floor(begin - from + count / ratio));
      if (ratio === 1) this.copy(first + from + start - begin, end - start, out, start);
      else this.interpolate(first, (from - begin) * ratio, ratio, start, end, out);
    }
  }

  copy(first, count, out, at) {
    while (count > 0) {
      const piece = this.reel.piece(Math.floor(first / PIECE));
      const offset = first % PIECE;
      const some = Math.min(count, PIECE - offset);
      if (piece) for (let i = 0; i < some; i += 1) out[at + i] += piece[offset + i] / 32768;
      first += some;
      at += some;
      count -= some;
    }
  }

  interpolate(first, offset, ratio, start, end, out) {
    for (let i = start; i < end; i += 1) {
      const place = offset + i * ratio;
      const whole = Math.floor(place);
      const before = this.sample(first + whole);
      out[i] += (before + (this.sample(first + whole + 1) - before) * (place - whole)) / 32768;
    }
  }

  sample(index) {
    const piece = this.reel.piece(Math.floor(index / PIECE));
    return piece ? piece[index % PIECE] || 0 : 0;
  }
}

const sides = {
  caller: new Side('caller', audioMap.caller),
  assistant: new Side('assistant', audioMap.assistant),
};
