// What went wrong: what it rests on, and what to do about it.

const findingsView = {
  start() {
    const panel = byId('findings');
    byId('tab-findings').append(make('span', { class: `count ${call.findings[0] ? worstSeverity() : ''}` }, number(call.findings.length)));
    if (!call.findings.length) {
      panel.append(make('p', { class: 'empty' }, call.turns.length ? 'Nothing was found to be wrong with this call.' : 'There is nothing on this tape to judge.'));
      return;
    }
    this.cards = call.findings.map((finding, index) => this.card(finding, index));
    panel.append(make('ol', { class: 'findings-list' }, this.cards));
    this.at = -1;
  },

  card(finding, index) {
    const card = make('li', { class: `finding ${finding.severity}`, id: `finding-${index + 1}`, tabindex: '-1' },
      make('div', { class: 'finding-head' },
        make('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[finding.severity]),
        make('h3', {}, finding.code),
        make('span', { class: 'severity' }, finding.severity),
        finding.turn === null ? null : make('button', { type: 'button', class: 'link', onclick: () => showTurn(finding.turn) }, `turn ${finding.turn}`),
        finding.t === null || !timed ? null : make('button', { type: 'button', class: 'link', onclick: () => this.look(finding) }, clock(finding.t, 10))),
      make('p', {}, finding.message),
      make('p', { class: 'next' }, finding.next),
      make('p', { class: 'evidence' }, 'Rests on ', finding.events.map((seq) => eventLink(seq))));
    return card;
  },

  look(finding) {
    player.seek(finding.t);
    span.reveal(finding.t);
  },

  show(index) {
    tabs.show('findings');
    this.at = index;
    this.cards.forEach((card, i) => card.classList.toggle('picked', i === index));
    this.cards[index].scrollIntoView({ block: 'nearest' });
    this.cards[index].focus({ preventScroll: true });
  },

  step(step) {
    if (!call.findings.length) return;
    const next = (this.at + step + call.findings.length) % call.findings.length;
    const finding = call.findings[this.at < 0 && step < 0 ? call.findings.length - 1 : next];
    this.show(call.findings.indexOf(finding));
    if (finding.t !== null) this.look(finding);
  },
};

function worstSeverity() {
  return ['error', 'warning', 'info'].find((severity) => call.findings.some((finding) => finding.severity === severity));
}

/** A button that leads to an event. */
function eventLink(seq) {
  return make('button', { type: 'button', class: 'link event-link', onclick: () => events.pick(seq) }, `#${seq}`);
}
