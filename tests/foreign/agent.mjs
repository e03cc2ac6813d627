// A call with an agent of @openai/agents-realtime: typed, spoken, interrupted. Prints what the
// application has seen. Arguments: two files of speech, 24 kHz mono s16le.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

const [story, enough] = process.argv.slice(2).map((path) => readFileSync(path));
const seen = { tools: [], audio: {}, interrupted: 0, errors: [], history: [] };
let turns = 0;
let playedAt = 0;
let wake = () => {};

const until = async (come) => {
  while (!come()) await new Promise((resolve) => (wake = resolve));
};

// The SDK truncates what has not been played by its clock, so a slow machine must not decide that.
const played = () => new Promise((resolve) => setTimeout(resolve, playedAt + 100 - Date.now()));

const say = (speech) => {
  for (let at = 0; at < speech.length; at += 4800) {
    const chunk = speech.subarray(at, at + 4800);
    session.sendAudio(chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + chunk.length));
  }
};

const agent = new RealtimeAgent({
  name: "Clerk",
  instructions: "Be brief.",
  tools: [
    tool({
      name: "get_weather",
      description: "The weather in a city.",
      parameters: z.object({ city: z.string() }),
      execute: ({ city }) => `12 degrees and foggy in ${city}`,
    }),
  ],
});
const session = new RealtimeSession(agent, { transport: "websocket", model: "gpt-realtime" });

session.on("agent_tool_end", (_context, _agent, called, output, { toolCall }) => {
  seen.tools.push([called.name, toolCall.arguments, output]);
});
session.on("audio_interrupted", () => (seen.interrupted += 1));
session.on("error", ({ error }) => seen.errors.push(JSON.stringify(error)));
session.on("transport_event", (event) => {
  if (event.type === "response.done") turns += 1;
  if (event.type === "response.output_audio.delta") {
    const before = seen.audio[event.item_id] ?? "";
    playedAt = Math.max(playedAt, Date.now()) + (event.delta.length * 3) / 4 / 48;
    seen.audio[event.item_id] = createHash("sha256").update(before + event.delta).digest("hex");
  }
  setImmediate(() => wake());
});

const url = `${process.env.RTPROXY_URL.replace("http", "ws")}/v1/realtime?model=gpt-realtime`;
await session.connect({ apiKey: "sk-proj-4242abcdef4242abcdef4242abcdef", url });
session.sendMessage("How is the weather in London?");
await until(() => turns === 2);
await played();
say(story);
await until(() => Object.keys(seen.audio).length === 2);
say(enough);
await until(() => turns === 4 && JSON.stringify(session.history).includes("that is enough"));
seen.history = session.history;
session.close();
console.log(JSON.stringify(seen));
