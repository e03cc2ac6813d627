// Plays both sides in step: blocks of samples are made a little ahead of time and queued.

const BLOCK_S = 0.2;
const LEAD_S = 0.5;
const HIDDEN_LEAD_S = 2.5;
const PATIENCE_MS = 2000;

class Player {
  constructor() {
    this.context = null;
    this.volumes = { caller: 1, assistant: 1 };
    this.gains = {};
    this.speed = 1;
    this.run = 0;
    this.base = { at: 0, ms: 0 };
    this.word = new Signal('');
  }

  get there() {
    return sides.caller.there || sides.assistant.there;
  }

  /** Where playback is, in ms; without audio time passes all the same. */
  get position() {
    const passed = this.context
      ? this.context.currentTime - this.base.at - (this.context.outputLatency || this.context.baseLatency || 0)
      : performance.now() / 1000 - this.base.at;
    return Math.min(total, this.base.ms + Math.max(0, passed) * 1000 * this.speed);
  }

  async play() {
    if (page.playing.value) return;
    if (page.now.value >= total - 1) page.now.set(0);
    page.playing.set(true);
    if (this.there) await this.wake();
    if (page.playing.value) this.begin(page.now.value);
    this.watch();
  }

  pause() {
    if (!page.playing.value) return;
    page.now.set(this.position);
    this.silence();
    page.playing.set(false);
  }

  toggle() {
    if (page.playing.value) this.pause();
    else this.play();
  }

  seek(ms) {
    page.now.set(Math.min(Math.max(0, ms), total));
    this.again();
  }

  /** Go on from where the playhead is, with what has changed. */
  again() {
    if (page.playing.value) this.begin(page.now.value);
  }

  setSpeed(speed) {
    if (page.playing.value) page.now.set(this.position);
    this.speed = speed;
    this.again();
  }

  setVolume(side, volume) {
    this.volumes[side] = volume;
    this.gains[side]?.gain.setTargetAtTime(volume * volume, this.context.currentTime, 0.015);
  }

  open() {
    const rates = Object.values(sides).filter((side) => side.there).map((side) => side.reel.rate);
    const rate = Math.max(8000, ...rates);
    this.context = new AudioContext({ sampleRate: rate, latencyHint: 'interactive' });
    for (const [side, place] of [['caller', -0.25], ['assistant', 0.25]]) {
      const gain = this.context.createGain();
      const pan = this.context.createStereoPanner();
      gain.gain.value = this.volumes[side] ** 2;
      pan.pan.value = place;
      gain.connect(pan).connect(this.context.destination);
      this.gains[side] = gain;
    }
  }

  /** Have sound, or go on without: a browser with no output for it may never say so. */
  async wake() {
    if (!this.context) this.open();
    const { context } = this;
    this.base = { at: Infinity, ms: page.now.value };
    const patience = new Promise((resolve) => { setTimeout(resolve, PATIENCE_MS); });
    await Promise.race([context.resume(), patience]).catch(() => {});
    const awake = context.state === 'running';
    this.word.set(awake ? '' : 'No sound: the browser has found no output for it.');
    if (awake || this.context !== context) return;
    this.silence();
    context.close();
    this.context = null;
    this.gains = {};
  }

  begin(ms) {
    this.silence();
    const run = this.run;
    if (!this.context) {
      this.base = { at: performance.now() / 1000, ms };
      return;
    }
    const { context, speed } = this;
    const rate = context.sampleRate;
    this.outs = {};
    for (const [name, side] of Object.entries(sides)) {
      const out = context.createGain();
      out.connect(this.gains[name]);
      const mode = page.mode.value;
      const read = (from, samples) => side.reel && side.fill(mode, rate, from, samples);
      let from = Math.round((ms * rate) / 1000);
      const stretch = speed === 1 ? null : new Stretch(read, rate, speed, from);
      this.outs[name] = {
        out,
        take(samples) {
          if (stretch) stretch.take(samples);
          else read(from, samples);
          from += samples.length;
        },
      };
    }
    this.base = { at: context.currentTime + 0.05, ms };
    this.pump(run, page.mode.value, ms);
  }

  async pump(run, mode, ms) {
    const { context, speed } = this;
    const frames = Math.round(BLOCK_S * context.sampleRate);
    const step = (frames / context.sampleRate) * 1000 * speed;
    let due = this.base.at;
    for (; run === this.run && ms < total; ms += step) {
      await this.ensure(mode, ms, ms + step + 100);
      if (run !== this.run) return;
      if (due < context.currentTime + 0.01) {
        due = context.currentTime + 0.05;
        this.base = { at: due, ms };
      }
      this.queue(frames, due);
      due += frames / context.sampleRate;
      while (run === this.run && due - context.currentTime > (document.hidden ? HIDDEN_LEAD_S : LEAD_S)) {
        await new Promise((resolve) => { setTimeout(resolve, 60); });
      }
    }
  }

  async ensure(mode, from, to) {
    try {
      for (const side of Object.values(sides)) if (side.reel) await side.ensure(mode, from, to);
    } catch (error) {
      this.word.set(`No sound: ${error.message}`);
    }
  }

  queue(frames, due) {
    for (const { out, take } of Object.values(this.outs)) {
      const buffer = this.context.createBuffer(1, frames, this.context.sampleRate);
      take(buffer.getChannelData(0));
      const source = this.context.createBufferSource();
      source.buffer = buffer;
      source.connect(out);
      source.start(due);
    }
  }

  /** Stop what is queued, without a click. */
  silence() {
    this.run += 1;
    for (const { out } of Object.values(this.outs || {})) {
      out.gain.setTargetAtTime(0, this.context.currentTime, 0.004);
      setTimeout(() => out.disconnect(), 80);
    }
    this.outs = {};
  }

  /** Move the playhead along while it plays. */
  watch() {
    const step = () => {
      if (!page.playing.value) return;
      page.now.set(this.position);
      if (this.position >= total) this.pause();
      else requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }
}

const player = new Player();
