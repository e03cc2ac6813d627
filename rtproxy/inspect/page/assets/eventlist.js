// All events: rows as the listing folds them, and in columns each event of them.

const SEQ = 0;
const T = 1;
const GAP = 2;
const FROM_SERVER = 3;
const TYPE = 4;
const NAME = 5;
const DETAIL = 6;
const BYTES = 7;
const COUNT = 8;
const AUDIO = 9;
const MARKED = 10;
const WHOLE = 11;

const eventList = {
  rows: [],
  count: 0,

  async load() {
    const map = await unpackJson('events');
    const columns = await unpackBlock('columns');
    Object.assign(this, { rows: map.rows, types: map.types, marks: map.marks, count: map.count, map });
    const at = (n) => columns.buffer.slice(columns.byteOffset + n, columns.byteOffset + columns.byteLength);
    const n = map.count;
    this.seqs = new Float64Array(at(0), 0, n);
    this.times = new Float64Array(at(8 * n), 0, n);
    this.sizes = new Uint32Array(at(16 * n), 0, n);
    this.rowOf = new Uint32Array(at(20 * n), 0, n);
    this.bodyOf = new Int32Array(at(24 * n), 0, n);
    this.members = null;
    this.blocks = [];
    this.link(map);
    this.flag();
  },

  /** Cause and effect by event. */
  link(map) {
    this.causes = new Map();
    this.effects = new Map();
    const put = (index, key, seq, words) => index.set(key, [...(index.get(key) || []), { seq, words }]);
    for (const [cause, effect, why] of map.links) {
      put(this.causes, effect, cause, map.back[why]);
      put(this.effects, cause, effect, map.forth[why]);
    }
  },

  /** Rows that tell of something wrong. */
  flag() {
    const wrong = new Set(call.session.errors.map((error) => error.seq));
    for (const response of call.lanes.responses) {
      if (['failed', 'incomplete'].includes(response.status) && response.end_seq !== null) wrong.add(response.end_seq);
    }
    const { ending } = call.session;
    if (ending && endedBadly(ending)) wrong.add(ending.seq);
    const bad = /^(error|.*\.failed|rtproxy\.(damage|gap|protocol_error|reset|refused))$/;
    const badTypes = this.types.map((type) => bad.test(type));
    this.wrong = this.rows.map((row) => wrong.has(row[SEQ]) || badTypes[row[NAME]] || badTypes[row[TYPE]]);
  },

  /** The place of an event among all, by its number; −1 if it is not there. */
  index(seq) {
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.seqs[middle] === seq) return middle;
      if (this.seqs[middle] < seq) low = middle + 1;
      else high = middle - 1;
    }
    return this.seqs ? this.seqs.indexOf(seq) : -1;
  },

  time(seq) {
    const index = this.index(seq);
    return index < 0 ? null : this.times[index];
  },

  /** The events of a row, as places among all. */
  of(row) {
    if (!this.members) {
      this.members = this.rows.map(() => []);
      for (let i = 0; i < this.count; i += 1) this.members[this.rowOf[i]].push(i);
    }
    return this.members[row];
  },

  /** The lines of a block, which is unpacked once. */
  block(n) {
    this.blocks[n] ??= unpackBlock(`bodies-${n}`).then((data) => new TextDecoder().decode(data).split('\n'));
    return this.blocks[n];
  },

  /** All bodies, one after the other; they are unpacked once somebody searches. */
  async bodies() {
    return (await Promise.all(Array.from({ length: this.map.blocks }, (_, n) => this.block(n)))).flat();
  },

  /** The JSON of an event, or null if it was left out. */
  async body(index) {
    let number = this.bodyOf[index];
    if (number < 0) return null;
    for (let n = 0; n < this.map.blocks; n += 1) {
      const lines = await this.block(n);
      if (number < lines.length) return lines[number];
      number -= lines.length;
    }
    return null;
  },
};
