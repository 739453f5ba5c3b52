// Reads the layout of a map's key or value out of BTF, be it the object file's or what the kernel kept of a pinned
// map: the old map describes itself, so that no agent must remember its predecessor's structs.
import type { Btf } from "@tsilium/ebpf";
import type { Leaf, RecordLayout } from "./layout.ts";

/** Layout of the type with this number. Type 0 (none known) has a size only. @throws ObjectError btf_invalid */
export function recordLayout(btf: Btf, typeId: number, size: number): RecordLayout {
  if (typeId === 0) return { size, leaves: [] };
  return { size, leaves: leavesOf(btf, typeId, { path: "", offset: 0 }) };
}

type Place = { readonly path: string; readonly offset: number };

/**
 * Structs are taken apart and arrays of structs too; scalars, arrays of scalars and unions are leaves, since nothing
 * says which member of a union is meant.
 */
function leavesOf(btf: Btf, typeId: number, place: Place): Leaf[] {
  const type = btf.resolve(typeId);
  if (type.kind === "struct" && !type.members.some((member) => member.bitSize > 0)) {
    return type.members.flatMap((member) =>
      leavesOf(btf, member.type, {
        path: joinPath(place.path, member.name || unionName(btf, member.type)),
        offset: place.offset + member.bitOffset / 8,
      }),
    );
  }
  if (type.kind === "array" && btf.resolve(type.type).kind === "struct") {
    const stride = btf.sizeOf(type.type);
    return Array.from({ length: type.length }, (_, index) =>
      leavesOf(btf, type.type, {
        path: `${place.path}[${index}]`,
        offset: place.offset + index * stride,
      }),
    ).flat();
  }
  return [{ path: place.path || "value", offset: place.offset, size: btf.sizeOf(typeId) }];
}

/** An anonymous union is known by its members: `ipv4|ipv6`. An anonymous struct's members stand for themselves. */
function unionName(btf: Btf, typeId: number): string {
  const type = btf.resolve(typeId);
  return type.kind === "union" ? type.members.map((member) => member.name).join("|") : "";
}

function joinPath(path: string, name: string): string {
  if (path === "" || name === "") return path + name;
  return `${path}.${name}`;
}
