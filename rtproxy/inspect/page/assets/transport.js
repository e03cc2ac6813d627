// Buttons for playback and zoom.

const transport = {
  start() {
    byId('play').addEventListener('click', () => player.toggle());
    byId('turn-back').addEventListener('click', () => stepTurn(-1));
    byId('turn-next').addEventListener('click', () => stepTurn(1));
    byId('zoom-in').addEventListener('click', () => this.zoom(0.5));
    byId('zoom-out').addEventListener('click', () => this.zoom(2));
    byId('zoom-fit').addEventListener('click', () => span.fit({ eased: true }));
    byId('speed').addEventListener('change', (event) => player.setSpeed(Number(event.target.value)));
    document.querySelector('.volumes').hidden = !player.there;
    for (const side of ['caller', 'assistant']) {
      const input = byId(`volume-${side}`);
      input.disabled = !sides[side].there;
      input.addEventListener('input', () => player.setVolume(side, Number(input.value)));
    }
    page.playing.watch((playing) => {
      const button = byId('play');
      button.classList.toggle('on', playing);
      button.setAttribute('aria-label', playing ? 'Pause' : 'Play');
    });
    const [now, whole] = byId('clock').children;
    whole.textContent = `/ ${clock(total, total < 600_000 ? 100 : 1000)}`;
    page.now.watch((ms) => { now.textContent = clock(ms, 10); });
    this.modes();
    player.word.watch((word) => { byId('sound-word').textContent = word || this.lacking(); });
  },

  /** What is heard and what was delivered are the same where nothing was cut or late. */
  modes() {
    const group = byId('mode');
    const buttons = [...group.children];
    const known = call.session.plays && sides.assistant.there;
    if (!known) page.mode.set('delivered');
    group.hidden = !known;
    const choose = (mode) => {
      page.mode.set(mode);
      player.again();
    };
    for (const button of buttons) button.addEventListener('click', () => choose(button.dataset.mode));
    group.addEventListener('keydown', (event) => {
      if (!['ArrowLeft', 'ArrowRight'].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      this.other();
      buttons.find((button) => button.dataset.mode === page.mode.value).focus();
    });
    page.mode.watch((mode) => {
      for (const button of buttons) {
        const on = button.dataset.mode === mode;
        button.setAttribute('aria-checked', String(on));
        button.tabIndex = on ? 0 : -1;
      }
    });
  },

  other() {
    if (byId('mode').hidden) return;
    page.mode.set(page.mode.value === 'heard' ? 'delivered' : 'heard');
    player.again();
  },

  /** Why there is nothing to hear, if there is nothing. */
  lacking() {
    if (!call.session.times_known) return '';
    const cut = Object.values(sides).filter((side) => side.facts.cut);
    if (cut.length) return 'The audio was cut from this tape.';
    return player.there ? '' : 'There is no audio on this tape.';
  },

  zoom(factor) {
    const now = page.now.value;
    const middle = now >= span.start && now <= span.end ? now : (span.start + span.end) / 2;
    span.zoom(factor, middle, { eased: true });
  },
};
