import assert from "node:assert/strict";
import { test } from "node:test";
import { SyscallError } from "@tsilium/syscall";
import { tellingLines, VerifierError } from "./errors.ts";

const log = `0: R1=ctx() R10=fp0
; int classify(struct __sk_buff *ctx) @ basics.bpf.c:10
0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2_w=scalar()
; return value->packets; @ basics.bpf.c:12
5: (79) r0 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
verification time 133 usec
stack depth 8
processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;

test("a verifier log is cut to the complaint and the source line before it", () => {
  assert.deepEqual(tellingLines(log, 3), [
    "; return value->packets; @ basics.bpf.c:12",
    "5: (79) r0 = *(u64 *)(r0 +0)",
    "R0 invalid mem access 'map_value_or_null'",
  ]);
});

test("a verifier error shows the telling lines and keeps the whole log", () => {
  const error = new VerifierError("classify", new SyscallError("bpf", 13), log);
  assert.match(error.message, /^load of program classify: EACCES\n/);
  assert.match(error.message, /R0 invalid mem access 'map_value_or_null'$/);
  assert.equal(error.log, log);
  assert.equal(error.code, "EACCES");
});
