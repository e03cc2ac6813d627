// What the page holds: data blocks in the file, packed where they are long.

/** A block's value, which is read once. */
function readBlock(id) {
  const node = byId(`data-${id}`);
  if (node === null) return null;
  const value = JSON.parse(node.textContent);
  node.remove();
  return value;
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const data = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) data[i] = text.charCodeAt(i);
  return data;
}

/** The bytes that were packed into base64 of zlib. */
async function unpack(base64) {
  const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function unpackBlock(id) {
  const packed = readBlock(id);
  return packed === null ? null : unpack(packed);
}

async function unpackJson(id) {
  return JSON.parse(new TextDecoder().decode(await unpackBlock(id)));
}

const call = readBlock('call');
const audioMap = readBlock('audio');
const total = Math.max(1, call.session.duration_ms || 0);
const timed = call.session.times_known && call.session.events > 0;

/** What everything on the page looks at. Times are ms from the tape's start. */
const page = {
  now: new Signal(0),
  playing: new Signal(false),
  mode: new Signal('heard'),
  picked: new Signal(null),
};
