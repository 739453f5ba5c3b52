// The objects of dist/bpf beside an XDP program that lets everything pass, for tests of how XDP is attached.
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileBpf } from "@tsilium/testkit/clang.ts";

const source = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int tsi_xdp(struct xdp_md *ctx)
{
	return ctx->data > ctx->data_end ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
`;

/** A directory of objects, removed when disposed of. */
export function objectsWithXdp(objects: string): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "tsit-xdp-"));
  cpSync(objects, path, { recursive: true });
  const target = join(path, "xdp.o");
  if (!existsSync(target)) {
    const text = join(path, "xdp.bpf.c");
    writeFileSync(text, source);
    writeFileSync(target, compileBpf(text));
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}
