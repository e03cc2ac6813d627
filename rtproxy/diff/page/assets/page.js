'use strict';
// Two timelines in one scroller, and the differences below: what is chosen in one place is shown
// in all. The drawing is made of percentages, so that zooming is to set a width.

const MOST = 64;
const FINEST = 4;

class Timelines {
  constructor(section) {
    this.section = section;
    this.scroller = section.querySelector('.scroll');
    this.wide = section.querySelector('.wide');
    this.zoom = 1;
    this.cards = [...section.parentElement.querySelectorAll('.difference')];
    this.chosen = -1;
    this.listen();
    this.measure();
  }

  listen() {
    const on = (name, act) => this.section.querySelector(name)?.addEventListener('click', act);
    on('.in', () => this.magnify(2));
    on('.out', () => this.magnify(0.5));
    on('.all', () => this.magnify(0));
    on('.before', () => this.step(-1));
    on('.after', () => this.step(1));
    this.section.addEventListener('click', (event) => {
      const mark = event.target.closest('[data-difference]');
      const ribbon = event.target.closest('[data-turn]');
      if (mark) this.choose(mark.dataset.difference, true);
      else if (ribbon) this.turn(ribbon.dataset.turn);
    });
    for (const card of this.cards) {
      card.addEventListener('click', (event) => {
        if (event.target.closest('.go') || !String(getSelection())) this.choose(card.id, false);
      });
    }
    this.scroller.addEventListener('wheel', (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.magnify(event.deltaY < 0 ? 1.25 : 0.8, event.clientX);
    }, { passive: false });
    this.scroller.addEventListener('keydown', (event) => {
      const factor = { '+': 2, '=': 2, '-': 0.5, '0': 0 }[event.key];
      if (factor === undefined || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.magnify(factor);
    });
    addEventListener('resize', () => this.measure());
  }

  /** Cards keep clear of the timelines, which stay in view. */
  measure() {
    const stays = getComputedStyle(this.section).position === 'sticky';
    const above = stays ? `${this.section.offsetHeight + 16}px` : '12px';
    this.section.parentElement.style.setProperty('--above', above);
  }

  /** Zoom by a factor, 0 for all of it, around a place on the screen or what is in the middle. */
  magnify(factor, clientX) {
    const box = this.scroller.getBoundingClientRect();
    const offset = clientX === undefined ? box.width / 2 : clientX - box.left;
    const at = (this.scroller.scrollLeft + offset) / this.wide.offsetWidth;
    this.zoomTo(factor === 0 ? 1 : this.zoom * factor);
    this.scroller.scrollLeft = at * this.wide.offsetWidth - offset;
  }

  zoomTo(zoom) {
    this.zoom = Math.min(MOST, Math.max(1, zoom));
    this.wide.style.width = `${this.zoom * 100}%`;
    this.section.dataset.level = Math.min(FINEST, Math.round(Math.log2(this.zoom)));
    this.section.querySelector('.out').disabled = this.zoom === 1;
    this.section.querySelector('.in').disabled = this.zoom === MOST;
  }

  step(by) {
    const count = this.cards.length;
    const next = this.chosen < 0 ? (by > 0 ? 0 : count - 1) : (this.chosen + by + count) % count;
    this.choose(this.cards[next].id, true);
  }

  /** Show a difference in both timelines, and if need be its card. */
  choose(id, scroll) {
    this.chosen = this.cards.findIndex((card) => card.id === id);
    if (this.chosen < 0) return;
    for (const old of document.querySelectorAll('.chosen')) old.classList.remove('chosen');
    const marks = [...this.section.querySelectorAll(`[data-difference="${CSS.escape(id)}"]`)];
    for (const mark of marks) mark.classList.add('chosen');
    this.cards[this.chosen].classList.add('chosen');
    this.section.querySelector('.place').textContent = `${this.chosen + 1} of ${this.cards.length}`;
    this.reveal(marks);
    if (scroll) this.cards[this.chosen].scrollIntoView({ block: 'start' });
    else if (!this.visible()) this.section.scrollIntoView({ block: 'nearest' });
    history.replaceState(null, '', `#${id}`);
  }

  visible() {
    const box = this.section.getBoundingClientRect();
    return box.top >= 0 && box.bottom <= innerHeight;
  }

  /** Scroll to where marks are in the middle; zoom out if they do not fit beside one another. */
  reveal(marks) {
    if (!marks.length) return;
    const place = (mark) => Number.parseFloat(mark.querySelector('line').getAttribute('x1')) / 100;
    const places = marks.map(place);
    const low = Math.min(...places);
    const high = Math.max(...places);
    const view = this.scroller.clientWidth;
    if ((high - low) * this.wide.offsetWidth > view * 0.9) {
      this.zoomTo(this.zoom * (view * 0.8) / ((high - low) * this.wide.offsetWidth));
    }
    const left = ((low + high) / 2) * this.wide.offsetWidth - view / 2;
    this.scroller.scrollTo({ left, behavior: 'auto' });
  }

  turn(id) {
    const card = document.getElementById(id)?.querySelector('.difference');
    if (card) this.choose(card.id, true);
  }
}

const timelines = [...document.querySelectorAll('.timelines')].map((one) => new Timelines(one));
for (const one of timelines) one.zoomTo(1);

const owner = (id) => timelines.find((one) => one.cards.some((card) => card.id === id));

function follow() {
  const id = decodeURIComponent(location.hash.slice(1));
  owner(id)?.choose(id, true);
}

addEventListener('hashchange', follow);
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input')) return;
  const by = { j: 1, n: 1, k: -1, p: -1 }[event.key];
  const current = timelines.find((one) => one.chosen >= 0) ?? timelines[0];
  if (by && current?.cards.length) current.step(by);
});
follow();
document.documentElement.dataset.ready = '';
