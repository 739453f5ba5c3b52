// bpf-lb-maglev-hash-seed: what Maglev tables and flows' hashes start from, on all nodes alike.

export type MaglevSeed = {
  /** Of the permutations that tables are made from. */
  readonly table: number;
  /** Of the hash by which a flow finds its entry. */
  readonly flow: number;
};

const seedBytes = 12;

/** Reads 12 bytes in base64 as Cilium does. @throws Error saying what is wanted */
export function maglevSeed(text: string): MaglevSeed {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== seedBytes || bytes.toString("base64") !== text)
    throw new Error(`wanted ${seedBytes} bytes in base64, got "${text}"`);
  return { table: bytes.readUInt32BE(0), flow: bytes.readUInt32BE(4) };
}
