// A typed call with `OpenAIRealtimeWS` of the openai package, which takes its address and its key
// from the environment. Prints what the application has seen.
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const seen = { types: [], text: "", errors: [], url: "" };
const realtime = new OpenAIRealtimeWS({ model: "gpt-realtime" }, new OpenAI());
seen.url = realtime.url.protocol;

realtime.socket.on("open", () => {
  const content = [{ type: "input_text", text: "Say something." }];
  realtime.send({
    type: "conversation.item.create",
    item: { type: "message", role: "user", content },
  });
  realtime.send({ type: "response.create", response: { output_modalities: ["text"] } });
});
realtime.on("event", (event) => seen.types.push(event.type));
realtime.on("response.output_text.done", (event) => (seen.text = event.text));
realtime.on("error", (error) => {
  seen.errors.push(String(error.cause ?? error.message));
  realtime.close();
});
// The last event of a response: before it, what has been seen depends on who is quicker.
realtime.on("rate_limits.updated", () => realtime.close());
realtime.socket.on("close", () => console.log(JSON.stringify(seen)));
