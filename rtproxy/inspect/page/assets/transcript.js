// What was said, in order; what is playing is lit, and kept in view.

const WHO = { caller: 'Caller', assistant: 'Assistant', tool: 'Tool', system: 'System' };

const transcript = {
  start() {
    this.list = byId('talk-lines');
    this.follow = byId('follow');
    this.lit = new Set();
    this.lines = call.lines.map((line) => ({ line, ...this.row(line) }));
    let turn = null;
    for (const { line, node } of this.lines) {
      if (line.turn !== null && line.turn !== turn) {
        turn = line.turn;
        this.list.append(this.heading(turn));
      }
      this.list.append(node);
    }
    if (!this.lines.length) this.list.append(make('li', { class: 'empty' }, 'Nothing was said, or nothing of it was written down.'));
    this.follow.addEventListener('click', () => this.setFollow(this.follow.getAttribute('aria-pressed') !== 'true'));
    for (const name of ['wheel', 'touchmove']) {
      this.list.addEventListener(name, () => page.playing.value && this.setFollow(false), { passive: true });
    }
    page.now.watch((ms) => this.light(ms));
    page.mode.watch(() => this.light(page.now.value));
    page.playing.watch((playing) => playing && this.lit.size && this.reveal([...this.lit][0]));
  },

  setFollow(on) {
    this.follow.setAttribute('aria-pressed', String(on));
    if (on && this.lit.size) this.reveal([...this.lit][0]);
  },

  heading(n) {
    const turn = call.turns[n - 1];
    const voice = turn.metrics.v2v_ms;
    return make('li', { class: 'turn-head', id: `talk-turn-${n}` },
      make('b', {}, `Turn ${n}`),
      make('span', { class: `end ${turn.end}` }, turn.end),
      voice === null ? null : make('span', { class: 'voice' }, `answered after ${length(voice)}`));
  },

  row(line) {
    const words = make('p', { class: 'words', dir: 'auto' });
    const text = line.text || '';
    const cut = line.heard === null ? text.length : line.heard;
    const [said, rest] = [make('span', { class: 'said' }), make('span')];
    if (line.tool) words.append(...this.tool(line.tool));
    else if (line.text === null) words.append(make('i', { class: 'untold' }, line.note || 'not transcribed'));
    else words.append(said, rest, cut < text.length ? make('s', { class: 'unheard', title: 'Never heard: playback was cut off here, about' }, text.slice(cut)) : '');
    rest.textContent = text.slice(0, cut);
    const node = make('li', { class: `line ${line.who}`, tabindex: '0', role: 'button', 'data-seq': line.seq },
      make('span', { class: 'time' }, line.start === null ? '' : `${line.approximate ? '≈' : ''}${clock(line.start, 100)}`),
      make('span', { class: 'who' }, WHO[line.who]),
      words,
      line.heard === null ? null : make('p', { class: 'more' }, `heard ${length(line.heard_ms)} of ${length(line.audio_ms)}`));
    actsLikeButton(node, () => this.go(line));
    return { node, said, rest, cut };
  },

  tool(tool) {
    const name = make('code', { class: 'name' }, tool.name || 'a function');
    const parts = [name, make('code', {}, `(${tool.arguments || ''})`)];
    parts.push(tool.output === null ? make('span', { class: 'output none' }, 'no output')
      : make('span', { class: 'output' }, make('code', {}, tool.output)));
    if (tool.ms !== null) parts.push(make('span', { class: 'took' }, length(tool.ms)));
    return parts;
  },

  go(line) {
    if (line.start !== null) {
      player.seek(line.start);
      span.reveal(line.start);
    }
    events.pick(line.seq, { seek: false, show: false });
  },

  /** Light the lines that sound at a time, as far as they have come. */
  light(ms) {
    const now = new Set();
    for (const row of this.lines) {
      const { line } = row;
      if (line.start === null || line.start > ms || ms <= 0) continue;
      const end = this.end(line);
      if (ms < end && line.who !== 'tool') now.add(row);
      if (ms < end && line.who === 'tool') now.add(row);
    }
    for (const row of this.lit) {
      if (now.has(row)) continue;
      row.node.classList.remove('playing');
      this.split(row, 0);
    }
    for (const row of now) {
      const { line } = row;
      if (!this.lit.has(row)) {
        row.node.classList.add('playing');
        if (this.follow.getAttribute('aria-pressed') === 'true') this.reveal(row);
      }
      if (line.text !== null && !line.tool && line.spoken) this.split(row, Math.round((row.cut * (ms - line.start)) / (this.end(line) - line.start)));
    }
    this.lit = now;
  },

  end(line) {
    return Math.max(line.end, line.start + 1);
  },

  split(row, count) {
    if (row.line.tool || row.line.text === null || row.at === count) return;
    row.at = count;
    row.said.textContent = row.line.text.slice(0, Math.min(count, row.cut));
    row.rest.textContent = row.line.text.slice(Math.min(count, row.cut), row.cut);
  },

  reveal(row) {
    const box = this.list.getBoundingClientRect();
    const own = row.node.getBoundingClientRect();
    if (!box.height || this.list.scrollHeight <= this.list.clientHeight) return;
    if (own.top >= box.top + 30 && own.bottom <= box.bottom - 30) return;
    this.list.scrollTo({ top: this.list.scrollTop + own.top - box.top - box.height / 3, behavior: stillness.matches ? 'auto' : 'smooth' });
  },
};
