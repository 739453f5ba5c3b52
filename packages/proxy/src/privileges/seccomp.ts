// The filter that proxies live under: what a proxy never does, and what one that was taken over would do next.

/** System calls that answer EPERM: of x86-64 and of the generic table (arm64, riscv64). */
const refused: Readonly<Record<string, readonly [x64: number, generic: number]>> = {
  execve: [59, 221],
  execveat: [322, 281],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  setns: [308, 268],
  unshare: [272, 97],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  init_module: [175, 105],
  finit_module: [313, 273],
  kexec_load: [246, 104],
  keyctl: [250, 219],
  add_key: [248, 217],
  request_key: [249, 218],
};

const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_NOT_LESS = 0x35;
const RETURN = 0x06;
const allow = 0x7fff_0000;
const errnoEperm = 0x0005_0001;
/** AUDIT_ARCH_*, by process.arch. */
const auditArch: Readonly<Record<string, number>> = {
  x64: 0xc000_003e,
  arm64: 0xc000_00b7,
  riscv64: 0xc000_00f3,
};
/** x86-64's second table of the same calls (x32) begins here. */
const x32Bit = 0x4000_0000;

/**
 * A filter (struct sock_filter[]) under which everything is allowed but executing programs, and means to reach into
 * other processes or the kernel. Calls by another architecture's table are refused.
 */
export function noNewPrograms(arch: string = process.arch): Uint8Array {
  const wanted = auditArch[arch];
  if (wanted === undefined) throw new RangeError(`no system call filter for ${arch}`);
  const numbers = Object.values(refused).map(([x64, generic]) => (arch === "x64" ? x64 : generic));
  const instructions: [code: number, ifTrue: number, ifFalse: number, value: number][] = [
    [LOAD_WORD, 0, 0, 4],
    [JUMP_IF_EQUAL, 1, 0, wanted],
    [RETURN, 0, 0, errnoEperm],
    [LOAD_WORD, 0, 0, 0],
    [JUMP_IF_NOT_LESS, numbers.length + 1, 0, x32Bit],
    ...numbers.map((number, index): [number, number, number, number] => [
      JUMP_IF_EQUAL,
      numbers.length - index,
      0,
      number,
    ]),
    [RETURN, 0, 0, allow],
    [RETURN, 0, 0, errnoEperm],
  ];
  const view = new DataView(new ArrayBuffer(Math.max(instructions.length * 8, 128)));
  instructions.forEach(([code, ifTrue, ifFalse, value], index) => {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, ifTrue);
    view.setUint8(index * 8 + 3, ifFalse);
    view.setUint32(index * 8 + 4, value, true);
  });
  return new Uint8Array(view.buffer, 0, instructions.length * 8);
}
