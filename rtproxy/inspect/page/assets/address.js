// The address keeps the place: #t=24.3, #e=184, #turn=3, also together.

const address = {
  start() {
    this.go();
    addEventListener('hashchange', () => this.go());
    page.picked.watch(() => this.soon());
    page.playing.watch((playing) => !playing && this.soon());
    page.now.watch(() => !page.playing.value && this.soon());
  },

  /** Go where the address says. */
  go() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const whole = (name) => (/^\d+$/.test(wanted.get(name) || '') ? Number(wanted.get(name)) : null);
    const t = Number.parseFloat(wanted.get('t'));
    if (whole('turn') !== null && showTurn(whole('turn'))) tabs.show('turns');
    if (whole('e') !== null) events.pick(whole('e'), { seek: !Number.isFinite(t) });
    if (Number.isFinite(t) && t >= 0) {
      player.seek(t * 1000);
      span.reveal(t * 1000);
    }
  },

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.write(), 250);
  },

  write() {
    const parts = [];
    if (timed && page.now.value > 0) parts.push(`t=${(page.now.value / 1000).toFixed(3).replace(/\.?0+$/, '')}`);
    if (page.picked.value !== null) parts.push(`e=${page.picked.value}`);
    const hash = parts.length ? `#${parts.join('&')}` : '';
    if (hash === location.hash) return;
    try {
      history.replaceState(null, '', hash || location.pathname + location.search);
    } catch { /* a browser may keep the address of a file as it is */ }
  },
};
