// Section names -> kinds of programs, the names libbpf gave them (its "Program Types and ELF Sections" page).
// Numbers: enum bpf_prog_type and enum bpf_attach_type.

export type ProgramKind = {
  /** enum bpf_prog_type. */
  readonly type: number;
  /** enum bpf_attach_type, undefined where loading needs none. */
  readonly attachType: number | undefined;
  /** BPF_PROG_LOAD flags. */
  readonly flags: number;
};

const SCHED_CLS = 3;
const XDP = 6;
const CGROUP_SKB = 8;
const CGROUP_SOCK = 9;
const CGROUP_SOCK_ADDR = 18;
const CGROUP_SOCKOPT = 25;
const BPF_F_XDP_HAS_FRAGS = 1 << 5;

const kind = (type: number, attachType?: number, flags = 0): ProgramKind => ({
  type,
  attachType,
  flags,
});

const kinds: Readonly<Record<string, ProgramKind>> = {
  tc: kind(SCHED_CLS),
  classifier: kind(SCHED_CLS),
  "tcx/ingress": kind(SCHED_CLS, 46),
  "tcx/egress": kind(SCHED_CLS, 47),
  xdp: kind(XDP, 37),
  "xdp.frags": kind(XDP, 37, BPF_F_XDP_HAS_FRAGS),
  socket: kind(1),
  sockops: kind(13, 3),
  sk_msg: kind(16, 7),
  "sk_skb/stream_parser": kind(14, 4),
  "sk_skb/stream_verdict": kind(14, 5),
  sk_lookup: kind(30, 36),
  sk_reuseport: kind(21, 39),
  syscall: kind(31),
  "cgroup_skb/ingress": kind(CGROUP_SKB, 0),
  "cgroup_skb/egress": kind(CGROUP_SKB, 1),
  "cgroup/skb": kind(CGROUP_SKB),
  "cgroup/sock": kind(CGROUP_SOCK, 2),
  "cgroup/sock_create": kind(CGROUP_SOCK, 2),
  "cgroup/sock_release": kind(CGROUP_SOCK, 34),
  "cgroup/post_bind4": kind(CGROUP_SOCK, 12),
  "cgroup/post_bind6": kind(CGROUP_SOCK, 13),
  "cgroup/bind4": kind(CGROUP_SOCK_ADDR, 8),
  "cgroup/bind6": kind(CGROUP_SOCK_ADDR, 9),
  "cgroup/connect4": kind(CGROUP_SOCK_ADDR, 10),
  "cgroup/connect6": kind(CGROUP_SOCK_ADDR, 11),
  "cgroup/sendmsg4": kind(CGROUP_SOCK_ADDR, 14),
  "cgroup/sendmsg6": kind(CGROUP_SOCK_ADDR, 15),
  "cgroup/recvmsg4": kind(CGROUP_SOCK_ADDR, 19),
  "cgroup/recvmsg6": kind(CGROUP_SOCK_ADDR, 20),
  "cgroup/getpeername4": kind(CGROUP_SOCK_ADDR, 29),
  "cgroup/getpeername6": kind(CGROUP_SOCK_ADDR, 30),
  "cgroup/getsockname4": kind(CGROUP_SOCK_ADDR, 31),
  "cgroup/getsockname6": kind(CGROUP_SOCK_ADDR, 32),
  "cgroup/getsockopt": kind(CGROUP_SOCKOPT, 21),
  "cgroup/setsockopt": kind(CGROUP_SOCKOPT, 22),
  "cgroup/sysctl": kind(23, 18),
  "cgroup/dev": kind(15, 6),
};

/** The kind of program a section holds: by its whole name, else by what precedes the last "/". */
export function programKind(section: string): ProgramKind | undefined {
  const exact = kinds[section];
  if (exact) return exact;
  const cut = section.lastIndexOf("/");
  return cut > 0 ? programKind(section.slice(0, cut)) : undefined;
}
