// The lanes as something to take hold of: zoom, move along, set the playhead, see what is there.

const CLICK_PX = 5;

const timeline = {
  start() {
    this.node = byId('lanes');
    this.tip = byId('tip');
    this.picture = new Drawing(byId('picture'));
    this.overlay = new Drawing(byId('pointer'));
    this.pointers = new Map();
    this.hover = null;
    new ResizeObserver(() => this.resize()).observe(this.node);
    span.changed.watch(() => {
      this.soon();
      this.node.dataset.start = span.start.toFixed(1);
      this.node.dataset.end = span.end.toFixed(1);
    });
    for (const signal of [theme.changed, page.mode]) signal.watch(() => this.soon());
    // Nothing that is drawn later gets onto paper.
    for (const name of ['beforeprint', 'afterprint']) addEventListener(name, () => this.draw());
    for (const side of Object.values(sides)) side.reel?.changed.watch(() => this.soon());
    page.now.watch((ms) => this.tell(ms));
    page.picked.watch(() => this.point());
    this.listen();
    this.resize();
  },

  resize() {
    const width = this.node.clientWidth;
    if (!width) return;
    lanes.arrange(width, innerHeight > 1000 ? 84 : innerHeight > 860 ? 70 : 58);
    this.node.style.height = `${lanes.height}px`;
    this.picture.size(width, lanes.height);
    this.overlay.size(width, lanes.height);
    this.draw();
    overview.resize();
  },

  soon() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => this.draw());
  },

  draw() {
    this.asked = false;
    if (!this.picture.width) return;
    this.picture.draw();
    this.node.dataset.drawn = String(Number(this.node.dataset.drawn || 0) + 1);
    this.point();
  },

  /** Say where the playhead is, and keep it in view while it moves. */
  tell(ms) {
    this.node.setAttribute('aria-valuemin', '0');
    this.node.setAttribute('aria-valuemax', (total / 1000).toFixed(3));
    this.node.setAttribute('aria-valuenow', (ms / 1000).toFixed(3));
    this.node.setAttribute('aria-valuetext', clock(ms));
    if (page.playing.value && !this.pointers.size && span.goal === null && (ms > span.end - span.ms * 0.04 || ms < span.start)) {
      span.show(ms - span.ms * 0.06, ms + span.ms * 0.94, { eased: true });
    }
    this.point();
  },

  /** Draw what moves over the lanes: the playhead, the event that is picked, the pointer. */
  point() {
    const { context: c, width, height, hair } = this.overlay;
    if (!width) return;
    const { colours } = theme;
    c.clearRect(0, 0, width, height);
    const upright = (t, colour, thick, from = RULER) => {
      const x = this.overlay.x(t);
      if (x < lanes.gutter - 1 || x > width + 1) return null;
      c.fillStyle = colour;
      c.fillRect(x - thick / 2, from, thick, height - from);
      return x;
    };
    const t = page.picked.value === null ? null : eventList.time(page.picked.value);
    if (t !== null) {
      const x = upright(t, colours.cursor, 1);
      if (x !== null) {
        c.beginPath();
        c.moveTo(x - 4, RULER);
        c.lineTo(x + 4, RULER);
        c.lineTo(x, RULER + 5);
        c.fill();
      }
    }
    if (this.hover !== null) upright(this.hover, colours.soft, hair);
    const x = upright(page.now.value, colours.playhead, 1.5, 12);
    if (x !== null) {
      c.beginPath();
      c.roundRect(x - 5, 4, 10, 12, 3);
      c.fill();
    }
  },

  listen() {
    const { node } = this;
    node.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    node.addEventListener('pointerdown', (event) => this.press(event));
    node.addEventListener('pointermove', (event) => this.move(event));
    for (const name of ['pointerup', 'pointercancel']) node.addEventListener(name, (event) => this.release(event));
    node.addEventListener('pointerleave', () => this.leave());
    node.addEventListener('dblclick', (event) => {
      const turn = turnAt(this.overlay.t(event.offsetX));
      if (turn) showTurn(turn.n, { seek: false });
    });
  },

  wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    const along = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(along) > Math.abs(event.deltaY) || (event.shiftKey && !event.ctrlKey)) {
      span.pan((along * unit * span.ms) / (this.overlay.width - lanes.gutter));
    } else {
      const pace = event.ctrlKey ? 0.012 : 0.0022;
      span.zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY * unit)) * pace), this.overlay.t(event.offsetX));
    }
  },

  place(event) {
    const box = this.node.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  },

  press(event) {
    if (event.button !== 0) return;
    const at = this.place(event);
    this.node.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, at);
    this.grip = { ...at, start: span.start, end: span.end, moved: this.pointers.size > 1, scrubs: at.y < RULER };
    if (this.pointers.size === 2) this.pinch = this.spread();
  },

  spread() {
    const [a, b] = [...this.pointers.values()];
    return { wide: Math.max(20, Math.abs(a.x - b.x)), t: this.overlay.t((a.x + b.x) / 2), ms: span.ms };
  },

  move(event) {
    const at = this.place(event);
    if (!this.pointers.has(event.pointerId)) {
      this.look(at, event);
      return;
    }
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size === 2) {
      const now = this.spread();
      const ms = Math.min(Math.max((this.pinch.ms * this.pinch.wide) / now.wide, LEAST_MS), total);
      const [a, b] = [...this.pointers.values()];
      const part = ((a.x + b.x) / 2 - lanes.gutter) / (this.overlay.width - lanes.gutter);
      span.show(this.pinch.t - part * ms, this.pinch.t + (1 - part) * ms);
      return;
    }
    if (Math.abs(at.x - this.grip.x) > CLICK_PX) this.grip.moved = true;
    if (!this.grip.moved) return;
    if (this.grip.scrubs) {
      player.seek(this.overlay.t(at.x));
      return;
    }
    const ms = this.grip.end - this.grip.start;
    const shift = ((this.grip.x - at.x) / (this.overlay.width - lanes.gutter)) * ms;
    span.show(this.grip.start + shift, this.grip.end + shift);
    this.node.classList.add('dragged');
  },

  release(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    this.node.classList.remove('dragged');
    const at = this.place(event);
    if (event.type === 'pointerup' && !this.grip.moved && at.x >= lanes.gutter) this.click(at);
    this.grip.moved = true;
  },

  /** Set the playhead; what lies there is picked. */
  click(at) {
    const t = this.overlay.t(at.x);
    const lane = lanes.at(at.y);
    const found = lane ? lanes.under(lane, t, this.slack(), at.y) : null;
    player.seek(t);
    if (!found || lane.key === 'caller' || lane.key === 'assistant') return;
    if (found.finding !== undefined) findingsView.show(found.finding);
    else events.pick(found.seq, { seek: false });
  },

  slack() {
    return (6 / (this.overlay.width - lanes.gutter)) * span.ms;
  },

  look(at, event) {
    if (event.pointerType === 'touch' || at.x < lanes.gutter) {
      this.leave();
      return;
    }
    const t = this.overlay.t(at.x);
    this.hover = t;
    this.point();
    const lane = lanes.at(at.y);
    const found = lane ? lanes.under(lane, t, this.slack(), at.y) : null;
    this.tip.replaceChildren(make('b', {}, clock(t, span.ms < 2000 ? 1 : 10)), ...(found ? [make('span', {}, found.words)] : []));
    this.tip.hidden = false;
    const width = this.tip.offsetWidth;
    const right = at.x + 14 + width > this.overlay.width;
    this.tip.style.left = `${right ? Math.max(0, at.x - width - 10) : at.x + 12}px`;
    this.tip.style.top = `${this.node.offsetTop + Math.min(at.y + 14, lanes.height - 12)}px`;
    this.node.style.cursor = at.y < RULER ? 'ew-resize' : found && found.finding !== undefined ? 'pointer' : '';
  },

  leave() {
    this.hover = null;
    this.tip.hidden = true;
    this.point();
  },
};

