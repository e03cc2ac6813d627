// The whole call in a strip, with the window that the lanes show: drag it, or an edge of it.

const EDGE = 7;

const overview = {
  start() {
    this.canvas = byId('overview');
    this.drawing = new Drawing(this.canvas);
    this.ground = document.createElement('canvas');
    new ResizeObserver(() => this.resize()).observe(this.canvas.parentElement);
    this.canvas.addEventListener('pointerdown', (event) => this.grab(event));
    this.canvas.addEventListener('pointermove', (event) => this.hover(event));
    span.changed.watch(() => this.soon());
    page.now.watch(() => this.soon());
    theme.changed.watch(() => this.paint());
  },

  resize() {
    const width = this.canvas.parentElement.clientWidth;
    if (width) {
      this.drawing.size(width, narrow.matches ? 24 : 30);
      this.paint();
    }
  },

  x(t) {
    return lanes.gutter + (t / total) * (this.drawing.width - lanes.gutter);
  },

  t(x) {
    return Math.min(Math.max(0, (x - lanes.gutter) / (this.drawing.width - lanes.gutter)), 1) * total;
  },

  soon() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  },

  /** Paint the call itself, which stays as it is while the window moves. */
  paint() {
    const { width, height } = this.drawing;
    if (!width) return;
    const { colours } = theme;
    this.ground.width = this.canvas.width;
    this.ground.height = this.canvas.height;
    const c = this.ground.getContext('2d');
    c.setTransform(this.drawing.context.getTransform());
    const middle = height / 2;
    for (const [side, up] of [[sides.caller, true], [sides.assistant, false]]) {
      if (!side.reel?.peaks) continue;
      const { reel } = side;
      c.fillStyle = colours[side.name];
      const scale = (middle - 3) / Math.max(LEAST_GAIN, reel.peaks.loudest);
      for (const part of side.parts.heard) {
        for (let x = Math.floor(this.x(part[0])); x < this.x(side.end(part)); x += 1) {
          const from = part[1] + Math.max(0, ((this.t(x) - part[0]) * reel.rate) / 1000);
          const to = Math.min(part[1] + part[2], from + (total / (width - lanes.gutter)) * (reel.rate / 1000));
          if (to <= from) continue;
          const out = [1, -1];
          reel.peaks.extremes(from, to, out);
          const high = Math.max(0.5, Math.max(out[1], -out[0]) * scale);
          c.fillRect(x, up ? middle - high : middle, 1, high);
        }
      }
    }
    for (const mark of lanes.marks()) {
      c.fillStyle = colours[mark.tone];
      c.fillRect(this.x(mark.t) - 1, 0, 2, 4);
    }
    this.draw();
  },

  draw() {
    const { context: c, width, height } = this.drawing;
    if (!width) return;
    const { colours } = theme;
    c.clearRect(0, 0, width, height);
    c.save();
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.drawImage(this.ground, 0, 0);
    c.restore();
    const left = this.x(span.start);
    const right = this.x(span.end);
    if (span.ms < total) {
      c.globalAlpha = 0.72;
      c.fillStyle = colours.sunk;
      c.fillRect(lanes.gutter, 0, left - lanes.gutter, height);
      c.fillRect(right, 0, width - right, height);
      c.globalAlpha = 1;
      c.strokeStyle = colours.soft;
      c.lineWidth = 1;
      c.beginPath();
      c.roundRect(left + 0.5, 0.5, Math.max(3, right - left - 1), height - 1, 3);
      c.stroke();
    }
    c.fillStyle = colours.playhead;
    c.fillRect(this.x(page.now.value) - 0.5, 0, 1, height);
  },

  part(x) {
    if (span.ms >= total) return 'ground';
    const [left, right] = [this.x(span.start), this.x(span.end)];
    if (Math.abs(x - left) < EDGE) return 'left';
    if (Math.abs(x - right) < EDGE) return 'right';
    return x > left && x < right ? 'window' : 'ground';
  },

  hover(event) {
    const cursors = { left: 'ew-resize', right: 'ew-resize', window: 'grab', ground: 'crosshair' };
    this.canvas.style.cursor = cursors[this.part(event.offsetX)];
  },

  grab(event) {
    event.preventDefault();
    const part = this.part(event.offsetX);
    const from = { t: this.t(event.offsetX), start: span.start, end: span.end };
    this.canvas.setPointerCapture(event.pointerId);
    if (part === 'ground' && span.ms < total) {
      span.show(from.t - span.ms / 2, from.t + span.ms / 2);
      Object.assign(from, { start: span.start, end: span.end });
    }
    const drawn = part === 'ground' && span.ms >= total;
    const move = (at) => {
      const t = this.t(at.offsetX);
      if (drawn) {
        if (Math.abs(t - from.t) > total / 200) span.show(Math.min(t, from.t), Math.max(t, from.t));
      } else if (part === 'left') span.show(Math.min(t, from.end - LEAST_MS), from.end);
      else if (part === 'right') span.show(from.start, Math.max(t, from.start + LEAST_MS));
      else span.show(from.start + t - from.t, from.end + t - from.t);
    };
    const stop = () => {
      this.canvas.removeEventListener('pointermove', move);
      if (drawn && span.ms >= total) player.seek(from.t);
    };
    this.canvas.addEventListener('pointermove', move);
    this.canvas.addEventListener('pointerup', stop, { once: true });
    this.canvas.addEventListener('pointercancel', stop, { once: true });
  },
};
