// The list of events, of which only what is in view is in the document.

const events = {
  lines: [],
  open: new Set(),
  shown: new Map(),
  found: null,
  at: -1,

  start() {
    this.list = byId('event-list');
    this.space = byId('event-space');
    this.window = byId('event-rows');
    this.height = narrow.matches ? 48 : 26;
    byId('tab-events').append(make('span', { class: 'count' }, number(call.session.events)));
    this.list.addEventListener('scroll', () => this.soon(), { passive: true });
    new ResizeObserver(() => {
      const { at } = this;
      if (at >= 0 && this.shown.has(at)) this.reveal(at);
      this.soon();
    }).observe(this.list);
    narrow.addEventListener('change', () => {
      this.height = narrow.matches ? 48 : 26;
      this.arrange();
    });
    this.list.addEventListener('click', (event) => this.click(event));
    page.picked.watch(() => this.draw());
    page.now.watch((ms) => this.pass(ms));
    this.filters();
  },

  /** The rows are there now. */
  ready() {
    const used = [...new Set(eventList.rows.map((row) => row[TYPE]))];
    const names = used.map((type) => eventList.types[type]).sort();
    byId('filter-type').append(...names.map((name) => make('option', { value: name }, name)));
    this.arrange();
  },

  filters() {
    byId('filters').addEventListener('submit', (event) => event.preventDefault());
    const input = byId('search');
    let timer = 0;
    input.addEventListener('input', () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.search(), eventList.count > 20_000 ? 160 : 40);
    });
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === 'ArrowDown') {
        event.preventDefault();
        this.list.focus();
        this.step(0);
      }
    });
    for (const id of ['filter-direction', 'filter-type', 'filter-errors']) byId(id).addEventListener('change', () => this.search());
  },

  async search() {
    search.text = byId('search').value.trim();
    search.direction = byId('filter-direction').value;
    search.type = byId('filter-type').value;
    search.errors = byId('filter-errors').checked;
    const found = search.empty ? null : await search.rows();
    if (found === null && !search.empty) return;
    this.found = found;
    this.arrange();
    this.list.scrollTop = 0;
    this.soon();
  },

  clear() {
    byId('search').value = '';
    byId('filter-direction').value = '';
    byId('filter-type').value = '';
    byId('filter-errors').checked = false;
    search.run += 1;
    Object.assign(search, { text: '', direction: '', type: '', errors: false });
    this.found = null;
    this.arrange();
  },

  /** Make the lines: rows, and under an open row its events. A line is [row, event or −1]. */
  arrange() {
    const rows = this.found || eventList.rows.keys();
    this.lines = [];
    for (const row of rows) {
      this.lines.push([row, -1]);
      if (this.open.has(row)) for (const event of eventList.of(row)) this.lines.push([row, event]);
    }
    this.space.style.height = `${Math.max(1, this.lines.length) * this.height}px`;
    const count = this.found ? `${number(this.found.length)} of ${number(eventList.rows.length)} rows` : `${plural(eventList.rows.length, 'row')}`;
    const { map } = eventList;
    byId('found').textContent = map && map.events_left_out ? `${count} · ${number(map.events_left_out)} events left out` : count;
    for (const node of this.shown.values()) node.remove();
    this.shown.clear();
    this.at = page.picked.value === null ? -1 : this.lines.findIndex((_, n) => this.seq(n) === page.picked.value);
    this.passing = undefined;
    this.pass(page.now.value);
    this.draw();
  },

  soon() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  },

  draw() {
    if (!this.list.clientHeight || !eventList.map) return;
    const first = Math.max(0, Math.floor(this.list.scrollTop / this.height) - 8);
    const last = Math.min(this.lines.length, Math.ceil((this.list.scrollTop + this.list.clientHeight) / this.height) + 8);
    for (const [n, node] of this.shown) {
      if (n < first || n >= last) {
        node.remove();
        this.shown.delete(n);
      }
    }
    for (let n = first; n < last; n += 1) {
      let node = this.shown.get(n);
      if (!node) {
        node = this.node(n);
        this.shown.set(n, node);
        this.window.append(node);
      }
      const picked = this.seq(n) === page.picked.value && this.isPicked(n);
      node.setAttribute('aria-selected', String(picked));
      if (picked) this.list.setAttribute('aria-activedescendant', node.id);
      node.classList.toggle('now', n === this.passing);
    }
    if (!this.lines.length) {
      this.window.replaceChildren(make('p', { class: 'empty' }, 'No event fits.'));
      this.shown.clear();
    } else if (this.window.firstElementChild?.classList.contains('empty')) {
      this.window.firstElementChild.remove();
    }
  },

  /** Whether this line, of a run and its first event, is the one that is picked. */
  isPicked(n) {
    const [row, event] = this.lines[n];
    return event >= 0 || !this.open.has(row) || eventList.rows[row][COUNT] === 1 || this.at === n;
  },

  seq(n) {
    const [row, event] = this.lines[n];
    return event < 0 ? eventList.rows[row][SEQ] : eventList.seqs[event];
  },

  node(n) {
    const [row, event] = this.lines[n];
    const values = eventList.rows[row];
    const single = event >= 0;
    const run = values[COUNT] > 1 && !single;
    const t = single ? eventList.times[event] : values[T];
    const server = values[FROM_SERVER] === 1;
    const gap = single ? null : values[GAP];
    const type = eventList.types[values[TYPE]];
    const node = make('div', {
      id: `line-${n}`, role: 'option', 'data-line': n, 'aria-posinset': n + 1, 'aria-setsize': this.lines.length,
      class: ['event', server ? 'server' : 'client', single ? 'single' : '', eventList.wrong[row] ? 'wrong' : '', n % 2 ? 'odd' : ''].filter(Boolean).join(' '),
    },
    make('span', { class: 'seq' }, `#${this.seq(n)}`),
    make('span', { class: 'at' }, clock(t)),
    make('span', { class: gap !== null && gap >= 1000 ? 'gap long' : 'gap' }, gap === null || gap < 10 ? '' : `+${length(gap)}`),
    make('span', { class: 'way', title: server ? 'server to client' : 'client to server' }, server ? '←' : '→'),
    make('span', { class: 'type' }, type,
      run ? make('button', { type: 'button', class: 'fold', tabindex: '-1', 'aria-label': this.open.has(row) ? 'Fold' : 'Unfold', 'aria-expanded': String(this.open.has(row)) }, `×${number(values[COUNT])}`) : null,
      values[MARKED] && eventList.marks[values[MARKED]] ? make('em', {}, eventList.marks[values[MARKED]]) : null),
    make('span', { class: 'text' }, single ? '' : values[DETAIL]),
    make('span', { class: 'size' }, bytes(single ? eventList.sizes[event] : values[BYTES])));
    node.style.top = `${n * this.height}px`;
    node.style.height = `${this.height}px`;
    return node;
  },

  click(event) {
    const node = event.target.closest('.event');
    if (!node) return;
    const n = Number(node.dataset.line);
    if (event.target.closest('.fold')) {
      this.toggle(this.lines[n][0]);
      return;
    }
    this.choose(n);
  },

  toggle(row) {
    if (eventList.rows[row][COUNT] < 2) return;
    if (this.open.has(row)) this.open.delete(row);
    else this.open.add(row);
    const top = this.list.scrollTop;
    this.arrange();
    this.list.scrollTop = top;
    this.at = this.lines.findIndex(([one, event]) => one === row && event < 0);
    this.draw();
  },

  choose(n, { seek = true } = {}) {
    const [row, event] = this.lines[n];
    this.at = n;
    const seq = this.seq(n);
    page.picked.set(seq);
    detail.show(row, event);
    if (seek && timed && !page.playing.value) {
      const t = event < 0 ? eventList.rows[row][T] : eventList.times[event];
      player.seek(t);
      span.reveal(t);
    }
    this.draw();
    this.reveal(n);
  },

  /** Pick an event by its number, wherever it is; false if there is none. */
  pick(seq, { seek = true, show = true } = {}) {
    const index = eventList.index(seq);
    if (index < 0) return false;
    const row = eventList.rowOf[index];
    if (show) tabs.show('events');
    if (this.found && !this.found.includes(row)) this.clear();
    const inside = eventList.rows[row][COUNT] > 1 && eventList.rows[row][SEQ] !== seq;
    if (inside && !this.open.has(row)) {
      this.open.add(row);
      this.arrange();
    }
    const n = this.lines.findIndex(([one, event]) => one === row && (inside ? event === index : event < 0));
    this.choose(n, { seek });
    return true;
  },

  step(step) {
    if (!this.lines.length) return;
    const first = this.found || page.now.value === 0 ? 0 : this.passing ?? 0;
    const n = this.at < 0 ? first : Math.min(Math.max(0, this.at + step), this.lines.length - 1);
    this.choose(n);
  },

  reveal(n) {
    if (!this.list.clientHeight) return;
    const top = n * this.height;
    const { scrollTop, clientHeight } = this.list;
    if (top < scrollTop + this.height) this.list.scrollTop = top - this.height;
    else if (top > scrollTop + clientHeight - 2 * this.height) this.list.scrollTop = top - clientHeight + 2 * this.height;
    this.draw();
  },

  /** Mark the last line before the playhead. */
  pass(ms) {
    if (!timed || !this.lines.length) return;
    let low = 0;
    let high = this.lines.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.time(middle) <= ms + 0.01) low = middle;
      else high = middle - 1;
    }
    if (low === this.passing) return;
    this.shown.get(this.passing)?.classList.remove('now');
    this.passing = low;
    this.shown.get(low)?.classList.add('now');
  },

  time(n) {
    const [row, event] = this.lines[n];
    return event < 0 ? eventList.rows[row][T] : eventList.times[event];
  },
};
