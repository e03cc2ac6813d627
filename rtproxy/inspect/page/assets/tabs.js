// The views of the call: on a wide screen the transcript stands beside the others.

const VIEWS = ['talk', 'turns', 'findings', 'events', 'about'];

const tabs = {
  current: 'turns',

  start() {
    this.node = byId('tabs');
    for (const view of VIEWS) byId(`tab-${view}`).addEventListener('click', () => this.show(view));
    this.node.addEventListener('keydown', (event) => {
      if (!['ArrowLeft', 'ArrowRight'].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      const views = this.views();
      const next = views[(views.indexOf(this.current) + (event.key === 'ArrowRight' ? 1 : views.length - 1)) % views.length];
      this.show(next);
      byId(`tab-${next}`).focus();
    });
    narrow.addEventListener('change', () => this.show(this.current));
    this.show(narrow.matches ? 'talk' : call.findings.length ? 'findings' : 'turns');
  },

  views() {
    return narrow.matches ? VIEWS : VIEWS.slice(1);
  },

  show(view) {
    this.current = view === 'talk' && !narrow.matches ? (this.current === 'talk' ? 'turns' : this.current) : view;
    for (const one of VIEWS) {
      const on = one === this.current;
      const tab = byId(`tab-${one}`);
      tab.setAttribute('aria-selected', String(on));
      tab.tabIndex = on ? 0 : -1;
      byId(one).hidden = !on && (one !== 'talk' || narrow.matches);
    }
    const tab = byId(`tab-${this.current}`);
    this.node.scrollLeft = tab.offsetLeft + tab.offsetWidth / 2 - this.node.clientWidth / 2;
    if (this.current === 'events') events.soon();
    if (view === 'talk' && !narrow.matches) byId('talk-lines').querySelector('.line')?.focus();
  },
};
