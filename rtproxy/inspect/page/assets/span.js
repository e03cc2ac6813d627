// The part of the call's time that is in view, the same for all lanes.

const LEAST_MS = 2;
const EASE_MS = 180;

class Span {
  constructor(end) {
    this.limit = end;
    this.start = 0;
    this.end = end;
    this.changed = new Signal(0);
    this.goal = null;
    this.frame = 0;
  }

  get ms() {
    return this.end - this.start;
  }

  /** Show the time from `start` to `end`, as far as there is any. */
  show(start, end, { eased = false } = {}) {
    const ms = Math.min(Math.max(end - start, LEAST_MS), this.limit);
    const from = Math.min(Math.max(0, start), this.limit - ms);
    if (eased && !stillness.matches && !document.hidden) this.ease(from, from + ms);
    else this.put(from, from + ms);
  }

  put(start, end) {
    cancelAnimationFrame(this.frame);
    this.goal = null;
    this.move(start, end);
  }

  move(start, end) {
    this.start = start;
    this.end = end;
    this.changed.set(this.changed.value + 1);
  }

  ease(start, end) {
    cancelAnimationFrame(this.frame);
    const [from, to] = [this.start, this.end];
    const begun = performance.now();
    this.goal = [start, end];
    const step = (time) => {
      const part = Math.min(1, Math.max(0, (time - begun) / EASE_MS));
      const eased = 1 - (1 - part) ** 3;
      this.move(from + (start - from) * eased, to + (end - to) * eased);
      if (part < 1) this.frame = requestAnimationFrame(step);
      else this.goal = null;
    };
    this.frame = requestAnimationFrame(step);
  }

  /** Make what is seen `factor` times as long, about the time `at`. */
  zoom(factor, at, options) {
    const [start, end] = this.goal || [this.start, this.end];
    const ms = Math.min(Math.max((end - start) * factor, LEAST_MS), this.limit);
    const part = (at - start) / (end - start);
    this.show(at - part * ms, at - part * ms + ms, options);
  }

  pan(ms, options) {
    const [start, end] = this.goal || [this.start, this.end];
    this.show(start + ms, end + ms, options);
  }

  fit(options) {
    this.show(0, this.limit, options);
  }

  /** Move just so far that `ms` is in view. */
  reveal(ms) {
    const [start, end] = this.goal || [this.start, this.end];
    const margin = (end - start) * 0.08;
    if (ms >= start + margin && ms <= end - margin) return;
    if (ms < start || ms > end) this.show(ms - (end - start) * 0.3, ms + (end - start) * 0.7, { eased: true });
  }
}

const span = new Span(total);
