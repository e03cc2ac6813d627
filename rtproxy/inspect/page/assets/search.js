// Which rows a search leaves: all words must be in a row or in the JSON of one of its events.

const search = {
  text: '',
  direction: '',
  type: '',
  errors: false,
  run: 0,

  get empty() {
    return !this.text && !this.direction && !this.type && !this.errors;
  },

  /** The rows that fit, or null if a newer search has begun. */
  async rows() {
    this.run += 1;
    const { run } = this;
    const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
    const number = /^#(\d+)$/.exec(this.text.trim());
    const inBodies = words.length && !number ? await this.inBodies(words, run) : null;
    if (run !== this.run) return null;
    const found = [];
    for (let i = 0; i < eventList.rows.length; i += 1) {
      if (this.fits(i, words, number, inBodies)) found.push(i);
    }
    return found;
  },

  fits(i, words, number, inBodies) {
    const row = eventList.rows[i];
    if (this.direction && row[FROM_SERVER] !== Number(this.direction)) return false;
    if (this.type && eventList.types[row[TYPE]] !== this.type) return false;
    if (this.errors && !eventList.wrong[i]) return false;
    if (number) return eventList.of(i).some((event) => eventList.seqs[event] === Number(number[1]));
    if (!words.length) return true;
    const text = `${eventList.types[row[TYPE]]} ${row[DETAIL]} ${eventList.marks[row[MARKED]]}`.toLowerCase();
    return words.every((word) => text.includes(word)) || inBodies.has(i);
  },

  /** Rows with an event whose JSON has all the words. */
  async inBodies(words, run) {
    const found = new Set();
    this.lowered ??= eventList.bodies().then((bodies) => bodies.map((body) => readable(body).toLowerCase()));
    const lowered = await this.lowered;
    if (run !== this.run) return found;
    for (let i = 0; i < eventList.count; i += 1) {
      const body = eventList.bodyOf[i];
      if (body >= 0 && words.every((word) => lowered[body].includes(word))) found.add(eventList.rowOf[i]);
    }
    return found;
  },
};

/** JSON as one reads it, without its escapes. */
function readable(json) {
  return json.includes('\\') ? json.replace(/\\u([0-9a-f]{4})/gi, (_, code) => String.fromCharCode(parseInt(code, 16))).replace(/\\(["\\/])/g, '$1') : json;
}
