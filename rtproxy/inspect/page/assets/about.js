// The session: how it was set up, how it ended, where it came from.

const about = {
  start() {
    const { tape, session } = call;
    const configs = session.config;
    const last = configs[configs.length - 1];
    const { ending } = session;
    byId('about').append(...[
      section('Settings', last ? settingsOf(last) : [], last ? [make('p', { class: 'evidence' }, 'As the server confirmed them in ', configs.map((one) => eventLink(one.seq)))] : []),
      section('What the model was told', [
        ['Instructions', session.instructions],
        ...session.tools.map((tool) => [`${tool.name || 'a tool'}()`, tool.description || 'no description']),
      ]),
      section('Connection', [
        ['Request', [tape.upstream ? tape.upstream.replace(/\/$/, '') : '', tape.target].join('') || null],
        ['Answer', tape.status],
        ['Session', session.id],
        ['Started', tape.started],
        ['Ended', ending ? [`${ending.name}${ending.code === null ? '' : ` ${ending.code}`} by the ${ending.by}${ending.reason ? `: ${ending.reason}` : ''} `, eventLink(ending.seq)] : 'not on the tape'],
        ...session.rate_limits.map((limit) => [`Limit of ${limit.name}`, `${number(limit.remaining || 0)} of ${number(limit.limit || 0)} left`]),
      ]),
      section('Tape', [
        ['File', tape.path],
        ['State', tape.state],
        ['Origin', tape.origin],
        ['Size', bytes(tape.size)],
        ['Client', tape.events ? `${plural(tape.events.client, 'event')}, ${bytes(tape.bytes.client)}` : null],
        ['Server', tape.events ? `${plural(tape.events.server, 'event')}, ${bytes(tape.bytes.server)}` : null],
        ['Missing', session.missing.length ? session.missing.slice(0, 20).map(([a, b]) => (a === b ? `#${a}` : `#${a} to #${b}`)).join(', ') : null],
        ...tape.damage.map((line) => ['Damage', line]),
      ]),
      session.errors.length ? section('Errors', [], [make('ul', { class: 'errors' }, session.errors.map((error) => make('li', {},
        eventLink(error.seq), ` ${error.code || error.type || 'error'}: ${error.message || ''}`,
        error.cause_seq === null ? null : [' · caused by ', eventLink(error.cause_seq)])))]) : null,
      section('This page', [
        ['Bodies', eventList.map.bodies_left_out ? `The JSON of ${plural(eventList.map.bodies_left_out, 'event')} was left out; rtproxy inspect ${tape.path} --ndjson --filter '#N' shows it.` : 'The JSON of every event is in it, without audio.'],
        ['Audio', soundOf()],
      ]),
      audioMap.faults.length ? section('Faults of the audio', [], [make('ul', {}, audioMap.faults.map(([seq, what]) => make('li', {}, eventLink(seq), ` ${what}`)),
        audioMap.faults_left_out ? make('li', {}, `and ${number(audioMap.faults_left_out)} more`) : null)]) : null,
    ].filter(Boolean));
  },
};

function section(title, rows, more = []) {
  const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== '');
  if (!known.length && !more.length) return null;
  return make('section', {}, make('h3', {}, title),
    known.length ? make('dl', {}, known.map(([label, value]) => [make('dt', label.endsWith('()') ? { class: 'name' } : {}, label), make('dd', {}, ...[value].flat().map((one) => (one instanceof Node ? one : String(one))))])) : null, more);
}

function settingsOf(config) {
  return Object.entries(config).filter(([key]) => !['seq', 't_ms'].includes(key)).map(([key, value]) => [key.replaceAll('_', ' '), plain(value)]);
}

/** A setting in words. */
function plain(value) {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map(plain).join(', ');
  if (typeof value !== 'object') return String(value);
  return Object.entries(value).filter(([, one]) => one !== null).map(([key, one]) => {
    const name = key.replaceAll('_', ' ');
    if (key === 'type') return one;
    if (typeof one === 'boolean') return one ? name : `no ${name}`;
    return key.endsWith('_ms') ? `${name.slice(0, -3)} ${plain(one)} ms` : `${name} ${plain(one)}`;
  }).join(' · ');
}

function soundOf() {
  if (!player.there) return transport.lacking() || 'none';
  const told = Object.values(sides).filter((side) => side.reel).map((side) => `${side.name} ${length((side.reel.length * 1000) / side.reel.rate)} at ${side.reel.rate / 1000} kHz`).join(', ');
  return [told, audioMap.folder ? `in the folder ${audioMap.folder} beside it` : 'in the page'].filter(Boolean).join('; ');
}
