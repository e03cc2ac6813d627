// Draws the lanes on a canvas for the span that is in view.

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5];
const LEAST_GAIN = 0.12;

class Drawing {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.width = 0;
  }

  /** Fit the canvas to a size in CSS pixels. */
  size(width, height) {
    const ratio = Math.min(3, devicePixelRatio || 1);
    this.width = width;
    this.height = height;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.hair = 1 / ratio;
  }

  x(t) {
    return lanes.gutter + ((t - span.start) / span.ms) * (this.width - lanes.gutter);
  }

  t(x) {
    return span.start + ((x - lanes.gutter) / (this.width - lanes.gutter)) * span.ms;
  }

  draw() {
    const { context: c, width, height } = this;
    this.colours = theme.colours;
    c.clearRect(0, 0, width, height);
    this.ruler();
    c.save();
    c.beginPath();
    c.rect(lanes.gutter, 0, width - lanes.gutter, height);
    c.clip();
    for (const lane of lanes.list) this[lane.key](lane);
    c.restore();
    this.labels();
  }

  text(words, x, y, colour, { weight = 400, size = 11, align = 'left' } = {}) {
    const { context: c } = this;
    c.font = `${weight} ${size}px ${theme.font}`;
    c.fillStyle = colour;
    c.textAlign = align;
    c.textBaseline = 'middle';
    c.fillText(words, x, y);
  }

  band(start, end, top, height, colour, radius = 3) {
    const { context: c } = this;
    const left = this.x(start);
    const width = Math.max(1.5, this.x(end) - left);
    if (left > this.width || left + width < lanes.gutter) return;
    c.fillStyle = colour;
    c.beginPath();
    c.roundRect(left, top, width, height, Math.min(radius, width / 2));
    c.fill();
  }

  /** Slanting lines over a stretch of time: nothing was to be heard there. */
  hatch(start, end, top, height, colour) {
    const { context: c } = this;
    const left = Math.max(lanes.gutter, this.x(start));
    const right = Math.min(this.width, Math.max(this.x(end), this.x(start) + 1.5));
    if (right <= left) return;
    c.save();
    c.beginPath();
    c.rect(left, top, right - left, height);
    c.clip();
    c.strokeStyle = colour;
    c.lineWidth = 1;
    c.beginPath();
    for (let x = left - height - (left % 6); x < right; x += 6) {
      c.moveTo(x, top + height);
      c.lineTo(x + height, top);
    }
    c.stroke();
    c.restore();
  }

  ruler() {
    const { context: c, width, height } = this;
    const room = (width - lanes.gutter) / 84;
    const step = STEPS.find((one) => span.ms / one <= room) || 10 ** Math.ceil(Math.log10(span.ms / room));
    const fine = step / (String(step).startsWith('2') ? 4 : 5);
    c.save();
    c.beginPath();
    c.rect(lanes.gutter, 0, width - lanes.gutter, height);
    c.clip();
    c.lineWidth = 1;
    for (let n = Math.floor(span.start / fine); n * fine <= span.end; n += 1) {
      const x = Math.round(this.x(n * fine)) + 0.5;
      const whole = Math.abs((n * fine) / step - Math.round((n * fine) / step)) < 1e-6;
      c.strokeStyle = whole ? this.colours.grid : this.colours.line;
      c.beginPath();
      c.moveTo(x, whole ? RULER - 8 : RULER - 4);
      c.lineTo(x, whole ? height : RULER);
      c.stroke();
      if (whole) this.text(tick(n * fine, step), x + 4, 10, this.colours.soft);
    }
    c.restore();
    for (const lane of lanes.list) {
      c.fillStyle = this.colours.line;
      c.fillRect(0, lane.top - this.hair, width, this.hair);
    }
  }

  labels() {
    const { context: c } = this;
    if (!lanes.gutter) {
      for (const lane of lanes.list) {
        if (lane.height < 40) continue;
        c.font = `600 10px ${theme.font}`;
        const width = c.measureText(lane.name).width;
        c.globalAlpha = 0.8;
        c.fillStyle = this.colours.panel;
        c.fillRect(0, lane.top + lane.height - 15, width + 10, 14);
        c.globalAlpha = 1;
        this.text(lane.name, 5, lane.top + lane.height - 8, this.colours[lane.key] || this.colours.soft, { size: 10, weight: 600 });
      }
      return;
    }
    c.fillStyle = this.colours.panel;
    c.fillRect(0, 0, lanes.gutter - 1, this.height);
    for (const lane of lanes.list) {
      c.fillStyle = this.colours.line;
      c.fillRect(0, lane.top - this.hair, lanes.gutter, this.hair);
      this.text(lane.name, 14, lane.top + lane.height / 2, this.colours[lane.key] || this.colours.soft, { weight: 500, size: 12 });
    }
    c.fillStyle = this.colours.line;
    c.fillRect(lanes.gutter - 1, 0, this.hair, this.height);
  }

  caller(lane) {
    const top = lane.top + 3;
    const height = lane.height - 6;
    for (const speech of call.lanes.speech) {
      this.band(speech.start, speech.silent, top, height, this.colours['caller-band']);
      this.hatch(speech.silent, speech.over, top, height, this.colours['caller-band']);
    }
    this.wave(lane, sides.caller, sides.caller.parts.delivered, this.colours.caller);
    this.numbers(top);
  }

  turns(lane) {
    this.numbers(lane.top + (lane.height - 14) / 2);
  }

  /** Turns by number where they begin, as far as there is room. */
  numbers(top) {
    const { context: c } = this;
    let free = -Infinity;
    for (const turn of call.lanes.turns) {
      const x = this.x(turn.t);
      const words = String(turn.n);
      const room = 8 + words.length * 6.5;
      if (x < lanes.gutter - room || x > this.width || x < free) continue;
      free = x + room + 2;
      c.fillStyle = this.colours.caller;
      c.beginPath();
      c.roundRect(x, top, room, 14, [3, 3, 3, 0]);
      c.fill();
      this.text(words, x + room / 2, top + 7.5, this.colours.panel, { weight: 650, size: 10, align: 'center' });
    }
  }

  assistant(lane) {
    const top = lane.top + 3;
    const height = lane.height - 6;
    const side = sides.assistant;
    for (const track of call.lanes.tracks) {
      for (const [from, to] of track.heard) this.band(from, to, top, height, this.colours['assistant-band']);
      if (track.unheard && page.mode.value === 'heard') this.hatch(track.unheard[0], track.unheard[1], top, height, this.colours.unheard);
    }
    if (page.mode.value === 'heard') {
      this.wave(lane, side, side.unheard, this.colours.unheard);
      this.wave(lane, side, side.parts.heard, this.colours.assistant);
    } else {
      this.wave(lane, side, side.parts.delivered, this.colours.assistant);
    }
    for (const track of call.lanes.tracks) {
      for (const [from, to] of track.dry) {
        if (page.mode.value !== 'heard') continue;
        this.band(from, to, top, height, this.colours.panel, 0);
        this.hatch(from, to, top, height, this.colours['error-band']);
        const left = Math.max(lanes.gutter, this.x(from));
        if (this.x(to) - left > 44) this.text('ran dry', (left + this.x(to)) / 2, lane.top + lane.height / 2, this.colours.error, { size: 11, weight: 600, align: 'center' });
      }
    }
  }

  responses(lane) {
    const { context: c } = this;
    const middle = lane.top + lane.height / 2;
    let free = -Infinity;
    for (const one of call.lanes.responses) {
      const [start, first, done] = [this.x(one.start), this.x(one.first), this.x(one.done)];
      if (done < lanes.gutter || start > this.width) continue;
      const half = one.outside ? 2 : 4;
      c.strokeStyle = this.colours.soft;
      c.setLineDash([2, 2]);
      c.beginPath();
      c.moveTo(Math.max(start, lanes.gutter - 4), middle + 0.5);
      c.lineTo(Math.min(first, this.width + 4), middle + 0.5);
      c.stroke();
      c.setLineDash([]);
      c.fillStyle = this.colours.soft;
      c.fillRect(start - 0.5, middle - 4, 1, 9);
      if (one.done > one.first) this.band(one.first, one.done, middle - half, half * 2 + 1, this.colours.response, 2);
      const [sign, tone] = ENDS[one.status] || ENDS.open;
      if (done < free && tone === 'good') continue;
      free = done + 9;
      this.text(sign, Math.max(done, start + 3) + 3, middle + 0.5, this.colours[tone], { weight: 700, size: 12 });
    }
  }

  /** Calls of functions, by name as far as there is room before the next one. */
  tools(lane) {
    const { context: c } = this;
    const room = [];
    for (const tool of [...call.lanes.tools].reverse()) {
      const middle = lane.top + lane.height / 2 + (tool.row - (lanes.rows - 1) / 2) * 14;
      this.band(tool.start, Math.max(tool.end, tool.start), middle - 5, 10, this.colours.tool, 2);
      const after = Math.max(this.x(tool.end), this.x(tool.start) + 2) + 6;
      const words = `${tool.name || 'a function'}()${tool.open ? ' no output' : ''}`.slice(0, 60);
      const over = room[tool.row] ?? Infinity;
      room[tool.row] = this.x(tool.start);
      c.font = `400 11px ${theme.font}`;
      if (after > this.width || after + c.measureText(words).width + 4 > over) continue;
      this.text(words, after, middle + 0.5, this.colours.tool, { size: 11 });
    }
  }

  marks(lane) {
    const middle = lane.top + lane.height / 2;
    let free = -Infinity;
    for (const mark of lanes.marks()) {
      const x = this.x(mark.t);
      if (x < lanes.gutter - 20 || x > this.width + 20 || (x < free - 12 && mark.tone !== 'error')) continue;
      const colour = this.colours[mark.tone];
      this.sign(mark, x, middle, colour);
      if (x < free) continue;
      free = x + 20;
      if (mark.number) this.text(String(mark.number), x + 8, middle + 0.5, colour, { size: 11, weight: 650 });
    }
  }

  sign(mark, x, y, colour) {
    const { context: c } = this;
    c.fillStyle = colour;
    c.strokeStyle = colour;
    c.lineWidth = 1.8;
    c.beginPath();
    if (!mark.number) {
      for (const slope of [1, -1]) {
        c.moveTo(x - 3, y - 3 * slope);
        c.lineTo(x + 3, y + 3 * slope);
      }
      c.stroke();
      c.lineWidth = 1;
      return;
    }
    if (mark.tone === 'info') c.arc(x, y, 4.5, 0, 7);
    else if (mark.tone === 'error') c.rect(x - 4.5, y - 4.5, 9, 9);
    else {
      c.moveTo(x, y - 5);
      c.lineTo(x + 5.5, y + 4.5);
      c.lineTo(x - 5.5, y + 4.5);
    }
    c.fill();
    c.lineWidth = 1;
  }

  /** The waveform of parts of a reel: between the extremes of each pixel's samples. */
  wave(lane, side, parts, colour) {
    const { reel } = side;
    if (!reel || !reel.peaks || !parts.length) return;
    const { context: c } = this;
    const middle = lane.top + lane.height / 2;
    const scale = (lane.height / 2 - 5) / Math.max(LEAST_GAIN, reel.peaks.loudest);
    const step = Math.max(this.hair, 0.5);
    const perPixel = (span.ms / (this.width - lanes.gutter)) * (reel.rate / 1000);
    c.fillStyle = colour;
    for (const part of parts) {
      const left = Math.max(lanes.gutter, this.x(part[0]));
      const right = Math.min(this.width, this.x(side.end(part)));
      if (right <= left) continue;
      const fine = perPixel < reel.bucket;
      if (fine && perPixel < 6 && this.line(side, part, left, right, middle, scale, perPixel, colour)) continue;
      c.beginPath();
      for (let x = Math.floor(left / step) * step; x < right; x += step) {
        const from = part[1] + ((this.t(x) - part[0]) * reel.rate) / 1000;
        this.column(reel, part, from, from + perPixel * step, fine, x, step, middle, scale);
      }
      c.fill();
    }
  }

  column(reel, part, from, to, fine, x, step, middle, scale) {
    from = Math.max(part[1], Math.floor(from));
    to = Math.min(part[1] + part[2], Math.max(from + 1, Math.ceil(to)));
    if (to <= from) return;
    const out = [1, -1];
    const piece = fine ? reel.piece(Math.floor(from / PIECE)) : null;
    if (piece) {
      const first = from % PIECE;
      for (let i = first; i < Math.min(piece.length, first + to - from); i += 1) {
        const value = piece[i] / 32768;
        if (value < out[0]) out[0] = value;
        if (value > out[1]) out[1] = value;
      }
    } else {
      reel.peaks.extremes(from, to, out);
    }
    if (out[1] < out[0]) return;
    const high = out[1] * scale;
    const low = out[0] * scale;
    this.context.rect(x, middle - high, step, Math.max(this.hair, high - low));
  }

  /** Single samples, joined by a line; false while they are not there. */
  line(side, part, left, right, middle, scale, perPixel, colour) {
    const { context: c } = this;
    const { reel } = side;
    const first = part[1] + Math.max(0, Math.floor(((this.t(left) - part[0]) * reel.rate) / 1000) - 1);
    const last = Math.min(part[1] + part[2] - 1, part[1] + Math.ceil(((this.t(right) - part[0]) * reel.rate) / 1000) + 1);
    if (!reel.piece(Math.floor(first / PIECE)) || !reel.piece(Math.floor(last / PIECE))) return false;
    const begin = this.x(part[0] + ((first - part[1]) * 1000) / reel.rate);
    c.beginPath();
    for (let i = first; i <= last; i += 1) {
      c.lineTo(begin + (i - first) / perPixel, middle - (side.sample(i) / 32768) * scale);
    }
    c.strokeStyle = colour;
    c.lineWidth = 1.2;
    c.stroke();
    c.lineWidth = 1;
    if (perPixel < 0.15) {
      c.beginPath();
      for (let i = first; i <= last; i += 1) {
        c.rect(begin + (i - first) / perPixel - 1.5, middle - (side.sample(i) / 32768) * scale - 1.5, 3, 3);
      }
      c.fill();
    }
    return true;
  }
}

function tick(ms, step) {
  if (step < 1000 && ms < 60_000) return step < 100 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
  if (ms < 60_000 && total < 60_000) return `${Math.round(ms / 1000)} s`;
  return clock(ms, step);
}
