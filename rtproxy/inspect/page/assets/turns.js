// The table of turns: where the time went before each answer.

const PARTS = { endpoint: 'Endpoint', queue: 'Queue', model: 'Model', tool: 'Tool', client: 'Client' };
const KINDS = { speech: '', commit: 'committed', text: 'typed', timeout: 'silence', greeting: 'greeting', unknown: '' };

const turnsView = {
  start() {
    const panel = byId('turns');
    if (!call.turns.length) {
      panel.append(make('p', { class: 'empty' }, 'There are no turns on this tape.'));
      return;
    }
    const longest = Math.max(1, ...call.turns.map((turn) => sum(turn)));
    const head = ['Turn', 'At', 'Waited for', 'Voice to voice', 'Audio', 'Heard', 'Prebuffer', 'Barge-in', 'End'];
    const titles = [null, null, 'From the caller’s last word to the first of the answer', 'From the caller’s last word to the assistant’s first sound',
      'Received of the assistant’s audio', 'Of it, what can have been heard', 'How long playback should have been held back to never run dry', 'From speech_started to the client’s cancel or truncate', null];
    this.rows = call.turns.map((turn) => this.row(turn, longest));
    panel.append(make('table', { class: 'turns' },
      make('caption', { class: 'unseen' }, 'Turns of the call'),
      make('thead', {}, make('tr', {}, head.map((label, i) => make('th', { scope: 'col', class: columns[i], title: titles[i] }, label)))),
      make('tbody', {}, this.rows)), this.key() ?? '');
    page.now.watch((ms) => this.light(ms));
  },

  key() {
    const used = new Set(call.turns.flatMap((turn) => turn.waits.map((wait) => wait[0])));
    if (!used.size) return null;
    return make('p', { class: 'key' }, Object.keys(PARTS).filter((part) => used.has(part))
      .map((part) => make('span', { class: `part ${part}` }, PARTS[part])));
  },

  row(turn, longest) {
    const { metrics } = turn;
    const slow = call.findings.some((finding) => finding.code === 'slow-turn' && finding.turn === turn.n);
    const lost = metrics.heard_ms !== null && metrics.audio_ms !== null && metrics.heard_ms < metrics.audio_ms - 1;
    const choppy = call.findings.some((finding) => finding.code === 'choppy-audio' && finding.turn === turn.n);
    const cells = [
      [String(turn.n), KINDS[turn.kind] ? make('small', {}, KINDS[turn.kind]) : null],
      [turn.t === null ? '–' : clock(turn.t, 100)],
      [this.bar(turn, longest)],
      [length(metrics.v2v_ms)],
      [metrics.audio_ms ? length(metrics.audio_ms) : '–'],
      [metrics.audio_ms ? length(metrics.heard_ms) : '–'],
      [length(metrics.prebuffer_ms)],
      [length(metrics.barge_in_ms)],
      [make('span', { class: `end ${turn.end}` }, turn.end)],
    ];
    const marked = { 3: slow && 'warning', 5: lost && 'lost', 6: choppy && 'warning' };
    const row = make('tr', { tabindex: '0', 'data-turn': turn.n, 'aria-label': `Turn ${turn.n}` },
      cells.map((content, i) => make(i ? 'td' : 'th', { class: [columns[i], marked[i]].filter(Boolean).join(' '), scope: i ? null : 'row' }, content)));
    actsLikeButton(row, () => {
      showTurn(turn.n);
      events.pick(turn.seq, { seek: false, show: false });
    });
    return row;
  },

  bar(turn, longest) {
    const told = turn.waits.map(([part, from, to]) => `${PARTS[part].toLowerCase()} ${length(to - from)}`).join(', ');
    const bar = make('span', { class: 'bar-of-waits', role: 'img', 'aria-label': told || 'not known', title: told },
      turn.waits.map(([part, from, to]) => {
        const piece = make('i', { class: `part ${part}` });
        piece.style.width = `${(100 * (to - from)) / longest}%`;
        return piece;
      }));
    return bar;
  },

  light(ms) {
    const turn = timed && ms > 0 ? turnAt(ms) : null;
    if (turn?.n === this.lit) return;
    this.lit = turn?.n;
    for (const row of this.rows) row.classList.toggle('now', Number(row.dataset.turn) === this.lit);
  },
};

const columns = ['n', 'at', 'waits', 'number voice', 'number wide', 'number wide', 'number wide', 'number wide', 'end-cell'];

function sum(turn) {
  return turn.waits.reduce((ms, [, from, to]) => ms + to - from, 0);
}
