// Prints every record of a tape as one line of JSON, integers and binary as text.
import { createReadStream } from "node:fs";
import { decodeMultiStream } from "@msgpack/msgpack";

const told = (key, value) => {
  if (value instanceof Uint8Array) return { bin: Buffer.from(value).toString("hex") };
  if (typeof value === "bigint" || Number.isInteger(value)) return String(value);
  return value;
};

const tape = createReadStream(process.argv[2], { highWaterMark: 7 }); // records come in pieces
for await (const record of decodeMultiStream(tape, { useBigInt64: true })) {
  console.log(JSON.stringify(record, told));
}
