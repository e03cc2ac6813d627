// Which lanes there are, how high each is, and what lies in them at a time.

const RULER = 24;
const MOST_ROWS = 4;
/** Whether a connection ended as it should not. */
function endedBadly(ending) {
  return ending.name !== 'eof' && !(ending.name === 'close' && [1000, 1001, 1005, null].includes(ending.code));
}

const MARKS = { info: '●', warning: '▲', error: '■' };
const ENDS = {
  completed: ['✓', 'good'],
  cancelled: ['~', 'warning'],
  incomplete: ['≈', 'warning'],
  failed: ['!', 'error'],
  open: ['?', 'warning'],
};

const lanes = {
  gutter: 0,
  list: [],
  height: RULER,

  /** Give calls of tools that run side by side rows of their own; returns how many there are. */
  stack() {
    if (this.rows) return this.rows;
    const ends = [];
    for (const tool of call.lanes.tools) {
      const free = ends.findIndex((end) => end <= tool.start);
      tool.row = free < 0 ? Math.min(ends.length, MOST_ROWS - 1) : free;
      ends[tool.row] = Math.max(ends[tool.row] || 0, tool.end);
    }
    this.rows = Math.max(1, ends.length);
    return this.rows;
  },

  /** Arrange the lanes that have something in them for a width in CSS pixels. */
  arrange(width, high) {
    const small = width < 640;
    this.gutter = small ? 0 : 92;
    const wave = small ? 52 : high;
    const { responses, tools, speech, tracks } = call.lanes;
    const heard = sides.caller.there || speech.length > 0;
    const wanted = [
      ['turns', 'Turns', small ? 24 : 22, !heard && call.lanes.turns.length],
      ['caller', 'Caller', wave, heard],
      ['assistant', 'Assistant', wave, sides.assistant.there || tracks.length],
      ['responses', 'Responses', small ? 24 : 22, responses.length],
      ['tools', 'Tools', (small ? 10 : 8) + 14 * this.stack(), tools.length],
      ['marks', 'Findings', small ? 26 : 22, this.marks().length],
    ];
    let top = RULER;
    this.list = wanted.filter((lane) => lane[3]).map(([key, name, height]) => {
      const lane = { key, name, top, height };
      top += height;
      return lane;
    });
    this.height = top + 4;
  },

  at(y) {
    return this.list.find((lane) => y >= lane.top && y < lane.top + lane.height);
  },

  /** Findings, errors and the end of the connection: {t, sign, tone, label, seq, finding}. */
  marks() {
    if (this.found) return this.found;
    const findings = call.findings.map((finding, index) => ({
      t: finding.t,
      sign: MARKS[finding.severity],
      tone: finding.severity,
      label: `${finding.code}${finding.turn === null ? '' : ` · turn ${finding.turn}`}`,
      number: index + 1,
      finding: index,
      seq: finding.events[finding.events.length - 1],
    }));
    const told = new Set(call.findings.flatMap((finding) => finding.events));
    const errors = call.session.errors.filter((error) => !told.has(error.seq)).map((error) => ({
      t: error.t_ms, sign: '×', tone: 'error', label: `error ${error.code || error.type || ''}`, seq: error.seq,
    }));
    const { ending } = call.session;
    const end = ending && endedBadly(ending) && !told.has(ending.seq) ? [{
      t: ending.t_ms, sign: '×', tone: 'error', seq: ending.seq,
      label: `${ending.name}${ending.code === null ? '' : ` ${ending.code}`} by the ${ending.by}`,
    }] : [];
    this.found = [...end, ...errors, ...findings].filter((mark) => mark.t !== null).sort((a, b) => a.t - b.t);
    return this.found;
  },

  /** What a lane shows at a time, give or take `slack` ms, at a height: {words, seq, finding}. */
  under(lane, t, slack, y) {
    const near = (start, end) => t >= start - slack && t <= end + slack;
    const last = (list, test) => list.filter(test).pop();
    if (lane.key === 'caller') {
      const speech = last(call.lanes.speech, (one) => near(one.start, one.over));
      if (!speech) return null;
      const words = t <= speech.silent
        ? `turn ${speech.turn} · speech of ${length(speech.silent - speech.start)}`
        : `turn ${speech.turn} · silence, not yet taken for the end (${length(speech.over - speech.silent)})`;
      return { words, seq: speech.seq };
    }
    if (lane.key === 'turns') {
      const turn = last(call.lanes.turns, (one) => near(one.t, one.t));
      return turn ? { words: `turn ${turn.n}`, seq: call.turns[turn.n - 1].seq } : null;
    }
    if (lane.key === 'assistant') return this.underAssistant(t, near);
    if (lane.key === 'responses') {
      const one = last(call.lanes.responses, (response) => near(response.start, response.done));
      if (!one) return null;
      const stage = t < one.first ? `waits ${length(one.first - one.start)} for the first word`
        : `streams for ${length(one.done - one.first)}`;
      const reason = one.reason ? ` (${one.reason})` : '';
      return { words: `response ${one.status}${reason} · ${stage}`, seq: one.seq };
    }
    if (lane.key === 'tools') {
      const row = Math.floor((y - lane.top - 4) / 14);
      const one = last(call.lanes.tools, (tool) => near(tool.start, tool.end) && (this.rows === 1 || tool.row === row));
      return one ? { words: `${one.name || 'a function'}() · ${one.open ? 'no output' : length(one.end - one.start)}`, seq: one.seq } : null;
    }
    const mark = last(this.marks(), (one) => near(one.t, one.t));
    return mark ? { words: mark.label, seq: mark.seq, finding: mark.finding } : null;
  },

  underAssistant(t, near) {
    for (const track of call.lanes.tracks) {
      const where = `turn ${track.turn ?? '?'}`;
      const dry = track.dry.find(([from, to]) => near(from, to));
      if (dry) return { words: `${where} · playback ran dry for ${length(dry[1] - dry[0])}`, seq: dry[2] };
      if (track.heard.some(([from, to]) => t >= from && t < to)) return { words: `${where} · heard`, seq: track.seq };
      if (track.unheard && t >= track.unheard[0] && t < track.unheard[1]) return { words: `${where} · sent, never heard`, seq: track.seq };
    }
    return null;
  },
};
