// One side's samples: packed pieces in the page or in files beside it, unpacked when they are needed.

const PIECE = 1 << 19;
const KEPT = 24;
const waiting = new Map();

// A file beside the page is a script, as a page that was opened as a file can read nothing else.
globalThis.rtproxyAudio = (side, index, base64) => {
  const key = `${side}-${index}`;
  waiting.get(key)?.(base64);
  waiting.delete(key);
};

const trusted = audioMap.folder === null || !globalThis.trustedTypes ? null
  : trustedTypes.createPolicy('rtproxy', { createScriptURL: (url) => url });

function loadBeside(side, index) {
  return new Promise((resolve, reject) => {
    const path = [audioMap.folder, audioMap.files[side][index]].map(encodeURIComponent).join('/');
    const node = document.createElement('script');
    waiting.set(`${side}-${index}`, resolve);
    node.src = trusted === null ? path : trusted.createScriptURL(path);
    node.addEventListener('error', () => reject(new Error(`${audioMap.folder} is not beside this page.`)));
    node.addEventListener('load', () => node.remove());
    document.head.append(node);
  });
}

class Reel {
  constructor(side, facts) {
    this.side = side;
    this.rate = facts.rate;
    this.length = facts.length;
    this.bucket = facts.bucket;
    this.peaks = null;
    this.pieces = new Map();
    this.loading = new Map();
    this.changed = new Signal(0);
    this.failed = new Signal(null);
  }

  /** The samples of a piece, or null while they are not there; asks for them if told to. */
  piece(index, ask = true) {
    const found = this.pieces.get(index);
    if (found) return found;
    if (ask) this.load(index).catch(() => {});
    return null;
  }

  /** Make sure that the samples `from` to `to` are there. */
  async ensure(from, to) {
    const last = Math.floor((Math.min(to, this.length) - 1) / PIECE);
    for (let index = Math.floor(Math.max(0, from) / PIECE); index <= last; index += 1) {
      if (!this.pieces.has(index)) await this.load(index);
    }
  }

  load(index) {
    if (this.failed.value) return Promise.reject(this.failed.value);
    if (!this.loading.has(index)) {
      this.loading.set(index, this.fetch(index).finally(() => this.loading.delete(index)));
    }
    return this.loading.get(index);
  }

  async fetch(index) {
    try {
      const inside = byId(`data-${this.side}-${index}`);
      const packed = inside ? JSON.parse(inside.textContent) : await loadBeside(this.side, index);
      const planes = await unpack(packed);
      const count = planes.length / 2;
      const samples = new Int16Array(count);
      let value = 0;
      for (let i = 0; i < count; i += 1) {
        value = (value + (planes[i] | (planes[count + i] << 8))) << 16 >> 16;
        samples[i] = value;
      }
      this.pieces.set(index, samples);
      if (this.pieces.size > KEPT) this.pieces.delete(this.pieces.keys().next().value);
      this.changed.set(this.changed.value + 1);
    } catch (error) {
      this.failed.set(error);
      throw error;
    }
  }
}
