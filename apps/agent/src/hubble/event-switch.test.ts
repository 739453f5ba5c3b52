import assert from "node:assert/strict";
import { test } from "node:test";
import { EventSwitch } from "./event-switch.ts";

function switched(lasting: ConstructorParameters<typeof EventSwitch>[1]) {
  const said: string[] = [];
  const events = new EventSwitch(
    {
      setTrace: (level) => void said.push(level),
      setVerdicts: (on) => void said.push(on ? "verdicts" : "no verdicts"),
    },
    lasting,
  );
  return { events, take: () => said.splice(0).join(", ") };
}

test("programs are told what holds for good, also when that is nothing: an earlier agent may have left more", () => {
  assert.equal(switched({ trace: "off", verdicts: false }).take(), "off, no verdicts");
  assert.equal(switched({ trace: "connections", verdicts: true }).take(), "connections, verdicts");
});

test("who wants more gets it as long as they want it, and what they want less of stays", () => {
  const { events, take } = switched({ trace: "connections", verdicts: true });
  take();
  const less = events.want({ trace: "off", verdicts: false });
  assert.equal(take(), "");
  const more = events.want({ trace: "sent", verdicts: false });
  assert.equal(take(), "sent");
  const same = events.want({ trace: "sent", verdicts: false });
  more[Symbol.dispose]();
  less[Symbol.dispose]();
  assert.equal(take(), "");
  same[Symbol.dispose]();
  assert.equal(take(), "connections");
});
