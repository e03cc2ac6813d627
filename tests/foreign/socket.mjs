// A call over a bare WebSocket (`ws`), typed and spoken. Prints a digest of every message that came
// until the last answer. Argument: a file of speech, 24 kHz mono s16le.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import WebSocket from "ws";

const speech = readFileSync(process.argv[2]);
const url = `${process.env.RTPROXY_URL.replace("http", "ws")}/v1/realtime?model=gpt-realtime`;
const headers = { Authorization: "Bearer sk-proj-4242abcdef4242abcdef4242abcdef" };
const socket = new WebSocket(url, { headers });
const seen = { extensions: "", digests: [], code: 0 };
let turns = 0;

const send = (event) => socket.send(JSON.stringify(event));
const on = {
  "session.created": () => {
    const content = [{ type: "input_text", text: "enough" }];
    send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
    send({ type: "response.create", response: { output_modalities: ["text"] } });
  },
  "response.done": () => {
    turns += 1;
    if (turns === 2) return socket.close(1000, "goodbye");
    for (let at = 0; at < speech.length; at += 9600) {
      const audio = speech.subarray(at, at + 9600).toString("base64");
      send({ type: "input_audio_buffer.append", audio });
    }
  },
};

socket.on("open", () => (seen.extensions = socket.extensions));
socket.on("message", (text) => {
  if (turns < 2) seen.digests.push(createHash("sha256").update(text).digest("hex").slice(0, 16));
  on[JSON.parse(text).type]?.();
});
socket.on("close", (code) => {
  seen.code = code;
  console.log(JSON.stringify(seen));
});
