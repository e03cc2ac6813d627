// Light and dark: as the system has it, or as somebody chose; and the colours for the canvas.

const theme = {
  modes: ['system', 'light', 'dark'],
  changed: new Signal(0),
  colours: {},

  start() {
    const button = byId('theme');
    let mode = 'system';
    try {
      mode = localStorage.getItem('rtproxy-theme') || 'system';
    } catch { /* a browser may refuse storage to files */ }
    this.use(this.modes.includes(mode) ? mode : 'system');
    button.addEventListener('click', () => this.next());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.read());
    addEventListener('beforeprint', () => this.onPaper(true));
    addEventListener('afterprint', () => this.onPaper(false));
  },

  next() {
    const mode = document.documentElement.dataset.theme || 'system';
    this.use(this.modes[(this.modes.indexOf(mode) + 1) % this.modes.length]);
  },

  use(mode) {
    if (mode === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = mode;
    const words = { system: 'as the system has them', light: 'light', dark: 'dark' };
    byId('theme').setAttribute('aria-label', `Colours: ${words[mode]}`);
    try {
      localStorage.setItem('rtproxy-theme', mode);
    } catch { /* then it holds until the page is closed */ }
    this.read();
  },

  /** Paper is light; the style sheet for it is not yet in force when a browser announces it. */
  onPaper(paper) {
    document.documentElement.style.colorScheme = paper ? 'light' : '';
    this.read();
  },

  /** Read the colours that the style sheet has in force. */
  read() {
    const probe = make('i', { hidden: true });
    document.body.append(probe);
    for (const name of ['panel', 'sunk', 'line', 'grid', 'soft', 'caller', 'caller-band', 'assistant',
      'assistant-band', 'unheard', 'tool', 'response', 'warning', 'error', 'error-band', 'info', 'good', 'playhead', 'cursor']) {
      probe.style.color = `var(--${name})`;
      this.colours[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    const style = getComputedStyle(document.documentElement);
    this.font = style.getPropertyValue('--sans');
    this.changed.set(this.changed.value + 1);
  },
};
