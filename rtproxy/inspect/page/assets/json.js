// JSON to look at: indented, coloured, and folded where it is long.

const FOLDED_FROM = 24;
const MOST_NODES = 4000;

/** Nodes that show a JSON text; text that is none is shown as it is. */
function jsonView(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return [make('span', { class: 'string' }, visible(text))];
  }
  const budget = { left: MOST_NODES };
  return jsonNodes(value, 0, budget);
}

function jsonNodes(value, depth, budget) {
  budget.left -= 1;
  if (budget.left < 0) return [make('span', { class: 'left-out' }, '…')];
  if (value === null || typeof value === 'boolean') return [make('span', { class: 'word' }, String(value))];
  if (typeof value === 'number') return [make('span', { class: 'figure' }, String(value))];
  if (typeof value === 'string') return [stringNode(value)];
  const array = Array.isArray(value);
  const entries = array ? value.map((one) => [null, one]) : Object.entries(value);
  const [open, close] = array ? ['[', ']'] : ['{', '}'];
  if (!entries.length) return [open + close];
  const inner = '  '.repeat(depth + 1);
  const nodes = entries.flatMap(([key, one], i) => [
    `\n${inner}`,
    ...(key === null ? [] : [make('span', { class: 'key-name' }, visible(JSON.stringify(key))), ': ']),
    ...jsonNodes(one, depth + 1, budget),
    i < entries.length - 1 ? ',' : '',
  ]);
  const end = `\n${'  '.repeat(depth)}${close}`;
  if (depth > 0 && entries.length >= FOLDED_FROM) {
    return [make('details', {}, make('summary', {}, `${open} ${plural(entries.length, array ? 'element' : 'field')} ${close}`), open, ...nodes, end)];
  }
  return [open, ...nodes, end];
}

function stringNode(text) {
  const shown = visible(JSON.stringify(text));
  if (/^… [\d,]+ (characters of base64|more)/.test(text)) return make('span', { class: 'left-out' }, shown.slice(1, -1));
  return make('span', { class: 'string' }, shown);
}
