// A node:test reporter that counts: suites do not count, a skipped or todo test is skipped.
import type { TestEvent } from "node:test/reporters";

export default async function* count(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for await (const event of source) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { details, skip, todo } = event.data;
    if (details.type === "suite" && event.type === "test:pass") continue;
    if (skip !== undefined || todo !== undefined) counts.skipped++;
    else if (event.type === "test:pass") counts.passed++;
    else counts.failed++;
  }
  yield JSON.stringify(counts);
}