/** The turn that is under way at a time. */
function turnAt(t) {
  return call.lanes.turns.filter((turn) => turn.t <= t).pop();
}

/** Show a turn from its first sound to the next one's, and put the playhead where it begins. */
function showTurn(n, { seek = true } = {}) {
  const index = call.lanes.turns.findIndex((turn) => turn.n === n);
  if (index < 0) return false;
  const begin = call.lanes.turns[index].t;
  const end = index + 1 < call.lanes.turns.length ? call.lanes.turns[index + 1].t : total;
  const margin = Math.max(150, (end - begin) * 0.05);
  span.show(begin - margin, end + margin, { eased: true });
  if (seek) player.seek(begin);
  revealTurn(n);
  return true;
}

/** Put the playhead on the turn before or after. */
function stepTurn(step) {
  const { turns } = call.lanes;
  const now = page.now.value;
  const next = step > 0 ? turns.find((turn) => turn.t > now + 1)
    : turns.filter((turn) => turn.t < now - (page.playing.value ? 1500 : 1)).pop();
  const goal = next ? next.t : step < 0 ? 0 : null;
  if (goal === null) return;
  player.seek(goal);
  span.reveal(goal);
  if (next) revealTurn(next.n);
}

/** Bring a turn into view where the views have scroll bars of their own. */
function revealTurn(n) {
  if (narrow.matches) return;
  byId(`talk-turn-${n}`)?.scrollIntoView({ block: 'start' });
  turnsView.rows?.[n - 1]?.scrollIntoView({ block: 'nearest' });
}
