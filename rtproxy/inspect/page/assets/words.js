// Numbers and times in words.

/** Milliseconds as a length: 827 ms, 1.11 s, 2:05. */
function length(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 99_950) return `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  return clock(ms, 1000);
}

/** A time on the tape: 4.390, 1:04.39, 1:02:03; `step` is the ms that must be told apart. */
function clock(ms, step = 1) {
  const places = step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
  const unit = 10 ** places;
  const total = Math.round((Math.max(0, ms) / 1000) * unit) / unit;
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = (total % 60).toFixed(places);
  const padded = seconds.padStart(places ? places + 3 : 2, '0');
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${padded}` : `${minutes}:${padded}`;
}

/** Bytes: 145 B, 30.5 kB, 1.2 MB. */
function bytes(count) {
  if (count < 1000) return `${count} B`;
  const power = Math.min(4, Math.floor(Math.log10(count) / 3));
  const amount = count / 1000 ** power;
  return `${amount.toFixed(amount < 10 ? 2 : amount < 100 ? 1 : 0)} ${['', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

const number = (value) => value.toLocaleString('en');
const plural = (count, word) => `${number(count)} ${word}${count === 1 ? '' : 's'}`;

/** Text in which what is invisible, or turns the direction of writing around, is an escape. */
function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
