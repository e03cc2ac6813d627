// One event: what it is, what led to it and what it led to, and its JSON.

const detail = {
  run: 0,

  start() {
    this.node = byId('detail');
  },

  hide() {
    this.node.hidden = true;
    this.run += 1;
  },

  /** Show a row, or one event of a run. */
  async show(row, event) {
    this.run += 1;
    const { run } = this;
    const values = eventList.rows[row];
    const index = event >= 0 ? event : eventList.index(values[SEQ]);
    const damage = !eventList.of(row).length;
    const seq = event >= 0 ? eventList.seqs[event] : values[SEQ];
    const json = make('pre', { class: 'json', tabindex: '0', 'aria-label': 'JSON' });
    this.node.replaceChildren(this.head(row, event, seq), this.told(row, event), this.links(seq, values, event), json);
    this.node.hidden = false;
    if (damage) {
      json.remove();
      return;
    }
    const body = await eventList.body(index);
    if (run !== this.run) return;
    if (body === null) {
      json.replaceWith(make('p', { class: 'left-out' }, 'Its JSON was left out of this page, which would have been too long. To see it: ',
        make('code', {}, `rtproxy inspect ${call.tape.path} --ndjson --filter '#${seq}'`)));
    } else {
      json.replaceChildren(...jsonView(body));
    }
  },

  head(row, event, seq) {
    const values = eventList.rows[row];
    const t = event >= 0 ? eventList.times[event] : values[T];
    const server = values[FROM_SERVER] === 1;
    return make('div', { class: 'detail-head' },
      make('span', { class: `way ${server ? 'server' : 'client'}` }, server ? '← server' : '→ client'),
      make('h3', {}, eventList.types[values[TYPE]]),
      make('span', { class: 'seq' }, `#${seq}`),
      timed ? make('button', { type: 'button', class: 'link', title: 'Put the playhead here', onclick: () => { player.seek(t); span.reveal(t); } }, clock(t)) : null,
      make('span', { class: 'size' }, bytes(event >= 0 ? eventList.sizes[event] : values[BYTES])),
      make('button', { type: 'button', class: 'quiet icon close', 'aria-label': 'Close', onclick: () => this.hide() }, '×'));
  },

  told(row, event) {
    const values = eventList.rows[row];
    if (event >= 0) {
      return make('p', { class: 'told' }, make('button', { type: 'button', class: 'link', onclick: () => events.pick(values[SEQ]) }, `One of ${number(values[COUNT])}`), ' in a run');
    }
    const run = values[COUNT] > 1 ? [make('button', { type: 'button', class: 'link', onclick: () => events.toggle(row) }, `${number(values[COUNT])} events`), ' folded into one, the first of which is below. '] : [];
    return make('p', { class: 'told' }, run, values[DETAIL]);
  },

  links(seq, values, event) {
    const causes = [...(eventList.causes.get(seq) || [])];
    const whole = values[WHOLE];
    if (whole !== null && whole !== seq && !causes.some((link) => link.seq === whole)) causes.push({ seq: whole, words: 'part of' });
    const effects = eventList.effects.get(seq) || [];
    const found = call.findings.map((finding, index) => [finding, index]).filter(([finding]) => finding.events.includes(seq));
    if (!causes.length && !effects.length && !found.length) return '';
    return make('ul', { class: 'links' },
      causes.map((link) => this.link(link, 'cause')),
      effects.slice(0, 40).map((link) => this.link(link, 'effect')),
      effects.length > 40 ? make('li', {}, `and ${number(effects.length - 40)} more`) : null,
      found.map(([finding, index]) => make('li', { class: finding.severity },
        make('button', { type: 'button', class: 'link', onclick: () => findingsView.show(index) }, `${MARKS[finding.severity]} ${finding.code}`), ' rests on it')));
  },

  link({ seq, words }, way) {
    const index = eventList.index(seq);
    const type = index < 0 ? '' : eventList.types[eventList.rows[eventList.rowOf[index]][TYPE]];
    return make('li', { class: way }, make('span', {}, words), ' ', eventLink(seq), ' ', make('span', { class: 'type' }, type));
  },
};
