// A node:test reporter that counts: suites do not count, a skipped or todo test is skipped. And tells how long files took.
import type { TestEvent } from "node:test/reporters";

export default async function* count(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const files: { file: string; seconds: number }[] = [];
  for await (const event of source) {
    if (event.type === "test:summary" && event.data.file !== undefined)
      files.push({ file: event.data.file, seconds: event.data.duration_ms / 1000 });
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { details, skip, todo } = event.data;
    if (details.type === "suite" && event.type === "test:pass") continue;
    if (skip !== undefined || todo !== undefined) counts.skipped++;
    else if (event.type === "test:pass") counts.passed++;
    else counts.failed++;
  }
  yield JSON.stringify({ ...counts, files });
}
