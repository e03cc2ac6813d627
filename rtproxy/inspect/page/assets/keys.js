// The keyboard. Typing into a field is typing; there only escape means something.

const keys = {
  actions: {
    ' ': () => player.toggle(),
    ArrowLeft: (event) => keys.move(event.shiftKey ? -10_000 : -1000),
    ArrowRight: (event) => keys.move(event.shiftKey ? 10_000 : 1000),
    Home: () => keys.jump(0),
    End: () => keys.jump(total),
    '+': () => transport.zoom(0.5),
    '=': () => transport.zoom(0.5),
    '-': () => transport.zoom(2),
    '−': () => transport.zoom(2),
    0: () => span.fit({ eased: true }),
    n: () => stepTurn(1),
    p: () => stepTurn(-1),
    f: () => findingsView.step(1),
    F: () => findingsView.step(-1),
    j: () => keys.event(1),
    k: () => keys.event(-1),
    '/': () => keys.search(),
    m: () => transport.other(),
    d: () => theme.next(),
    '?': () => keys.help(),
    Escape: () => keys.escape(),
    ...Object.fromEntries(VIEWS.map((view, i) => [i + 1, () => tabs.show(view)])),
  },

  start() {
    addEventListener('keydown', (event) => this.press(event));
    byId('help-open').addEventListener('click', () => this.help());
    byId('help-close').addEventListener('click', () => byId('help').close());
    byId('help').addEventListener('click', (event) => event.target === event.currentTarget && byId('help').close());
    byId('event-list').addEventListener('keydown', (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 }[event.key];
      if (step) events.step(step);
      else if (event.key === 'Enter' && events.at >= 0) events.toggle(events.lines[events.at][0]);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    byId('legend').append(...[
      ['caller', 'speech, as the server detected it; slanted where it was silent and the server had not said so yet'],
      ['assistant', 'heard; slanted grey where it was sent and never heard, red where playback ran dry'],
      ['responses', 'dots while it is waited for, a bar while it streams; ✓ completed, ~ cancelled, ≈ incomplete, ! failed, ? open'],
      ['tools', 'from the model’s call to the client’s output'],
      ['marks', '● info, ▲ warning, ■ error, with the finding’s number; × an error'],
    ].flatMap(([lane, words]) => [make('dt', { class: lane }, { marks: 'Findings' }[lane] || lane[0].toUpperCase() + lane.slice(1)), make('dd', {}, words)]));
  },

  press(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    const dialog = byId('help').open;
    if (dialog) {
      if (event.key === '?') byId('help').close();
      return;
    }
    const typing = target.matches?.('input:not([type=range], [type=checkbox]), select, textarea');
    if (typing && event.key !== 'Escape') return;
    if (target.matches?.('button, [role=button], input, tr, summary') && [' ', 'Enter'].includes(event.key)) return;
    if (target.matches?.('input[type=range]') && event.key.startsWith('Arrow')) return;
    const action = this.actions[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  },

  move(ms) {
    this.jump(page.now.value + ms);
  },

  jump(ms) {
    player.seek(ms);
    span.reveal(page.now.value);
  },

  event(step) {
    tabs.show('events');
    events.step(step);
  },

  search() {
    tabs.show('events');
    byId('search').focus();
    byId('search').select();
  },

  help() {
    byId('help').showModal();
  },

  escape() {
    const { activeElement } = document;
    if (activeElement?.id === 'search' || !search.empty) {
      events.clear();
      activeElement?.blur();
    } else detail.hide();
  },
};
