// What the call is, and how it went, in a line of figures.

const DIALECTS = { ga: 'GA', beta: 'beta' };

const summary = {
  start() {
    const { tape, session } = call;
    const name = tape.path.split('/').pop();
    byId('name').textContent = name;
    byId('name').title = tape.path;
    const facts = [
      session.model,
      session.dialect ? `${DIALECTS[session.dialect] || session.dialect} dialect` : null,
      tape.origin,
      tape.state === 'sealed' ? null : tape.state,
      timed ? length(session.duration_ms) : null,
      plural(session.events, 'event'),
      tape.started ? when(tape.started) : null,
    ];
    byId('facts').append(...facts.filter(Boolean).map((fact) => make('li', fact === tape.state ? { class: 'bad' } : {}, fact)));
    byId('summary').append(...this.tiles());
    const notes = byId('notes');
    notes.hidden = !call.notes.length;
    notes.append(...call.notes.map((note) => make('p', {}, note)));
  },

  tiles() {
    const { metrics } = call;
    const tokens = (metrics.tokens_in || 0) + (metrics.tokens_out || 0);
    const voice = metrics.v2v_ms;
    const counts = ['error', 'warning', 'info'].map((severity) => [
      severity, call.findings.filter((finding) => finding.severity === severity).length,
    ]).filter(([, count]) => count);
    const worst = counts.length ? counts[0][0] : 'good';
    const told = counts.map(([severity, count]) => (severity === 'info' ? `${count} info` : plural(count, severity))).join(', ');
    const parts = [['Endpoint', 'endpoint_ms'], ['Queue', 'queue_ms'], ['Model', 'model_ms'], ['Tool', 'tool_ms']];
    return [
      !voice.n && !call.lanes.speech.length ? null : tile('Voice to voice', voice.n ? length(voice.p50) : '–', voice.n > 1 ? `max ${length(voice.max)}` : voice.n ? '' : 'not known'),
      tile('Findings', call.findings.length ? number(call.findings.length) : 'none', told, worst),
      metrics.errors ? tile('Errors', number(metrics.errors), '', 'error') : null,
      ...parts.filter(([, key]) => metrics[key].n)
        .map(([label, key]) => tile(label, length(metrics[key].p50), metrics[key].max > metrics[key].p50 * 1.05 ? `max ${length(metrics[key].max)}` : '', key.slice(0, -3))),
      tile('Turns', number(metrics.turns), plural(metrics.responses, 'response')),
      metrics.tool_calls ? tile('Tool calls', number(metrics.tool_calls), '') : null,
      metrics.barge_ins ? tile('Barge-ins', number(metrics.barge_ins), metrics.barge_in_ms.n ? `${length(metrics.barge_in_ms.p50)}` : '') : null,
      tokens ? tile('Tokens', number(tokens), '') : null,
      metrics.talk_ratio !== null ? tile('Assistant talks', `${Math.round(metrics.talk_ratio * 100)} %`, '') : null,
    ].filter(Boolean);
  },
};

function tile(label, value, more, tone) {
  return make('div', { class: tone ? `tile ${tone}` : 'tile' },
    make('dt', {}, label), make('dd', {}, make('b', {}, value), more ? make('span', {}, more) : null));
}

function when(moment) {
  const date = new Date(moment);
  return Number.isNaN(date.getTime()) ? null
    : date.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}
